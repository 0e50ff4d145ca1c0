"""Time ahead: what lies between the day we ask on and the day we ask about.

Every column is monotone in the days ahead, and the model is constrained to follow: that is
what makes one model give every horizon without contradiction.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]

# name -> the direction in which P(still open) may move as the column grows
TIME_FEATURES = {
    "days_ahead": -1,
    "days_past_due_then": -1,
    "business_days_ahead": -1,
    "habitual_paydays_ahead": -1,
    "month_ends_ahead": -1,
    "payment_gaps_ahead": -1,
    "curve_logit": +1,
    "cohort_logit": +1,
}
EARLIEST = -60  # days before the due date beyond which more makes no difference
USUAL_GAP_DAYS = 14.0  # stands in for a customer that has not paid twice
_EDGE = 1e-5  # the curves are kept this far from 0 and 1


@dataclass(frozen=True)
class WorkingDays:
    """Running counts of business days by calendar and weekday: (calendars, 7, days + 1)."""

    before: npt.NDArray[np.int32]

    def between(self, calendar: Days, begin: Days, end: Days) -> npt.NDArray[np.int32]:
        """Business days in (begin, end] by weekday: (n, m, 7)."""
        most = self.before.shape[2] - 1
        low = np.clip(begin + 1, 0, most)[:, None]
        high = np.clip(end + 1, 0, most)
        which = calendar[:, None]
        return self.before[which, :, high] - self.before[which, :, low]


def logit(p: Floats) -> Floats:
    """Log-odds of a probability kept away from 0 and 1."""
    kept = np.clip(p, _EDGE, 1 - _EDGE)
    return np.log(kept / (1 - kept))


def columns(
    *,
    as_of: Days,
    due_day: Days,
    days_ahead: Days,
    calendar: Days,
    working_days: WorkingDays,
    weekday_share: Floats,
    gap_days: Floats,
    curve: Floats,
    cohort: Floats,
) -> Floats:
    """The columns TIME_FEATURES for n queries and m days ahead each: (n, m, 8)."""
    target = as_of[:, None] + days_ahead
    business = working_days.between(calendar, as_of, target)
    gap = np.where(np.isnan(gap_days), USUAL_GAP_DAYS, np.maximum(gap_days, 1.0))
    ends = _month_ends()
    begin, end = (np.clip(day + 1, 0, len(ends) - 1) for day in (as_of[:, None], target))
    return np.stack(
        [
            days_ahead.astype(np.float64),
            np.maximum(target - due_day[:, None], EARLIEST).astype(np.float64),
            business.sum(axis=-1).astype(np.float64),
            # every weekday weighs what the customer's habit gives it: a week of them makes five
            5.0 * _weighted(business, weekday_share),
            (ends[end] - ends[begin]).astype(np.float64),
            days_ahead / gap[:, None],
            logit(curve),
            logit(cohort),
        ],
        axis=-1,
    )


def _weighted(business: npt.NDArray[np.int32], share: Floats) -> Floats:
    """The sum over weekdays in a fixed order, so that its bits do not depend on the batch."""
    total = np.zeros(business.shape[:2])
    for weekday in range(7):
        total += business[:, :, weekday] * share[:, None, weekday]
    return total


@cache
def _month_ends() -> npt.NDArray[np.int32]:
    """Running count of month ends before each day since 1970."""
    day = np.arange(40_000).astype("datetime64[D]")
    is_last = (day + 1).astype("datetime64[M]") != day.astype("datetime64[M]")
    return np.concatenate([[0], np.cumsum(is_last)]).astype(np.int32)
