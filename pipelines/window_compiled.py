"""One window of a single question, compiled: the bits of `window_numpy`, without its calls.

Adding up two hundred values takes less time than calling NumPy to do it.
"""

import numpy as np

from pipelines.as_of_compiled import _compiled, _spread
from pipelines.events import Counts, Days


@_compiled
def summed(values: Counts, low: int, high: int) -> int:
    """The sum of the window's values."""
    total = 0
    for i in range(low, high):
        total += values[i]
    return total


@_compiled
def above(values: Counts, limit: int, low: int, high: int) -> int:
    """How many of the window's values are greater than the limit."""
    hits = 0
    for i in range(low, high):
        hits += values[i] > limit
    return hits


@_compiled
def equal(values: Counts, value: int, low: int, high: int) -> int:
    """How many of the window's values are this one."""
    hits = 0
    for i in range(low, high):
        hits += values[i] == value
    return hits


@_compiled
def deviation(values: Counts, low: int, high: int) -> float:
    """The sample standard deviation, missing under two values."""
    n = high - low
    if n < 2:
        return np.nan
    s = 0
    for i in range(low, high):
        s += values[i]
    centre = s // n
    q = 0
    for i in range(low, high):
        q += (values[i] - centre) * (values[i] - centre)
    s -= n * centre
    found: float = np.sqrt(_spread(n, s, q) / (n * (n - 1.0)))
    return found


@_compiled
def slope(day: Days, values: Counts, low: int, high: int, origin: int) -> float:
    """The least-squares slope on the day, counted from `origin`; missing under three values."""
    n = high - low
    x, y, xx, xy = 0, 0, 0, 0
    for i in range(low, high):
        since = day[i] - origin
        x, y = x + since, y + values[i]
        xx, xy = xx + since * since, xy + since * values[i]
    spread = n * xx - x * x
    return (n * xy - x * y) / spread if n >= 3 and spread > 0 else np.nan
