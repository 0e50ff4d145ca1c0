"""Invoices as events: issued, fallen due, settled, and how long the oldest has been overdue."""

from typing import NamedTuple

import numpy as np

from pipelines.dates import day_of_month, is_month_end, month, weekday
from pipelines.events import (
    Counts,
    Days,
    Events,
    Flags,
    Floats,
    Whole,
    firsts,
    highest_so_far,
)
from pipelines.forms import forms_of
from pipelines.ledger import NEVER, Ledger, days
from pipelines.ordering import order
from pipelines.settlement import PAYMENT, Settlement

_UNTOLD = int(np.iinfo(np.int32).min)  # no terms are so short
LN_PARTS = 10_000  # logarithms are kept in whole ten-thousandths: their sums are exact


class Told(NamedTuple):
    """What an invoice's row says: its days to pay, whether they are known, its size."""

    terms: Days
    has_terms: Flags
    ln_amount: Counts

    @classmethod
    def of(cls, ledger: Ledger, settlement: Settlement) -> "Told":
        return cls(*terms(ledger, settlement), ln_amount(settlement.amount_cents))


def of(settlement: Settlement, told: Told) -> dict[str, Events]:
    """The streams that tell what was billed, what fell due and what came off it."""
    return {
        **_billed(settlement, told),
        **_reduced(settlement),
        "settled": _settled(settlement),
        "touched": _touched(settlement),
        "moved": _moved(settlement),
        "oldest_overdue": _oldest_overdue(settlement),
    }


def inputs(settlement: Settlement, told: Told) -> dict[str, Whole | Floats]:
    """What each invoice brings of its own, by row; missing where the ledger does not say."""
    raw = settlement.raw_due_day
    amount = settlement.amount_cents
    return {
        "amount": amount,
        "ln_amount": np.where(amount > 0, told.ln_amount, np.nan),
        "terms": np.where(told.has_terms, told.terms, np.nan),
        "due_day": settlement.due_day,
        "due_rolled_days": settlement.due_day - raw,
        "due_weekday": weekday(settlement.due_day),
        "due_dow": weekday(raw),
        "due_dom": day_of_month(raw),
        "due_month": month(raw),
        "due_month_end": is_month_end(raw).astype(np.int64),
    }


def terms(ledger: Ledger, settlement: Settlement) -> tuple[Days, Flags]:
    """Each invoice's days to pay, and whether they are known: agreed, or told by its dates."""
    agreed = days(ledger.invoices["terms_days"], missing=_UNTOLD)
    is_agreed = agreed != _UNTOLD
    is_dated = days(ledger.invoices["issue_date"]) != NEVER
    by_dates = settlement.raw_due_day - settlement.issue_day
    return np.where(is_agreed, agreed, by_dates), is_agreed | is_dated


def ln_amount(amount_cents: Counts) -> Counts:
    """The logarithm of each amount in whole ten-thousandths; 0 where the amount is not positive."""
    positive = np.maximum(amount_cents, 1)
    parts: Counts = np.rint(LN_PARTS * np.log(positive)).astype(np.int64)
    return parts


def _billed(settlement: Settlement, told: Told) -> dict[str, Events]:
    customer, known = settlement.customer, settlement.known_day
    customers = len(settlement.customer_ids)
    amount, issue_day = settlement.amount_cents, settlement.issue_day
    rows = order(customer, known, issue_day)
    owner, day = customer[rows], known[rows].astype(np.int32, copy=False)

    def billed(claim: Flags, **columns: Whole) -> Events:
        if claim.all():  # the arrays themselves: their positions are sought once
            of_each = {name: column[rows] for name, column in columns.items()}
            return Events(owner, day, customers, **of_each)
        some = np.flatnonzero(claim[rows])
        of_each = {name: column[rows[some]] for name, column in columns.items()}
        return Events(owner[some], day[some], customers, **of_each)

    issued = billed(np.ones(len(rows), bool), amount=amount, issue_day=issue_day)
    issued.columns["latest"] = highest_so_far(issued.owner, issued.columns["issue_day"])
    return {
        "issued": issued,
        "priced": billed(amount > 0, amount=amount, ln_amount=told.ln_amount),
        "termed": billed(told.has_terms, terms=told.terms),
        "due": Events.of(customer, np.maximum(settlement.due_day, known), customers, amount=amount),
    }


def _known(settlement: Settlement) -> Days:
    """The day on which each movement and its invoice both were known."""
    move = settlement.movements
    return np.maximum(move.known_day, settlement.known_day[move.invoice])


def _settled(settlement: Settlement) -> Events:
    """Settlements by payment, also those that a return undid later: they were seen."""
    move = settlement.movements
    done = np.flatnonzero(move.settles & ~move.cancels & ~settlement.never_open[move.invoice])
    invoice = move.invoice[done]
    delay = (move.reached_day[done] - settlement.due_day[invoice]).astype(np.int64)
    amount = settlement.amount_cents[invoice]
    return Events.of(
        settlement.customer[invoice],
        _known(settlement)[done],
        len(settlement.customer_ids),
        (delay, amount),
        delay=delay,
        amount=amount,
        weighted=delay * amount,
    )


def _touched(settlement: Settlement) -> Events:
    move = settlement.movements
    pays = np.flatnonzero((move.kind == PAYMENT) & (move.amount_cents > 0))
    opening = pays[firsts(move.invoice[pays])]
    owner = settlement.customer[move.invoice[opening]]
    return Events.of(owner, _known(settlement)[opening], len(settlement.customer_ids))


def _moved(settlement: Settlement) -> Events:
    move = settlement.movements
    invoices = len(settlement.customer)
    return Events.of(move.invoice, move.known_day, invoices, amount=move.amount_cents)


def _reduced(settlement: Settlement) -> dict[str, Events]:
    """What comes off the open amount and off the open invoices, once known and once due.

    Part-paid invoices and what they leave open are totals too: of what each movement changes.
    Invoices within tolerance from the start are never open: they come off as they come.
    """
    move = settlement.movements
    found = forms_of("streaming").reduced(
        move.invoice,
        move.known_day,
        move.applied_cents,
        move.open_cents,
        move.paid_cents,
        move.settles,
        move.reopens,
        settlement.customer,
        settlement.known_day,
        settlement.due_day,
        settlement.tolerance_cents,
        settlement.amount_cents,
        settlement.never_open,
    )
    customers = len(settlement.customer_ids)
    names = ("amount", "closed", "short", "residual")
    return {
        name: Events(owner, day, customers, **dict(zip(names, columns, strict=True)))
        for name, (owner, day, *columns) in zip(("reduced", "reduced_due"), found, strict=True)
    }


def _oldest_overdue(settlement: Settlement) -> Events:
    """For each customer, the due day of the oldest invoice overdue, each time that may change."""
    move = settlement.movements
    owner, day, due_day = forms_of("streaming").oldest_overdue(
        move.invoice,
        move.known_day,
        move.settles,
        move.reopens,
        settlement.customer,
        settlement.known_day,
        settlement.due_day,
        settlement.never_open,
        int(NEVER),
    )
    return Events(owner, day, len(settlement.customer_ids), due_day=due_day)
