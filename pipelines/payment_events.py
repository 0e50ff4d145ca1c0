"""Cash as events: payments and returns by customer, the days on which money comes, credit notes."""

import numpy as np

from pipelines.dates import is_month_end, weekday
from pipelines.events import Events
from pipelines.forms import forms_of
from pipelines.ledger import NEVER, Ledger, cents, days
from pipelines.settlement import CREDIT_NOTE, Settlement


def of(ledger: Ledger, settlement: Settlement) -> dict[str, Events]:
    """The streams that tell what was paid, whether or not it names an invoice."""
    unallocated = _unallocated(ledger, settlement)
    return {
        **_paid(settlement, unallocated),
        "unallocated": unallocated,
        "credited": _credited(ledger, settlement),
    }


def _paid(settlement: Settlement, free: Events) -> dict[str, Events]:
    """Cash, and the days on which a customer paid, each once, when it became known.

    A payment booked after a later one neither adds a day nor splits a gap that has been seen.
    Payments of a run are those of one day, known together, for more than one invoice.
    """
    move, customers = settlement.movements, len(settlement.customer_ids)
    cash, (new, later, gap) = forms_of("streaming").paid(
        move.kind,
        move.invoice,
        move.known_day,
        move.day,
        move.amount_cents,
        move.open_cents,
        settlement.customer,
        settlement.known_day,
        settlement.tolerance_cents,
        free.owner,
        free.day,
        free.columns["paid_day"],
        free.columns["amount"],
        int(NEVER),
    )
    owner, known, day, *columns = cash
    names = ("amount", "receipt", "partial", "in_run", "latest")
    paid_day = day[new]
    return {
        "paid": Events(owner, known, customers, **dict(zip(names, columns, strict=True))),
        "paydays": Events(
            owner[new],
            known[new],
            customers,
            paid_day=paid_day,
            weekday=weekday(paid_day),
            month_end=is_month_end(paid_day),
        ),
        "gaps": Events(owner[later], known[later], customers, gap=gap),
    }


def _unallocated(ledger: Ledger, settlement: Settlement) -> Events:
    """Payments that name a customer and no invoice; returned ones come off again."""
    payments, free = ledger.payments, settlement.refers.loose["payments"]
    owner = settlement.refers.customer["payments"]
    if not len(free):
        return Events.none(len(settlement.customer_ids), "amount", "paid_day")
    paid_day, returned_day = days(payments["paid_on"])[free], days(payments["returned_on"])[free]
    booked = days(payments["recorded_at"], missing=-int(NEVER))[free]
    known = np.maximum(paid_day, booked)
    amount = cents(payments["amount_cents"])[free]
    mine = np.flatnonzero(owner >= 0)
    back = np.flatnonzero((owner >= 0) & (returned_day < NEVER))
    return Events.of(
        np.concatenate([owner[mine], owner[back]]),
        np.concatenate([known[mine], np.maximum(known, returned_day)[back]]),
        len(settlement.customer_ids),
        amount=np.concatenate([amount[mine], -amount[back]]),
        paid_day=np.concatenate([paid_day[mine], paid_day[back]]),
    )


def _credited(ledger: Ledger, settlement: Settlement) -> Events:
    """Credit notes, by the customer of their invoice or, where they name none, by their own."""
    notes, move = ledger.credit_notes, settlement.movements
    linked = np.flatnonzero(move.kind == CREDIT_NOTE)
    invoice = move.invoice[linked]
    free, owner = (
        settlement.refers.loose["credit_notes"],
        settlement.refers.customer["credit_notes"],
    )
    free, owner = free[owner >= 0], owner[owner >= 0]
    known = np.maximum(days(notes["issued_on"]), days(notes["recorded_at"], missing=-int(NEVER)))
    return Events.of(
        np.append(settlement.customer[invoice], owner),
        np.append(np.maximum(move.known_day[linked], settlement.known_day[invoice]), known[free]),
        len(settlement.customer_ids),
        amount=np.append(move.amount_cents[linked], cents(notes["amount_cents"])[free]),
    )
