"""Who predicts better on the same invoices: the challenger, the champion or the customer curve.

The rows are those of one window whose outcomes have matured and that no contender has learned from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import metrics
from models.horizons import HORIZONS_DAYS, column
from models.metrics import Bin, Floats

CHALLENGER, CHAMPION, CURVE = "challenger", "champion", "customer curve"
NOISE = 0.003  # log-loss; a smaller difference comes and goes with the sample
_SURE_ERRORS = 2.0  # standard errors that make a difference more than the luck of the rows


@dataclass(frozen=True)
class Contest:
    """What came (`y`, rows by horizons, NaN where it is not told) and what each contender said."""

    y: Floats
    said: Mapping[str, Floats]
    tests: npt.NDArray[np.str_]  # of each row: "issue" or "portfolio"

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
    """The challenger takes over unless it loses to somebody, on either test.

    To lose is to have a higher mean log-loss by more than the noise and by more than the luck of
    the rows explains. Rows of one customer are not independent, so that luck is understated: a
    challenger is turned down too often rather than too seldom.
    """
    if not len(contest.y) or np.isnan(contest.y).all():
        return Verdict(False, ("no outcome has matured in the window: there is nothing to judge",))

    lost, why = False, []
    for other in (name for name in (CHAMPION, CURVE) if name in contest.said):
        for test in np.unique(contest.tests):
            worse, error = _difference(contest, other, contest.tests == test)
            loses = worse > max(NOISE, _SURE_ERRORS * error)
            lost = lost or loses
            why.append(
                f"{'loses' if loses else 'does not lose'} to the {other} ({test}): log-loss "
                f"{worse:+.4f} ± {error:.4f}"
            )
    return Verdict(not lost, tuple(why))


def _difference(contest: Contest, other: str, rows: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """How much more the outcomes surprise the challenger than the other, and its standard error."""
    y = contest.y[rows]
    challenger, rival = contest.said[CHALLENGER][rows], contest.said[other][rows]
    told = ~np.isnan(y)
    filled = np.where(told, y, 0.0)
    by_cell = metrics.surprise(filled, challenger) - metrics.surprise(filled, rival)
    has_outcome = told.any(axis=1)
    by_row = (by_cell * told).sum(axis=1)[has_outcome] / told.sum(axis=1)[has_outcome]
    if len(by_row) < 2:
        return 0.0, 0.0
    return float(by_row.mean()), float(by_row.std(ddof=1) / np.sqrt(len(by_row)))


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
