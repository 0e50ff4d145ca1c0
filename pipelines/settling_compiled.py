"""What payments, returns and credit notes do to invoices, compiled: the bits of `settling_numpy`.

One customer's few rows would wait for a hundred calls into NumPy; this is one call.
"""

import numpy as np

from pipelines.as_of_compiled import _compiled, follow
from pipelines.events import Counts, Days, Kinds, Rows, Settled
from pipelines.ordering_compiled import rows_by, tell_apart

_PARTS = 1_000_000


@_compiled
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
    invoice, known, day, kind, amount = _in_order(
        *_gathered(
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
    )
    allowed = np.empty(len(owed), np.int64)
    for i in range(len(owed)):
        whole = owed[i] // _PARTS
        rest = owed[i] - whole * _PARTS
        allowed[i] = max(least, whole * parts + rest * parts // _PARTS)
    followed = follow(invoice, day, amount, kind == 2, owed, allowed)
    settles, reopens, cancels, reached = followed[3], followed[4], followed[5], followed[6]

    # An invoice within tolerance from the start is never open. Otherwise the last movement that
    # settled or reopened an invoice tells its state: later ones are assigned over earlier ones.
    nil = owed <= allowed
    settled_day = np.empty(len(owed), np.int32)
    settled_known_day = np.empty(len(owed), np.int32)
    cancelled = np.zeros(len(owed), np.bool_)
    for i in range(len(owed)):
        settled_day[i] = issue_day[i] if nil[i] else never
        settled_known_day[i] = known_day[i] if nil[i] else never
    for i in range(len(invoice)):
        if settles[i] or reopens[i]:
            row = invoice[i]
            settled_day[row] = reached[i] if settles[i] else never
            settled_known_day[row] = max(known[i], known_day[row]) if settles[i] else never
            cancelled[row] = cancels[i]
    return (
        (invoice, known, day, kind, amount),
        followed,
        (allowed, nil, settled_day, settled_known_day, cancelled),
    )


@_compiled
def _gathered(
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
) -> tuple[Counts, Counts, Counts, Counts, Counts]:
    """Payments, returns and credit notes that name an invoice of the ledger."""
    most = 2 * len(paid_for) + len(credited)
    invoice, known, day = (
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
    )
    kind, amount = np.empty(most, np.int64), np.empty(most, np.int64)
    n = 0
    for i in range(len(paid_for)):
        if paid_for[i] >= 0:
            invoice[n], kind[n], amount[n] = paid_for[i], 0, paid[i]
            known[n], day[n] = max(paid_day[i], booked_day[i]), paid_day[i]
            n += 1
            if returned_day[i] < never:
                invoice[n], kind[n], amount[n] = paid_for[i], 1, -paid[i]
                day[n] = max(paid_day[i], returned_day[i])
                known[n] = max(day[n], booked_day[i])
                n += 1
    for i in range(len(credited)):
        if credited[i] >= 0:
            invoice[n], kind[n], amount[n] = credited[i], 2, noted[i]
            known[n], day[n] = max(noted_day[i], noted_booked_day[i]), noted_day[i]
            n += 1
    return invoice[:n], known[:n], day[:n], kind[:n], amount[:n]


@_compiled
def _in_order(
    invoice: Counts, known: Counts, day: Counts, kind: Counts, amount: Counts
) -> tuple[Rows, Days, Days, Kinds, Counts]:
    rows = rows_by(invoice, known)
    tell_apart(rows, invoice, known, (day, amount, kind))
    return (
        invoice[rows],
        known[rows].astype(np.int32),
        day[rows].astype(np.int32),
        kind[rows].astype(np.int8),
        amount[rows],
    )
