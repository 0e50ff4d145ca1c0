"""A single question: the same expressions in plain numbers, because arrays of one are slow.

Python's whole numbers are exact and its floats are IEEE doubles: the bits are those of a block.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from types import ModuleType

import numpy as np

from pipelines.block import Context, Reachable, Values, hot_primitives
from pipelines.events import Counts, Events, Floats, Whole
from pipelines.forms import forms_of


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

    # Added up as they are: running totals pay for many questions, not for one.

    def sum(self, events: Events, column: str, low: int, high: int) -> Values:
        return _window().summed(events.columns[column], low, high) if high > low else 0

    def hits(
        self,
        events: Events,
        column: str,
        above: int | None,
        equal: int | None,
        low: int,
        high: int,
    ) -> Values:
        if low == high:
            return 0
        values = events.columns[column]
        if above is not None:
            return _window().above(values, above, low, high)
        return _window().equal(values, equal, low, high)

    def pick(self, values: Whole | Floats, at: int, exists: bool) -> float:
        return float(values.item(at)) if exists else math.nan

    def highest(self, events: Events, column: str, low: int, high: int) -> float:
        window = events.columns[column][low:high]
        return float(window.max()) if high > low else math.nan

    def deviation(self, events: Events, column: str, low: int, high: int) -> Values:
        return _window().deviation(events.columns[column], low, high)

    def slope(self, events: Events, column: str, low: int, high: int) -> Values:
        return _window().slope(events.day, events.columns[column], low, high, self.as_of)

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


def _window() -> ModuleType:
    """What is worked out of one window: compiled where numba is installed, else in NumPy."""
    return forms_of("window")
