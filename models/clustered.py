"""Standard errors and intervals of means whose rows go together by customer.

They assume that customers are independent of each other: what hits all of them at once (a holiday,
a slump) is outside the interval.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]

LEVEL = 0.90  # of every interval here, as in models/bootstrap.py


def error(influence: Floats, customer: Hashes) -> float:
    """The standard error of the mean of an influence function, NaN for a single customer.

    Sums by customer are what varies (Liang and Zeger, Biometrika 1986); G / (G - 1) corrects for
    few of them.
    """
    _, owner = np.unique(customer, return_inverse=True)
    sums = np.bincount(owner, weights=influence - influence.mean())
    groups = len(sums)
    if groups < 2:
        return float("nan")
    return float(np.sqrt(groups / (groups - 1) * (sums**2).sum()) / len(influence))


def reach(groups: float, *, level: float = LEVEL) -> float:
    """How many standard errors the interval goes to each side: Student's t for few customers."""
    from scipy.special import stdtrit  # a tenth of a second: only where intervals are made

    return float(stdtrit(max(groups - 1, 1), 0.5 + level / 2))
