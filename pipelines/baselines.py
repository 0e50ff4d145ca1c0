"""Baselines: what can be said without a model, from what was known on the same day.

Three ways of answering that a company could use tomorrow: everybody pays on the due date; everybody
pays as late as on average so far; everybody pays as its own survival curve says. A model that does
not beat them is not worth its keep.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from models.customer_curve import PaymentRecords
from models.horizons import ALL_HORIZONS_DAYS
from models.late_payment import Snapshots
from models.outlook import Outlook
from pipelines.ledger import NEVER

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]

SHRINKAGE = 5.0  # settled invoices that the average over everybody counts for
UNKNOWN_SPREAD_DAYS = 15.0  # of delays, before any is known
_LEAST_SPREAD_DAYS = 1.0
_LEAST_SHARE = 1e-9  # an invoice open far longer than its customer's delays: what is left of them


def due_date(snapshots: Snapshots) -> Outlook:
    """Everybody pays on the due date, or today where that has passed."""
    n = len(snapshots)
    passed = _passed(snapshots)
    day = np.maximum(snapshots.due_day, snapshots.as_of).astype(np.float64)
    late = np.maximum(snapshots.as_of - snapshots.due_day, 0).astype(np.float64)
    return Outlook(passed.astype(np.float64), day, day, day, np.zeros(n), late)


def average_delay(snapshots: Snapshots) -> Outlook:
    """Everybody pays as late as on average, give or take: a normal distribution of delays.

    A customer's mean is shrunk to everybody's; the spread is everybody's. Both as of each day, and
    given that the invoice is open on it.
    """
    names = list(snapshots.feature_names)
    own = snapshots.features[:, names.index("delay_mean")]
    count = np.nan_to_num(snapshots.features[:, names.index("n_settled")])
    everybody, spread = _of_everybody(snapshots.records, snapshots.as_of)
    mean = (count * np.nan_to_num(own) + SHRINKAGE * everybody) / (count + SHRINKAGE)

    # still open as the day begins: its delay is at least its age
    age = (snapshots.as_of - snapshots.due_day).astype(np.float64)
    left = np.maximum(ndtr((mean - age + 0.5) / spread), _LEAST_SHARE)
    horizons = np.array(ALL_HORIZONS_DAYS, np.float64)
    still_open = ndtr((mean[:, None] - horizons - 0.5) / spread[:, None]) / left[:, None]
    probabilities = np.where(_passed(snapshots), 1.0, np.clip(still_open, 0.0, 1.0))

    def date(level: float) -> Floats:
        delay = mean - spread * ndtri(level * left)
        day = snapshots.due_day + np.maximum(np.round(delay), age)
        return np.asarray(day, np.float64)

    return Outlook(
        probabilities,
        expected_date=date(0.5),
        date_lo=date(0.9),
        date_hi=date(0.1),
        mass_beyond=np.zeros(len(snapshots)),
        expected_days_late=date(0.5) - snapshots.due_day,
    )


def _passed(snapshots: Snapshots) -> npt.NDArray[np.bool_]:
    """Which horizons had passed on the day: (n, horizons)."""
    ends = snapshots.due_day[:, None] + np.array(ALL_HORIZONS_DAYS)
    return np.asarray(ends < snapshots.as_of[:, None])


def _of_everybody(records: PaymentRecords, as_of: Days) -> tuple[Floats, Floats]:
    """The mean and the spread of all delays that were known before each day, as first seen."""
    paid = np.flatnonzero((records.closed_known_day < NEVER) & ~records.cancelled)
    by_known = paid[np.argsort(records.closed_known_day[paid], kind="stable")]
    delay = (records.closed_day - records.due_day)[by_known].astype(np.float64)
    known = np.searchsorted(records.closed_known_day[by_known], as_of)
    count = np.maximum(known, 1)
    mean = np.concatenate([[0.0], np.cumsum(delay)])[known] / count
    squares = np.concatenate([[0.0], np.cumsum(delay**2)])[known] / count
    spread = np.sqrt(np.maximum(squares - mean**2, _LEAST_SPREAD_DAYS**2))
    return mean, np.where(known > 0, spread, UNKNOWN_SPREAD_DAYS)
