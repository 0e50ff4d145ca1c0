"""Bootstrap: how far a figure would move had other customers been drawn.

Whole customers are drawn, because the rows of one go together: intervals over rows would be too
narrow. It assumes that customers are independent of each other; a slow month for all of them is
outside the interval.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # (draws, rows) of weights -> (draws, figures)

DRAWS = 200
LEVELS = (0.05, 0.95)  # an interval of 90 %
_CELLS = 4_000_000  # weights held at a time


def intervals(
    statistic: Statistic, cluster: npt.NDArray[np.int64], *, draws: int = DRAWS, seed: int = 0
) -> Floats:
    """The interval of each figure when clusters are drawn with replacement: (figures, 2).

    A figure that cannot be told for a draw (NaN) is left out of it.
    """
    drawn = replicates(statistic, cluster, draws=draws, seed=seed)
    told = ~np.isnan(drawn)
    out = np.full((drawn.shape[1], 2), np.nan)
    for at in range(drawn.shape[1]):
        if told[:, at].sum() >= draws / 2:
            out[at] = np.quantile(drawn[told[:, at], at], LEVELS)
    return out


def replicates(
    statistic: Statistic, cluster: npt.NDArray[np.int64], *, draws: int = DRAWS, seed: int = 0
) -> Floats:
    """The figures of every draw: (draws, figures)."""
    random = np.random.default_rng(seed)
    _, owner = np.unique(cluster, return_inverse=True)
    owners = int(owner.max(initial=-1)) + 1
    times = random.multinomial(owners, np.full(owners, 1 / max(owners, 1)), size=draws)
    together = max(_CELLS // max(len(cluster), 1), 1)
    return np.concatenate(
        [
            statistic(times[at : at + together, owner].astype(np.float64))
            for at in range(0, draws, together)
        ]
    )
