"""A customer's record as of a day: every invoice due against paid, and what was done and promised.

Plain rows for people to look at; nothing here is a feature. What was known before the day, no more.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from pipelines.ledger import NEVER, Ledger
from pipelines.settlement import open_cents, settle

Row = dict[str, Any]

WEEKS = 52  # of exposure told
KEPT, BROKEN, RUNNING = "kept", "broken", "open"  # how it stands with a promise
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class CustomerRecord:
    """What is known of one customer, each list by day, the oldest first.

    `invoices` have `settled_on` (None while open) and `days_late`: of the settlement, or so far of
    an open one, against the due business day.
    """

    as_of: date
    invoices: list[Row]
    exposure: list[tuple[date, int]]  # what was open in cents, week by week for a year
    limits: list[Row]
    actions: list[Row]
    promises: list[Row]
    disputes: list[Row]


def of(ledger: Ledger, as_of: int) -> CustomerRecord:
    """The record told by the ledger of one customer when day `as_of` began."""
    known = ledger.known_before(as_of)
    settlement = settle(known)
    left = open_cents(settlement, as_of).tolist()
    invoices = [
        {
            "invoice_id": invoice_id,
            "issue_date": _day(issued),
            "due_date": _day(raw_due),
            "due_business_date": _day(due),
            "amount_cents": amount,
            "open_cents": open_now,
            "settled_on": _day(settled) if settled < NEVER else None,
            "days_late": min(settled, as_of) - due,
        }
        for invoice_id, issued, raw_due, due, amount, settled, open_now, nil in zip(
            known.invoices["invoice_id"].to_pylist(),
            settlement.issue_day.tolist(),
            settlement.raw_due_day.tolist(),
            settlement.due_day.tolist(),
            settlement.amount_cents.tolist(),
            settlement.settled_day.tolist(),
            left,
            settlement.never_open.tolist(),
            strict=True,
        )
        if not nil
    ]
    weeks = [as_of - 7 * back for back in range(WEEKS, -1, -1)]
    return CustomerRecord(
        as_of=_day(as_of),
        exposure=[(_day(day), int(open_cents(settlement, day).sum())) for day in weeks],
        invoices=sorted(invoices, key=lambda row: (row["due_date"], row["invoice_id"])),
        limits=_sorted(known.credit_limits.to_pylist(), "valid_from"),
        actions=_sorted(known.actions.to_pylist(), "performed_on"),
        promises=_sorted(_promises(known, invoices, as_of), "made_on"),
        disputes=_sorted(known.disputes.to_pylist(), "opened_on"),
    )


def _promises(known: Ledger, invoices: list[Row], as_of: int) -> list[Row]:
    """Each promise, and whether its invoice was settled by the end of its day."""
    settled = {row["invoice_id"]: row["settled_on"] for row in invoices}
    today, told = _day(as_of), []
    for promise in known.promises.to_pylist():
        came, ends = settled.get(promise["invoice_id"]), promise["promised_date"]
        if came is not None and (ends is None or came <= ends):
            state = KEPT
        elif ends is not None and ends < today:
            state = BROKEN
        else:
            state = RUNNING
        told.append({**promise, "state": state})
    return told


def _sorted(rows: list[Row], by: str) -> list[Row]:
    return sorted(rows, key=lambda row: row[by])


def _day(number: int | np.integer) -> date:
    return _EPOCH + timedelta(days=int(number))
