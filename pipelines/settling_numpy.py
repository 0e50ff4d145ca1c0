"""What payments, returns and credit notes do to invoices, in plain NumPy."""

import numpy as np

from pipelines import as_of_numpy
from pipelines.events import Counts, Days, Kinds, Rows, Settled
from pipelines.ordering import order

_PARTS = 1_000_000


def settled(
    paid_for: Rows,
    paid_day: Days,
    returned_day: Days,
    booked_day: Days,
    paid: Counts,
    credited: Rows,
    noted_day: Days,
    noted_booked_day: Days,
    noted: Counts,
    owed: Counts,
    issue_day: Days,
    known_day: Days,
    least: int,
    parts: int,
    never: int,
) -> Settled:
    """The movements in order and what each does; each invoice's tolerance and its settlement."""
    allowed = np.maximum(least, _share_of(owed, parts))
    invoice, known, day, kind, amount = _in_order(
        paid_for,
        paid_day,
        returned_day,
        booked_day,
        paid,
        credited,
        noted_day,
        noted_booked_day,
        noted,
        never,
    )
    applied, left, so_far, settles, reopens, cancels, reached = as_of_numpy.follow(
        invoice, day, amount, kind == 2, owed, allowed
    )

    # An invoice within tolerance from the start is never open. Otherwise the last movement that
    # settled or reopened an invoice tells its state: later ones are assigned over earlier ones.
    nil = owed <= allowed
    settled_day = np.where(nil, issue_day, np.int32(never))
    settled_known_day = np.where(nil, known_day, np.int32(never))
    cancelled = np.zeros(len(owed), bool)
    turns = np.flatnonzero(settles | reopens)
    rows, closes = invoice[turns], settles[turns]
    settled_day[rows] = np.where(closes, reached[turns], never)
    settled_known_day[rows] = np.where(closes, np.maximum(known, known_day[invoice])[turns], never)
    cancelled[rows] = cancels[turns]
    return (
        (invoice, known, day, kind, amount),
        (applied, left, so_far, settles, reopens, cancels, reached),
        (allowed, nil, settled_day, settled_known_day, cancelled),
    )


def _in_order(
    paid_for: Rows,
    paid_day: Days,
    returned_day: Days,
    booked_day: Days,
    paid: Counts,
    credited: Rows,
    noted_day: Days,
    noted_booked_day: Days,
    noted: Counts,
    never: int,
) -> tuple[Rows, Days, Days, Kinds, Counts]:
    paid_known = np.maximum(paid_day, booked_day)
    back = returned_day < never
    noted_known = np.maximum(noted_day, noted_booked_day)
    invoice = np.concatenate([paid_for, paid_for[back], credited])
    known = np.concatenate([paid_known, np.maximum(paid_known, returned_day)[back], noted_known])
    day = np.concatenate([paid_day, np.maximum(paid_day, returned_day)[back], noted_day])
    amount = np.concatenate([paid, -paid[back], noted])
    lengths = [len(paid_for), int(np.count_nonzero(back)), len(credited)]
    kind = np.repeat(np.arange(3, dtype=np.int8), lengths)
    found = np.flatnonzero(invoice >= 0)
    rows = found[order(invoice[found], known[found], day[found], amount[found], kind[found])]
    return invoice[rows], known[rows], day[rows], kind[rows], amount[rows]


def _share_of(amount: Counts, parts: int) -> Counts:
    """floor(amount * parts / 1,000,000), without ever leaving 64 bits."""
    whole = amount // _PARTS
    rest = amount - whole * _PARTS
    share: Counts = whole * parts + rest * parts // _PARTS
    return share
