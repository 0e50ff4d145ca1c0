"""How good a probability is: proper scores, ranking and calibration, in plain NumPy."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SURE = 1e-6  # a probability of 0 or 1 that turns out wrong costs this much surprise, not infinity


def surprise(y: Floats, p: Floats) -> Floats:
    """What each outcome costs whoever said p: -log of the probability given to what came."""
    p = np.clip(p, _SURE, 1 - _SURE)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


def log_loss(y: Floats, p: Floats) -> float:
    """Mean surprise; the score that decides between models."""
    return float(np.mean(surprise(y, p)))


def brier(y: Floats, p: Floats) -> float:
    """Mean squared difference between what was said and what came."""
    return float(np.mean((p - y) ** 2))


def auc(y: Floats, p: Floats) -> float:
    """Share of (late, not late) pairs in the right order, ties half; NaN when one side is empty."""
    late = int(np.sum(y))
    if late in (0, len(y)):
        return float("nan")
    _, place, count = np.unique(p, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]  # tied rows share their mean rank
    return float((ranks[y > 0].sum() - late * (late + 1) / 2) / (late * (len(y) - late)))


@dataclass(frozen=True)
class Bin:
    """Rows with about the same prediction: how many, what was said, what came."""

    rows: int
    predicted: float
    observed: float


def reliability(y: Floats, p: Floats, *, bins: int = 10) -> list[Bin]:
    """Equally filled groups of rising prediction, each with what was said and what came."""
    order = np.argsort(p, kind="stable")
    return [
        Bin(len(part), float(p[part].mean()), float(y[part].mean()))
        for part in np.array_split(order, bins)
        if len(part)
    ]


def calibration_error(y: Floats, p: Floats, *, bins: int = 10) -> float:
    """Mean distance between what was said and what came, over equally filled groups."""
    groups = reliability(y, p, bins=bins)
    return sum(g.rows * abs(g.predicted - g.observed) for g in groups) / max(len(y), 1)
