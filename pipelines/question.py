"""A single question: the same expressions in plain numbers, because arrays of one are slow.

Python's whole numbers are exact and its floats are IEEE doubles: the bits are those of a block.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

from pipelines.block import Context, Reachable, Values, hot_primitives
from pipelines.events import Counts, Events, Flags, Floats, Whole

_HALF = 1 << 63


class Question(Context):
    """One query, with all that was already worked out for it."""

    def _ask(self, owners: Mapping[str, Whole], as_of: Whole) -> None:
        self.owners = {name: owner.item() for name, owner in owners.items()}
        self.as_of = as_of.item()
        self._spans: dict[int, tuple[memoryview, int, int]] = {}

    def first(self, stream: Reachable) -> int:
        return self._span(stream)[1]

    def before(self, stream: Reachable, days: int = 0) -> int:
        day, first, now = self._span(stream)
        return bisect_left(day, self.as_of - days, first, now) if days else now

    def _span(self, stream: Reachable) -> tuple[memoryview, int, int]:
        """The events' days, where the owner's begin, and where those known before as_of end."""
        events = self.events[stream.name]
        span = self._spans.get(events.place)
        if span is None:
            owners, day = memoryview(events.owner.data), memoryview(events.day.data)
            owner = self.owners[stream.owner]
            first = bisect_left(owners, owner)
            stop = bisect_right(owners, owner, first)
            now = bisect_left(day, self.as_of, first, stop)
            span = self._spans[events.place] = day, first, now
        return span

    def given(self, name: str) -> Values:
        return self.inputs[name].item()

    def sum(
        self,
        events: Events,
        key: Hashable,
        values: Callable[[slice], Whole | Flags],
        low: int,
        high: int,
    ) -> int:
        # Added up as it is: running totals pay for many questions, not for one.
        if low == high:
            return 0
        window = values(slice(low, high))
        return int(np.add.reduce(window) if window.dtype == np.int64 else np.count_nonzero(window))

    def pick(self, values: Whole | Floats, at: int, exists: bool) -> float:
        return float(values.item(at)) if exists else math.nan

    def highest(self, events: Events, column: str, low: int, high: int) -> float:
        window = events.columns[column][low:high]
        return float(window.max()) if high > low else math.nan

    def deviation(self, events: Events, column: str, low: int, high: int) -> float:
        n = high - low
        if n < 2:
            return math.nan
        values = events.columns[column][low:high]
        s = int(np.add.reduce(values))
        centre = s // n
        apart = values - centre
        q = int(np.dot(apart, apart))
        s -= n * centre
        spread = _in_64_bits(n * q - s * s)
        return math.sqrt(spread / (n * (n - 1.0))) if spread >= 0 else math.nan

    def slope(self, events: Events, column: str, low: int, high: int) -> float:
        n = high - low
        if n < 3:
            return math.nan
        day, y = (
            events.day[low:high].astype(np.int64) - self.as_of,
            events.columns[column][low:high],
        )
        sum_x, sum_y = int(np.add.reduce(day)), int(np.add.reduce(y))
        spread = n * int(np.dot(day, day)) - sum_x * sum_x
        rise = n * int(np.dot(day, y)) - sum_x * sum_y
        return float(rise) / float(spread) if spread > 0 else math.nan

    def median(self, events: Events, column: str, low: int, high: int) -> float:
        n = high - low
        window = sorted(events.columns[column][low:high].tolist())
        return (window[(n - 1) // 2] + window[n // 2]) / 2.0 if n else math.nan

    def apply(self, function: str, values: Counts, low: int, high: int) -> Values:
        one = np.array([low]), np.array([high])
        return getattr(hot_primitives(), function)(values, *one).item()

    def where(self, claim: bool, yes: Values, no: Values) -> Values:
        return yes if claim else no

    def is_missing(self, value: Values) -> bool:
        return math.isnan(value)

    def ratio(self, above: Values, below: Values) -> float:
        return math.nan if below == 0 else float(above) / float(below)

    def larger(self, one: int, other: int) -> int:
        return one if one > other else other

    def largest(self, values: Sequence[Values]) -> Values:
        return math.nan if any(map(math.isnan, values)) else max(values)

    def which_largest(self, values: Sequence[Values]) -> Values:
        return math.nan if any(map(math.isnan, values)) else values.index(max(values))


def _in_64_bits(value: int) -> int:
    """As a block has it, whose whole numbers wrap around."""
    return (value + _HALF) % (2 * _HALF) - _HALF
