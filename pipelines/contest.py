"""Who predicts better on the same invoices: the challenger, the champion or the customer curve.

The rows are those of one window whose outcomes have matured and that no contender has learned from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models import drift, metrics
from models.drift import Interval
from models.horizons import HORIZONS_DAYS, column
from models.metrics import Bin, Floats
from pipelines.verdict_words import JOINED, say

CHALLENGER, CHAMPION, CURVE = "challenger", "champion", "customer curve"
ISSUE = "issue"  # the test that asks about each invoice on its day of issue
NO_SKILL = 0.5  # the AUC of whoever knows nothing
NOISE = 0.003  # log-loss; a smaller difference comes and goes with the sample
TOO_GOOD = 0.05  # a jump of the AUC that is a leak until somebody has looked
SURE_ERRORS = 2.0  # standard errors that make a difference more than luck


@dataclass(frozen=True)
class Contest:
    """What came (`y`, rows by horizons, NaN where it is not told) and what each contender said."""

    y: Floats
    said: Mapping[str, Floats]
    tests: npt.NDArray[np.str_]  # of each row: "issue" or "portfolio"
    customers: npt.NDArray[np.int64] | None = None  # of each row; None: each row is its own
    weights: tuple[float, float] | None = None  # of the challenger's trees against the curve
    notes: tuple[str, ...] = ()  # which comparison was made, and why
    champion_is_recipe: bool = False  # fitted anew at the window's begin, like the challenger's

    def figures(self) -> dict[str, float]:
        """Log-loss, Brier score, AUC and calibration error by contender, test and horizon."""
        told: dict[str, float] = {}
        for name, p in self.said.items():
            for test in np.unique(self.tests):
                for h, days in enumerate(HORIZONS_DAYS):
                    rows = (self.tests == test) & ~np.isnan(self.y[:, h])
                    for metric, value in _measured(self.y[rows, h], p[rows, h]).items():
                        told[f"{name.replace(' ', '_')}.{test}.{metric}.{column(days)}"] = value
        return {name: value for name, value in told.items() if not np.isnan(value)}

    def skill(self) -> tuple[str, Interval] | None:
        """How well the challenger tells late from not late: the horizon, and the AUC there.

        On the day of issue, when no invoice is late yet and its age tells nothing, and where
        outcomes are most mixed; None where all came alike.
        """
        rows = self.tests == ISSUE if (self.tests == ISSUE).any() else np.ones(len(self.y), bool)
        mixed = [_rarer(self.y[rows, h]) for h in range(self.y.shape[1])]
        if not max(mixed, default=0):
            return None
        h = int(np.argmax(mixed))
        rows = rows & ~np.isnan(self.y[:, h])
        said, customers = self.said[CHALLENGER][rows, h], self.customer_of_row[rows]
        return column(HORIZONS_DAYS[h]), drift.auc(self.y[rows, h], said, customers)

    @property
    def customer_of_row(self) -> npt.NDArray[np.int64]:
        """Each row's customer; where none is told, every row is its own."""
        return np.arange(len(self.y)) if self.customers is None else self.customers

    def reliability(self) -> dict[str, list[Bin]]:
        """What the challenger said against what came, by horizon."""
        groups = {}
        for h, days in enumerate(HORIZONS_DAYS):
            rows = ~np.isnan(self.y[:, h])
            groups[column(days)] = metrics.reliability(
                self.y[rows, h], self.said[CHALLENGER][rows, h]
            )
        return groups


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger takes over, and why, in a sentence per comparison."""

    promoted: bool
    why: tuple[str, ...]


def decide(contest: Contest) -> Verdict:
    """The challenger takes over if it has skill, unless it loses to somebody, on either test.

    To lose is to have a higher mean log-loss by more than the noise and by more than the luck of
    the customers explains. To have no skill is to rank the invoices no better than chance might.
    Who is far better than the champion was is stopped too: it may see what it cannot know.
    """
    if not len(contest.y) or np.isnan(contest.y).all():
        return Verdict(False, (say("nothing"), *contest.notes))

    has_skill, of_skill = _skill(contest)
    if of_jump := _too_good(contest):
        return Verdict(False, (of_skill, of_jump, *contest.notes))
    lost, why_not = False, []
    for other in (name for name in (CHAMPION, CURVE) if name in contest.said):
        for test in np.unique(contest.tests):
            worse, error = difference(contest, CHALLENGER, other, contest.tests == test)
            loses = worse > max(NOISE, SURE_ERRORS * error)
            lost = lost or loses
            named = (
                f"{other}'s recipe" if other == CHAMPION and contest.champion_is_recipe else other
            )
            figures = {"worse": f"{worse:+.4f}", "error": f"{error:.4f}"}
            why_not.append(
                say("loses" if loses else "holds", other=named, test=str(test), **figures)
            )
    return Verdict(has_skill and not lost, (of_skill, *why_not, *contest.notes))


def _skill(contest: Contest) -> tuple[bool, str]:
    """Whether the challenger ranks better than chance, and the sentence that says so."""
    if (found := contest.skill()) is None:
        return False, say("alike")
    horizon, seen = found
    has_skill = seen.low > NO_SKILL
    figures = {name: f"{getattr(seen, name):.3f}" for name in ("value", "low", "high")}
    why = say("skill" if has_skill else "no_skill", horizon=horizon, **figures)
    if not has_skill and contest.weights is not None:
        near, far = contest.weights
        blend = say("weights" if near or far else "no_trees", near=f"{near:g}", far=f"{far:g}")
        why += JOINED + blend
    return has_skill, why


def _too_good(contest: Contest) -> str:
    """Why the challenger is better than can be believed, or nothing."""
    if CHAMPION not in contest.said or (found := contest.skill()) is None:
        return ""
    ranked = replace(contest, said={**contest.said, CHALLENGER: contest.said[CHAMPION]}).skill()
    assert ranked is not None  # of the same outcomes
    horizon, jump = found[0], found[1].value - ranked[1].value
    if jump <= TOO_GOOD:
        return ""
    return JOINED.join((say("too_good", jump=f"{jump:+.3f}", horizon=horizon), say("look")))


def difference(
    contest: Contest, one: str, other: str, rows: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """How much more the outcomes surprise one than the other, and its standard error.

    Rows of one customer are not independent; customers are taken to be.
    """
    y = contest.y[rows]
    told = ~np.isnan(y)
    filled = np.where(told, y, 0.0)
    by_cell = metrics.surprise(filled, contest.said[one][rows])
    by_cell -= metrics.surprise(filled, contest.said[other][rows])
    has_outcome = told.any(axis=1)
    by_row = (by_cell * told).sum(axis=1)[has_outcome] / told.sum(axis=1)[has_outcome]
    if len(by_row) < 2:
        return 0.0, 0.0
    _, customer = np.unique(contest.customer_of_row[rows][has_outcome], return_inverse=True)
    by_customer = np.bincount(customer, weights=by_row - by_row.mean())
    return float(by_row.mean()), float(np.sqrt((by_customer**2).sum()) / len(by_row))


def _rarer(y: Floats) -> int:
    """How many outcomes of the rarer kind there are."""
    late, paid = int(np.nansum(y == 1)), int(np.nansum(y == 0))
    return min(late, paid)


def _measured(y: Floats, p: Floats) -> dict[str, float]:
    if not len(y):
        return {}
    return {
        "log_loss": metrics.log_loss(y, p),
        "brier": metrics.brier(y, p),
        "auc": metrics.auc(y, p),
        "calibration_error": metrics.calibration_error(y, p),
        "rows": float(len(y)),
    }
