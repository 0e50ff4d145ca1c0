"""The customer's own survival curve: how long its invoices stay open, shrunk to its cohort's.

A Kaplan-Meier curve over delays in days, in which every day's hazard is shrunk to the cohort's
with the weight of a few invoices (the beta-process posterior of Hjort, Annals of Statistics 18,
1990). Open invoices are censored, so nothing waits for an invoice to be paid. It assumes that
an invoice still open tells nothing of its end beyond its customer and its age; where a dispute
does, the model's other half has to know.
"""

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

FIRST_DELAY = -90  # earlier payments count as this early
LAST_DELAY = 365  # from here on one hazard serves for every day
DELAYS = LAST_DELAY - FIRST_DELAY + 1
# A customer is judged by its recent record: the last half-year, or more where that holds few
# invoices. Few invoices of a large customer are few payment runs, and tell where it is in its month
# rather than how it pays (docs/decisions.md).
RECENT_DAYS = 180
LEAST_INVOICES = 100
MOST_INVOICES = 1_000  # keeps a question's cost bounded
NEWEST_INVOICES = 50  # count in full, for customers change
OLDER_WEIGHT = 0.25  # of all before them; a power of two, so that sums are exact in any order
OWN_WEIGHT = 5.0  # invoices that the cohort's hazard counts for, on every day


@dataclass(frozen=True)
class PaymentRecords:
    """Every customer's invoices in the order in which they became known.

    An invoice is closed by its first settlement, as it was seen; NEVER (1 << 20) while it is open.
    """

    start: Rows  # customer -> its first row; one more than there are customers
    known_day: Days
    due_day: Days
    closed_day: Days
    closed_known_day: Days
    cancelled: npt.NDArray[np.bool_]

    def recent(self, customer: npt.NDArray[np.int32], as_of: Days) -> tuple[Rows, Rows]:
        """Where each customer's recent invoices before a day begin and end.

        Invoices of the oldest one's day all count, so that no order among them matters.
        """
        first = self.start[customer]
        if not len(self.known_day):
            return first, first
        owner = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
        keys = (owner << 22) + self.known_day

        def before(day: Days) -> Rows:
            """For each query the row after its customer's last invoice known before the day."""
            return np.searchsorted(keys, (customer.astype(np.int64) << 22) + day)

        last = before(as_of)
        most = np.maximum(before(as_of - RECENT_DAYS), last - MOST_INVOICES)
        oldest = np.maximum(np.minimum(most, last - LEAST_INVOICES), first)
        day = self.known_day[np.minimum(oldest, len(self.known_day) - 1)]
        return np.minimum(before(day), last), last


def survival(
    records: PaymentRecords,
    recent: tuple[Rows, Rows],
    *,
    as_of: Days,
    due_day: Days,
    days_ahead: npt.NDArray[np.int32],
    hazards: Floats,
    cohort: Rows,
    observed_from: int,
) -> Floats:
    """P(still open at the end of day as_of + k), for each query and each of its days ahead.

    `days_ahead` is (n, m); `hazards` is (cohorts, DELAYS) and `cohort` the row for each query.
    1 where k is negative. An empty `recent` gives the cohort's own curve.
    """
    out = np.ones(days_ahead.shape)
    _survival(
        records.known_day,
        records.due_day,
        records.closed_day,
        records.closed_known_day,
        records.cancelled,
        recent[0],
        recent[1],
        as_of.astype(np.int64),
        due_day.astype(np.int64),
        np.ascontiguousarray(days_ahead, dtype=np.int64),
        hazards,
        cohort,
        observed_from,
        out,
    )
    return out


@nb.njit(cache=True, nogil=True)
def _count(  # type: ignore[no-untyped-def]
    known_day, due, closed, closed_known, cancelled, first, last, as_of, observed_from, paid, left
):
    """Fills, by delay, the invoices paid and the change in how many are watched."""
    paid[:] = 0
    left[:] = 0
    # a day's invoices are all among the newest or none, so that no order among them matters
    newest_from = known_day[max(last - NEWEST_INVOICES, first)] if last > first else 0
    for row in range(first, last):
        known = closed_known[row] < as_of
        if known and cancelled[row]:
            continue
        until = closed[row] - due[row] if known else as_of - due[row]
        # what was due before the ledger begins was only seen from its first day on
        since = observed_from - due[row]
        if known and until < since:
            continue
        since = min(max(since - FIRST_DELAY, 0), DELAYS)
        until = min(max(until - FIRST_DELAY, 0), DELAYS)
        if until < since:
            continue
        weight = 1.0 if known_day[row] >= newest_from else OLDER_WEIGHT
        left[since] += weight
        if known and until < DELAYS - 1:
            paid[until] += weight
            left[until + 1] -= weight
        else:
            left[until] -= weight


@nb.njit(cache=True, nogil=True)
def _survival(  # type: ignore[no-untyped-def]
    known_day,
    due,
    closed,
    closed_known,
    cancelled,
    first,
    last,
    as_of,
    due_day,
    days_ahead,
    hazards,
    cohort,
    observed_from,
    out,
):
    paid = np.zeros(DELAYS + 1)
    left = np.zeros(DELAYS + 2)
    curve = np.ones(DELAYS)
    for i in range(len(as_of)):
        _count(
            known_day,
            due,
            closed,
            closed_known,
            cancelled,
            first[i],
            last[i],
            as_of[i],
            observed_from,
            paid,
            left,
        )
        age = as_of[i] - due_day[i] - FIRST_DELAY
        begin = max(age, 0)
        watched = 0.0
        still = 1.0
        for delay in range(DELAYS - 1):
            watched += left[delay]
            if delay >= begin:
                prior = OWN_WEIGHT * hazards[cohort[i], delay]
                still *= 1.0 - (paid[delay] + prior) / (watched + OWN_WEIGHT)
                curve[delay] = still
        for j in range(days_ahead.shape[1]):
            target = age + days_ahead[i, j]
            if days_ahead[i, j] < 0 or target < begin:
                continue
            if target < DELAYS - 1:
                out[i, j] = curve[target]
            else:
                days = target - max(begin, DELAYS - 1) + 1
                tail = (1.0 - hazards[cohort[i], DELAYS - 1]) ** days
                out[i, j] = tail * (curve[DELAYS - 2] if begin < DELAYS - 1 else 1.0)
