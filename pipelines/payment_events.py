"""Cash as events: payments and returns by customer, the days on which money comes, credit notes."""

import numpy as np

from pipelines.dates import is_month_end, weekday
from pipelines.events import Days, Events, Flags, Whole, firsts, highest_so_far
from pipelines.ledger import NEVER, Ledger, cents, days
from pipelines.ordering import order
from pipelines.settlement import CREDIT_NOTE, PAYMENT, Settlement


def of(ledger: Ledger, settlement: Settlement) -> dict[str, Events]:
    """The streams that tell what was paid, whether or not it names an invoice."""
    unallocated = _unallocated(ledger, settlement)
    return {
        **_paid(settlement, unallocated),
        "unallocated": unallocated,
        "credited": _credited(ledger, settlement),
    }


def _paid(settlement: Settlement, free: Events) -> dict[str, Events]:
    move, customers = settlement.movements, len(settlement.customer_ids)
    cash = np.flatnonzero(move.kind != CREDIT_NOTE)
    invoice = move.invoice[cash]
    is_open = move.open_cents[cash] > settlement.tolerance_cents[invoice]

    owner = np.concatenate([settlement.customer[invoice], free.owner])
    known = np.maximum(move.known_day[cash], settlement.known_day[invoice])
    known = np.concatenate([known, free.day])
    day = np.concatenate([move.day[cash], free.columns["paid_day"]]).astype(np.int32)
    amount = np.concatenate([move.amount_cents[cash], free.columns["amount"]])
    receipt = (amount > 0) & np.concatenate(
        [move.kind[cash] == PAYMENT, free.columns["amount"] > 0]
    )
    payee = np.concatenate([invoice, np.full(len(free), -1)])
    partial = np.concatenate([is_open, np.zeros(len(free), bool)]) & receipt

    rows = order(owner, known, day)
    owner, known, day, receipt = owner[rows], known[rows], day[rows], receipt[rows]
    paid = Events(
        owner,
        known,
        customers,
        amount=amount[rows],
        receipt=receipt,
        partial=partial[rows],
        in_run=_in_run(owner, known, day, payee[rows], receipt),
        latest=highest_so_far(owner, np.where(receipt, day, -int(NEVER))),
    )
    return {"paid": paid, **_paydays(paid, day)}


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


def _in_run(owner: Whole, known: Days, day: Days, invoice: Whole, receipt: Flags) -> Flags:
    """Payments of a run: those of one day, known together, for more than one invoice."""
    rows = np.flatnonzero(receipt & (invoice >= 0))
    run = np.zeros(len(owner), bool)
    if len(rows):
        starts = np.flatnonzero(firsts(owner[rows]) | firsts(known[rows]) | firsts(day[rows]))
        lowest = np.minimum.reduceat(invoice[rows], starts)
        several = lowest < np.maximum.reduceat(invoice[rows], starts)
        run[rows] = np.repeat(several, np.diff(np.append(starts, len(rows))))
    return run


def _paydays(paid: Events, day: Days) -> dict[str, Events]:
    """The days on which a customer paid, each once, when it became known.

    A payment booked after a later one neither adds a day nor splits a gap that has been seen.
    """
    latest, owner = paid.columns["latest"], paid.owner
    before = np.append(-int(NEVER), latest[:-1])[: len(latest)]
    before = np.where(firsts(owner), -int(NEVER), before)
    new = np.flatnonzero(latest > before)
    later = new[before[new] > -int(NEVER)]
    customers = paid.owners
    return {
        "paydays": Events(
            owner[new],
            paid.day[new],
            customers,
            paid_day=day[new],
            weekday=weekday(day[new]),
            month_end=is_month_end(day[new]),
        ),
        "gaps": Events(owner[later], paid.day[later], customers, gap=latest[later] - before[later]),
    }


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
