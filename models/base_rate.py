"""The base rate: how far all log-odds would have to move for what was said to come on average.

It assumes that a changed rate moves every invoice's log-odds alike. Where only some customers pay
otherwise than before, the shift spoils what was said of the others.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST = 3.0  # of log-odds: no base rate moves further between two windows
_STEPS = 60  # halvings: the last is far below any figure that is told
_EDGE = 1e-6


def shift(y: Floats, p: Floats) -> float:
    """The shift of all log-odds after which the mean of `p` is that of `y`, within MOST."""
    if not len(y):
        return 0.0
    low, high, came = -MOST, MOST, float(np.mean(y))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if float(np.mean(shifted(p, middle))) < came:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def shifted(p: Floats, by: float) -> Floats:
    """The probabilities with their log-odds moved."""
    clipped = np.clip(p, _EDGE, 1 - _EDGE)
    odds = np.log(clipped) - np.log1p(-clipped) + by
    moved: Floats = 1.0 / (1.0 + np.exp(-odds))
    return moved
