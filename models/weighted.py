"""Figures of weighted rows, for many weightings at once: what the bootstrap asks for.

Each function takes weights (draws, rows) and gives one figure for each draw; NaN where it cannot be
told. With weights of one they are the figures of `models/metrics.py`.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BINS = 10
TOP_SHARE = 0.1  # of the rows, those with the highest risk


def mean(weights: Floats, values: Floats) -> Floats:
    return _over(weights @ values, weights.sum(axis=1))


def median(weights: Floats, values: Floats) -> Floats:
    """The value at which half of the weight lies below or at it."""
    if not len(values):
        return np.full(len(weights), np.nan)
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[:, order], axis=1)
    at = np.argmax(below >= below[:, [-1]] / 2, axis=1)
    found: Floats = values[order][at]
    return found


def auc(weights: Floats, y: Floats, p: Floats) -> Floats:
    """Share of (late, not late) pairs in the right order, ties half."""
    late, other = _by_tie(weights, y, p)
    below = np.cumsum(other, axis=1) - other
    right = (late * (below + other / 2)).sum(axis=1)
    return _over(right, late.sum(axis=1) * other.sum(axis=1))


def average_precision(weights: Floats, y: Floats, p: Floats) -> Floats:
    """The area under precision and recall: precision at each threshold by the recall it adds."""
    late, other = _by_tie(weights, y, -p)
    found = np.cumsum(late, axis=1)
    precision = _over(found, found + np.cumsum(other, axis=1))
    return _over((late * np.nan_to_num(precision)).sum(axis=1), late.sum(axis=1))


def calibration_error(weights: Floats, y: Floats, p: Floats) -> Floats:
    """Mean distance between what was said and what came, over groups of equally many rows."""
    groups = np.array_split(np.argsort(p, kind="stable"), BINS)
    off = sum(np.abs(weights[:, rows] @ (y - p)[rows]) for rows in groups)
    return _over(np.asarray(off), weights.sum(axis=1))


def captured(weights: Floats, value: Floats, p: Floats) -> Floats:
    """The share of a value that the tenth of the rows with the highest p holds.

    Rows of the same p are in it in equal parts: their order means nothing.
    """
    if not len(p):
        return np.full(len(weights), np.nan)
    order = np.argsort(-p, kind="stable")
    starts = np.flatnonzero(np.diff(-p[order], prepend=-np.inf) > 0)
    ranked = weights[:, order]
    rows = np.add.reduceat(ranked, starts, axis=1)
    held = np.add.reduceat(ranked * value[order], starts, axis=1)
    left = TOP_SHARE * rows.sum(axis=1)[:, None] - (np.cumsum(rows, axis=1) - rows)
    inside = np.nan_to_num(_over(np.clip(left, 0.0, rows), rows))
    return _over((held * inside).sum(axis=1), held.sum(axis=1))


def _by_tie(weights: Floats, y: Floats, p: Floats) -> tuple[Floats, Floats]:
    """The weight of late and of other rows at each different p, in rising order."""
    order = np.argsort(p, kind="stable")
    if not len(order):
        return np.zeros((len(weights), 1)), np.zeros((len(weights), 1))
    starts = np.flatnonzero(np.diff(p[order], prepend=-np.inf) > 0)
    ranked, late = weights[:, order], y[order]
    return (
        np.add.reduceat(ranked * late, starts, axis=1),
        np.add.reduceat(ranked * (1 - late), starts, axis=1),
    )


def _over(above: Floats, below: Floats) -> Floats:
    share: Floats = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return share
