"""The longer steps from a settlement to its streams, in plain NumPy."""

import numpy as np

from pipelines import as_of_numpy
from pipelines.events import (
    Cash,
    Counts,
    Days,
    Flags,
    Kinds,
    Owners,
    Reduced,
    Rows,
    Spelled,
    different,
    firsts,
    highest_so_far,
    keys,
    owner_and_day,
)
from pipelines.ordering import order


def paid(
    kind: Kinds,
    invoice: Rows,
    known: Days,
    day: Days,
    amount: Counts,
    left: Counts,
    customer: Owners,
    known_day: Days,
    allowed: Counts,
    free_owner: Owners,
    free_known: Days,
    free_day: Counts,
    free_amount: Counts,
    never: int,
) -> Cash:
    """Payments and returns by customer, then their days: which are new, and the gaps before."""
    cash = np.flatnonzero(kind != 2)
    whose = invoice[cash]
    owner = np.append(customer[whose], free_owner)
    seen = np.append(np.maximum(known[cash], known_day[whose]), free_known)
    on = np.append(day[cash], free_day).astype(np.int32)
    cents = np.append(amount[cash], free_amount)
    receipt = (cents > 0) & np.append(kind[cash] == 0, free_amount > 0)
    payee = np.append(whose, np.full(len(free_owner), -1))
    part = np.append(left[cash] > allowed[whose], np.zeros(len(free_owner), bool)) & receipt

    rows = order(owner, seen, on)
    owner, seen, on, receipt = owner[rows], seen[rows], on[rows], receipt[rows]
    latest = highest_so_far(owner, np.where(receipt, on, -never))
    before = np.append(-never, latest[:-1])[: len(latest)]
    before = np.where(firsts(owner), -never, before)
    new = np.flatnonzero(latest > before)
    later = new[before[new] > -never]
    run = _in_run(owner, seen, on, payee[rows], receipt)
    claims = receipt.astype(np.int64), part[rows].astype(np.int64), run.astype(np.int64)
    gap = (latest - before)[later]
    return (owner, seen, on, cents[rows], *claims, latest), (new, later, gap)


def _in_run(owner: Owners, known: Days, day: Days, invoice: Rows, receipt: Flags) -> Flags:
    rows = np.flatnonzero(receipt & (invoice >= 0))
    run = np.zeros(len(owner), bool)
    if len(rows):
        starts = np.flatnonzero(firsts(owner[rows]) | firsts(known[rows]) | firsts(day[rows]))
        lowest = np.minimum.reduceat(invoice[rows], starts)
        several = lowest < np.maximum.reduceat(invoice[rows], starts)
        run[rows] = np.repeat(several, np.diff(np.append(starts, len(rows))))
    return run


def reduced(
    invoice: Rows,
    known: Days,
    applied: Counts,
    left: Counts,
    paid_cents: Counts,
    settles: Flags,
    reopens: Flags,
    customer: Owners,
    known_day: Days,
    due_day: Days,
    allowed: Counts,
    owed: Counts,
    never_open: Flags,
) -> tuple[Reduced, Reduced]:
    """What comes off the open amount, by customer: as it is known, and once it is due as well."""
    nil = np.flatnonzero(never_open)
    is_short = (paid_cents > 0) & (left > allowed[invoice])
    none = np.zeros(len(nil), np.int64)
    first = firsts(invoice)
    columns = (
        np.append(applied, owed[nil]),
        np.append(settles.astype(np.int64) - reopens, none + 1),
        np.append(_change(is_short.astype(np.int64), first), none),
        np.append(_change(np.where(is_short, left, 0), first), none),
    )
    row = np.append(invoice, nil)
    owner = customer[row]
    seen = np.append(np.maximum(known, known_day[invoice]), known_day[nil])
    once_due = np.maximum(seen, due_day[row])
    return _by_day(owner, seen, columns), _by_day(owner, once_due, columns)


def _by_day(owner: Owners, day: Days, columns: tuple[Counts, Counts, Counts, Counts]) -> Reduced:
    rows = order(owner, day)
    one, two, three, four = (column[rows] for column in columns)
    return owner[rows], day[rows], one, two, three, four


def _change(values: Counts, first: Flags) -> Counts:
    """What each row adds to the one before; an invoice begins at 0."""
    before = np.append(0, values[:-1])[: len(values)]
    return values - np.where(first, 0, before)


def oldest_overdue(
    invoice: Rows,
    known: Days,
    settles: Flags,
    reopens: Flags,
    customer: Owners,
    known_day: Days,
    due_day: Days,
    never_open: Flags,
    never: int,
) -> tuple[Owners, Days, Counts]:
    """Each time a customer's oldest overdue invoice may change: whose, when, and its due day."""
    spelled, begin, end = _spells(
        invoice, known, settles, reopens, known_day, due_day, never_open, never
    )
    owner = customer[spelled]
    ended = end < never
    points = different(np.append(keys(owner, begin), keys(owner[ended], end[ended])))

    # Oldest first, each spell covers the points of its time that no older one has covered.
    rows = order(owner, due_day[spelled])
    first = np.searchsorted(points, keys(owner, begin))[rows]
    stop = np.searchsorted(points, keys(owner, end))[rows]  # never sorts after the owner's points
    cover = as_of_numpy.first_cover(first, stop, len(points), len(rows))
    told = np.append(due_day[spelled[rows]], never)[cover]
    return *owner_and_day(points), told.astype(np.int64)


def _spells(
    invoice: Rows,
    known: Days,
    settles: Flags,
    reopens: Flags,
    known_day: Days,
    due_day: Days,
    never_open: Flags,
    never: int,
) -> Spelled:
    """Each time an invoice is seen open past its due date: the invoice, since when, until when."""
    turn = np.flatnonzero(settles | reopens)
    some = np.flatnonzero(~never_open)
    row = np.append(some, invoice[turn])
    day = np.append(known_day[some], np.maximum(known, known_day[invoice])[turn])
    opens = np.append(np.ones(len(some), bool), reopens[turn])

    # By invoice its openings and settlements alternate, so each opening ends at the row after it.
    rows = np.argsort(row, kind="stable")
    row, day, opens = row[rows], day[rows], opens[rows]
    next_day = np.where(np.append(row[1:] == row[:-1], False), np.append(day[1:], 0), never)
    begin = np.maximum(day, due_day[row])
    spell = np.flatnonzero(opens & (begin < next_day))
    return row[spell], begin[spell].astype(np.int64), next_day[spell].astype(np.int64)
