"""One window of a single question, in plain NumPy and Python's own whole numbers."""

import math

import numpy as np

from pipelines.events import EXACT, Counts, Days

_HALF = 1 << 63


def summed(values: Counts, low: int, high: int) -> int:
    """The sum of the window's values."""
    return int(np.add.reduce(values[low:high]))


def above(values: Counts, limit: int, low: int, high: int) -> int:
    """How many of the window's values are greater than the limit."""
    return int(np.count_nonzero(values[low:high] > limit))


def equal(values: Counts, value: int, low: int, high: int) -> int:
    """How many of the window's values are this one."""
    return int(np.count_nonzero(values[low:high] == value))


def deviation(values: Counts, low: int, high: int) -> float:
    """The sample standard deviation, missing under two values."""
    n = high - low
    if n < 2:
        return math.nan
    window = values[low:high]
    s = int(np.add.reduce(window))
    centre = s // n
    apart = window - centre
    q = int(np.dot(apart, apart))
    s -= n * centre
    spread: float = _in_64_bits(n * q - s * s)
    if q > EXACT // n:
        spread = float(n) * float(q) - float(s) * float(s)
    return math.sqrt(spread / (n * (n - 1.0))) if spread >= 0 else math.nan


def slope(day: Days, values: Counts, low: int, high: int, origin: int) -> float:
    """The least-squares slope on the day, counted from `origin`; missing under three values."""
    n = high - low
    if n < 3:
        return math.nan
    since, y = day[low:high].astype(np.int64) - origin, values[low:high]
    sum_x, sum_y = int(np.add.reduce(since)), int(np.add.reduce(y))
    spread = n * int(np.dot(since, since)) - sum_x * sum_x
    rise = n * int(np.dot(since, y)) - sum_x * sum_y
    return float(rise) / float(spread) if spread > 0 else math.nan


def _in_64_bits(value: int) -> int:
    """As a block has it, whose whole numbers wrap around."""
    return (value + _HALF) % (2 * _HALF) - _HALF
