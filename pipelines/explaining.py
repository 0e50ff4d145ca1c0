"""Explaining: the model's contributions as reasons that a person would give, adding up to p."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from models import reasons
from models.horizons import ALL_HORIZONS_DAYS, column
from models.late_payment import Explanation, LatePaymentModel, curves
from models.outlook import Outlook
from pipelines import features
from pipelines.asked import Looked

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]

REASONS_HORIZON = 30  # reasons explain p_late_30, or the next horizon that is still ahead
# What the model adds to the features; the rest of it follows from the days ahead.
_CAUSE = {
    "habitual_paydays_ahead": "payment_rhythm",
    "payment_gaps_ahead": "payment_rhythm",
    "curve_logit": "customer_record",
    "customer_curve": "customer_record",
}
# What a person is told in place of a column that the model makes from it.
_TOLD_BY = {
    "habitual_paydays_ahead": "modal_weekday_share",
    "payment_gaps_ahead": "gap_mean_365",
}


def explained_horizon(age: Days) -> Days:
    """The horizon that each invoice's reasons are about: 30 days, or the next one still ahead."""
    chosen = np.full(len(age), ALL_HORIZONS_DAYS[-1], np.int32)
    for horizon in reversed([h for h in ALL_HORIZONS_DAYS if h >= REASONS_HORIZON]):
        chosen[age <= horizon] = horizon
    return chosen


@dataclass(frozen=True)
class Telling:
    """Which reasons are told: how many, and about which horizon where not each invoice's own."""

    shown: int = reasons.REASONS_SHOWN
    horizon: int | None = None


USUAL_TELLING = Telling()


def reason_columns(
    asked: Looked, seen: Outlook, model: LatePaymentModel, telling: Telling = USUAL_TELLING
) -> dict[str, Any]:
    horizon = explained_horizon(asked.age)
    if telling.horizon is not None:
        horizon = np.full_like(horizon, telling.horizon)
    ahead = np.maximum(horizon - asked.age, 0).astype(np.int32)
    why = model.explain(asked.taken, ahead)
    certain = asked.age > horizon  # past the last horizon: it is late already, by its age alone
    pushed = with_record(why)
    causes = _causes_of(why.names)
    if certain.any():
        pushed[certain] = np.array([cause == "time" for cause in causes], np.float64)
    grouped = reasons.by_cause(pushed, causes)
    at = np.searchsorted(ALL_HORIZONS_DAYS, horizon)
    p = seen.probabilities[np.arange(len(at)), at]
    base, points = reasons.points(why.base, grouped.contributions, np.where(certain, 1.0, p))
    shown = reasons.top(base, points, np.where(certain, 1.0, p), shown=telling.shown)

    own, cohort = (c[:, 0] for c in curves(model.cohorts, asked.taken, ahead[:, None]))
    told = _Told(asked, model, why.names, own, cohort, asked.age, horizon)
    return {
        "reasons_for": [column(h) for h in horizon.tolist()],
        "base_probability": np.full(len(ahead), base),
        "reasons": [
            [
                *(
                    told.reason(i, grouped.causes[c], int(grouped.leading[i, c]), float(points))
                    for c, points in zip(shown.causes[i], shown.points[i], strict=True)
                    if c >= 0
                ),
                _rest(float(shown.everything_else[i])),
            ]
            for i in range(len(ahead))
        ],
    }


def with_record(why: Explanation) -> Floats:
    """The contributions, with what the trees read from the customer's curve told apart.

    The curve is high because of the customer's record and because of the invoice's age; what the
    trees draw from it is divided as the curve itself is: into record and cohort.
    """
    pushed = why.contributions.copy()
    of_curve, of_cohort = (why.names.index(name) for name in ("curve_logit", "cohort_logit"))
    pushed[:, of_cohort] += pushed[:, of_curve] * (1 - why.record_share)
    pushed[:, of_curve] *= why.record_share
    return pushed


def cause_of(name: str) -> str:
    if name in features.BOOK:
        return features.BOOK[name].cause
    return _CAUSE.get(name, "time")


@cache
def _causes_of(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cause_of(name) for name in names)


@dataclass(frozen=True)
class _Told:
    """What a reason's sentence needs: the value seen and the usual one."""

    asked: Looked
    model: LatePaymentModel
    names: tuple[str, ...]
    own: Floats
    cohort: Floats
    age: Days
    horizon: Days

    def reason(self, row: int, cause: str, leading: int, points: float) -> dict[str, Any]:
        name = _TOLD_BY.get(self.names[leading], self.names[leading])
        feature: str | None = name if name in features.BOOK else None
        value: float | None = None
        usual: float | None = None
        if cause == "customer_record":
            feature, value, usual = None, float(self.own[row]), float(self.cohort[row])
        elif cause == "time":
            feature, value, usual = None, float(self.age[row]), float(self.horizon[row])
        elif feature is not None:
            seen = self.asked.taken.features[row, self.names.index(feature)]
            value, usual = float(seen), self.model.usual[feature]
        return {
            "feature_group": cause,
            "feature": feature,
            "value": None if value is None or np.isnan(value) else value,
            "usual_value": usual,
            "points": points,
        }


def _rest(points: float) -> dict[str, Any]:
    return {"feature_group": reasons.EVERYTHING_ELSE, "points": points}
