"""What changed since the night before, in an answer."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import Field

from serving.answers import Answer, units


class NightChanges(Answer):
    """Two nights side by side."""

    before: date = Field(description="the day of the night before")
    model_before: str = Field(description="the version that answered then")
    new_invoices: int = Field(description="not open then")
    new_amount: float = Field(description="what is open of them")
    gone_invoices: int = Field(description="paid, credited, or no longer in the ledger")
    gone_amount: float = Field(description="what was open of them")
    open_change: float = Field(description="of all that is open")
    value_at_risk_change: float = Field(description="of the value at risk")
    worse_invoices: int = Field(description="open on both nights, in a higher band now")
    better_invoices: int = Field(description="open on both nights, in a lower band now")
    other_contacts: int = Field(description="customers for whom something else is advised now")


_AMOUNTS = {
    "new_amount": "new_cents",
    "gone_amount": "gone_cents",
    "open_change": "open_change_cents",
    "value_at_risk_change": "value_at_risk_change_cents",
}


def changes_of(noted: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The changes that a night noted, in units; None where there was no night before."""
    if noted is None:
        return None
    return {
        name: units(noted[_AMOUNTS[name]]) if name in _AMOUNTS else noted[name]
        for name in NightChanges.model_fields
    }
