"""Settlement: what payments, returns and credit notes did to each invoice, and when it was known.

An invoice is settled once what is open is at most `max(1.00, 0.5 %)` of it. Everything here follows
the movements in the order in which they became known, so what had been known before a day is always
the beginning of what is known after it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines import calendars, references
from pipelines.forms import forms_of
from pipelines.ledger import NEVER, Ledger, cents, days, issue_days
from pipelines.ordering import Rows
from pipelines.references import References

Days = npt.NDArray[np.int32]
Cents = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

TOLERANCE_CENTS = 100  # bank charges and rounding
TOLERANCE_SHARE = 0.005
_PARTS = 1_000_000  # the share is kept in whole millionths, so that the comparison is exact

PAYMENT, RETURN, CREDIT_NOTE = np.int8(0), np.int8(1), np.int8(2)


@dataclass(frozen=True)
class Movements:
    """What changed an invoice's open amount, sorted by invoice and by the day it became known."""

    invoice: Rows  # row in the ledger's invoices
    known_day: Days
    day: Days  # when it happened
    kind: npt.NDArray[np.int8]
    amount_cents: Cents  # what it takes off the open amount; a returned payment is negative
    applied_cents: (
        Cents  # the same, but never beyond the invoice: an over-payment applies what was open
    )
    open_cents: Cents  # what it leaves open
    paid_cents: Cents  # what payments, net of returns, have brought so far
    settles: Flags
    reopens: Flags
    cancels: Flags  # it settles, and the credit notes alone would have
    reached_day: (
        Days  # the latest day among the invoice's movements so far: the settlement's own day
    )


@dataclass(frozen=True)
class Settlement:
    """Each invoice of a ledger with its dates, its customer and how it was settled, by row."""

    customer: npt.NDArray[np.int32]  # row in customer_ids
    customer_ids: pa.Array
    issue_day: Days
    known_day: Days  # issued and recorded
    due_day: Days  # rolled to the customer's next business day
    raw_due_day: Days
    amount_cents: Cents
    tolerance_cents: Cents
    never_open: Flags  # within tolerance from the start
    settled_day: Days  # of the last settlement that no return undid; NEVER while open
    settled_known_day: Days
    cancelled: Flags  # settled, by credit notes in full
    movements: Movements
    refers: References


def settle(
    ledger: Ledger,
    *,
    tolerance_cents: int = TOLERANCE_CENTS,
    tolerance_share: float = TOLERANCE_SHARE,
) -> Settlement:
    """The ledger's invoices settled to the cent; cash discounts taken count as paid."""
    invoices, payments, notes = ledger.invoices, ledger.payments, ledger.credit_notes
    refers = references.of(ledger)
    amount = cents(invoices["amount_cents"])
    customer = refers.customer["invoices"].astype(np.int32)
    issue_day = issue_days(invoices)
    known_day = np.maximum(issue_day, days(invoices["recorded_at"], missing=-int(NEVER)))
    raw_due_day = days(invoices["due_date"])
    moved, followed, state = forms_of("settling").settled(
        refers.invoice["payments"],
        days(payments["paid_on"]),
        days(payments["returned_on"]),
        days(payments["recorded_at"], missing=-int(NEVER)),
        cents(payments["amount_cents"]) + cents(payments["discount_taken_cents"]),
        refers.invoice["credit_notes"],
        days(notes["issued_on"]),
        days(notes["recorded_at"], missing=-int(NEVER)),
        cents(notes["amount_cents"]),
        amount,
        issue_day,
        known_day,
        tolerance_cents,
        round(tolerance_share * _PARTS),
        int(NEVER),
    )
    allowed, nil, settled_day, settled_known_day, cancelled = state
    return Settlement(
        customer=customer,
        customer_ids=refers.customer_ids,
        issue_day=issue_day,
        known_day=known_day,
        due_day=calendars.roll(
            raw_due_day, ledger.customers["country"], refers.customer_rows()[customer]
        ),
        raw_due_day=raw_due_day,
        amount_cents=amount,
        tolerance_cents=allowed,
        never_open=nil,
        settled_day=settled_day,
        settled_known_day=settled_known_day,
        cancelled=cancelled,
        movements=Movements(*moved, *followed),
        refers=refers,
    )


def before(ledger: Ledger, settled: Settlement, as_of: int) -> tuple[Ledger, Settlement]:
    """What was known before the day, and its settlement: `settled`, where nothing came later."""
    known = ledger.known_before(as_of)
    is_same = all(
        table.num_rows == known.tables()[name].num_rows for name, table in ledger.tables().items()
    )
    moving = ("invoices", "payments", "credit_notes", "customers")
    if is_same and all(getattr(known, name) is getattr(ledger, name) for name in moving):
        return known, settled
    return known, settle(known)


def open_cents(settlement: Settlement, as_of: int) -> Cents:
    """What was open on each invoice when day `as_of` began; 0 unless known and not settled."""
    still_open, left = _state(settlement, as_of)
    return np.where(still_open, left, 0)


def is_open(settlement: Settlement, as_of: int) -> Flags:
    """Which invoices were known and not settled when day `as_of` began."""
    return _state(settlement, as_of)[0]


def left_cents(settlement: Settlement, as_of: int) -> Cents:
    """What the movements known before the day leave of each invoice, itself known or not."""
    moved = settlement.movements
    seen = np.flatnonzero(moved.known_day < as_of)
    left = settlement.amount_cents.copy()
    left[moved.invoice[seen]] = moved.open_cents[seen]  # the last movement's word stays
    return left


def _state(settlement: Settlement, as_of: int) -> tuple[Flags, Cents]:
    left = left_cents(settlement, as_of)
    known = settlement.known_day < as_of
    return known & (left > settlement.tolerance_cents), left
