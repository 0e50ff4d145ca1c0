"""Streams as features name them: each method makes an expression as of a day.

settled.mean("delay", 90)        average delay of what was settled in the 90 days before as_of
paid.sum("amount", 365) / issued.sum("amount", 365)
"""

from collections.abc import Callable, Hashable

import numpy as np

from pipelines.as_of import Context, Node, Values, as_of, hot_primitives
from pipelines.events import Counts, Events, Flags, Floats, Whole


class Stream:
    """A declared stream; its methods make expressions. `days` is the window before as_of.

    `tells` says to a reader what its events are and what their columns mean.
    """

    def __init__(self, name: str, tells: str = "", *, owner: str = "customer") -> None:
        self.name = name
        self.tells = tells
        self.owner = owner

    def _node(self, what: str, *about: Hashable, by: Callable[[Context], Values]) -> Node:
        return Node((what, self.name, *about), by)

    def count(self, days: int | None = None) -> Node:
        def by(c: Context) -> Counts:
            low, high = c.window(self, days)
            return high - low

        return self._node("count", days, by=by)

    def sum(self, column: str, days: int | None = None) -> Node:
        def by(c: Context) -> Counts:
            low, high = c.window(self, days)
            total = c.events[self.name].total(column)
            return total[high] - total[low]

        return self._node("sum", column, days, by=by)

    def mean(self, column: str, days: int | None = None) -> Node:
        return self.sum(column, days) / self.count(days)

    def share(
        self,
        column: str,
        days: int | None = None,
        *,
        above: int | None = None,
        equal: int | None = None,
    ) -> Node:
        """The share of events whose value is above a limit, or equal to one."""

        def hits(events: Events) -> Whole:
            values = events.columns[column]
            return (values > above if above is not None else values == equal).astype(np.int64)

        def by(c: Context) -> Counts:
            low, high = c.window(self, days)
            events = c.events[self.name]
            total = events.total_of((column, above, equal), lambda: hits(events))
            return total[high] - total[low]

        return self._node("hits", column, above, equal, days, by=by) / self.count(days)

    def std(self, column: str, days: int | None = None) -> Node:
        """The sample standard deviation, missing under two events."""

        def by(c: Context) -> Floats:
            low, high = c.window(self, days)
            events = c.events[self.name]
            squares = events.total_of((column, "squares"), lambda: events.columns[column] ** 2)
            n = high - low
            total = events.total(column)
            s, q = total[high] - total[low], squares[high] - squares[low]

            # Around the mean's whole part the squares are small enough to stay exact in 64 bits.
            centre = s // np.maximum(n, 1)
            q = q - 2 * centre * s + n * centre * centre
            s = s - n * centre
            return np.where(n < 2, np.nan, np.sqrt((n * q - s * s) / (n * (n - 1.0))))

        return self._node("std", column, days, by=by)

    def max(self, column: str, days: int | None = None) -> Node:
        """The largest value: that of two overlapping runs of 2**k events that cover the window."""

        def by(c: Context) -> Floats:
            low, high = c.window(self, days)
            n = high - low
            out = np.full(len(n), np.nan)
            level = np.frexp(np.maximum(n, 1))[1] - 1
            for k, highest in enumerate(c.events[self.name].highest(column)):
                here = np.flatnonzero((level == k) & (n > 0))
                if len(here):
                    left, right = highest[low[here]], highest[high[here] - (1 << k)]
                    out[here] = np.maximum(left, right)
            return out

        return self._node("max", column, days, by=by)

    def median(self, column: str, days: int | None = None) -> Node:
        def by(c: Context) -> Floats:
            low, high = c.window(self, days)
            n = np.maximum(high - low, 1)
            lowest, ranks, zeros = c.events[self.name].ranks(column)
            below, above = (
                hot_primitives().kth_smallest(ranks, zeros, low, high, k)
                for k in ((n - 1) // 2, n // 2)
            )
            return np.where(high > low, (below + above) / 2.0 + lowest, np.nan)

        return self._node("median", column, days, by=by)

    def apply(self, function: str, column: str, days: int | None = None) -> Node:
        """Any function of a window's values, by its name among the hot primitives.

        The way out for what running totals cannot give; it costs a pass over each query's window.
        """

        def by(c: Context) -> Values:
            low, high = c.window(self, days)
            values: Values = getattr(hot_primitives(), function)(
                c.events[self.name].columns[column], low, high
            )
            return values

        return self._node("apply", function, column, days, by=by)

    def last(self, column: str, *, back: int = 0, days_ago: int = 0) -> Node:
        """The column at the last event before as_of, so many events or days further back."""

        def by(c: Context) -> Floats:
            at = c.before(self, days_ago) - 1 - back
            return _pick(c.events[self.name].columns[column], at, at >= c.first(self))

        return self._node("last", column, back, days_ago, by=by)

    def first(self, column: str) -> Node:
        """The column at the owner's first event."""

        def by(c: Context) -> Floats:
            at = c.first(self)
            return _pick(c.events[self.name].columns[column], at, at < c.before(self))

        return self._node("first", column, by=by)

    def age(self, column: str) -> Node:
        """Days since the day that the column tells at the last event."""
        return as_of - self.last(column)

    def tenure(self, column: str) -> Node:
        """Days since the day that the column tells at the first event."""
        return as_of - self.first(column)

    def ewm(self, column: str, *, half_life_days: int) -> Node:
        """The mean of all values, each weighing half for every half life before the last one."""

        def by(c: Context) -> Floats:
            events = c.events[self.name]
            means = events.once(
                ("ewm", column, half_life_days),
                lambda: hot_primitives().decayed_means(
                    events.owner,
                    events.day,
                    events.columns[column],
                    events.gap_decay(half_life_days),
                ),
            )
            at = c.before(self) - 1
            return _pick(means, at, at >= c.first(self))

        return self._node("ewm", column, half_life_days, by=by)

    def slope(self, column: str, days: int | None = None, *, events: int | None = None) -> Node:
        """The least-squares slope on the day, over a window or the last n events (at least 3)."""

        def by(c: Context) -> Floats:
            low, high = c.window(self, days)
            if events is not None:
                low = np.maximum(low, high - events)
            return _slope(c.events[self.name], column, c.as_of, low, high)

        return self._node("slope", column, days, events, by=by)


def _pick(values: Values, at: Counts, exists: Flags) -> Floats:
    if not len(values):
        return np.full(len(at), np.nan)
    picked = values[np.clip(at, 0, len(values) - 1)]
    return np.where(exists, picked, np.nan)


def _slope(events: Events, column: str, origin: Counts, low: Counts, high: Counts) -> Floats:
    """Days count from the query's own day: the sums stay small, hence exact."""

    def window(key: Hashable, values: Callable[[], Whole]) -> Counts:
        total = events.total_of(key, values)
        return total[high] - total[low]

    day = events.day.astype(np.int64)
    n = high - low
    x = window("day", lambda: day)
    y = window(column, lambda: events.columns[column])
    xx = window(("day", "squares"), lambda: day * day)
    xy = window(("day", column), lambda: day * events.columns[column])

    xx = xx - 2 * origin * x + n * origin * origin
    xy = xy - origin * y
    x = x - n * origin
    spread = n * xx - x * x
    return np.where((n < 3) | (spread <= 0), np.nan, (n * xy - x * y) / spread)
