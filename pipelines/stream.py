"""Streams as features name them: each method makes an expression as of a day.

settled.mean("delay", 90)        average delay of what was settled in the 90 days before as_of
paid.sum("amount", 365) / issued.sum("amount", 365)
"""

from collections.abc import Callable, Hashable

from pipelines.as_of import Node, as_of
from pipelines.block import Context, Values, hot_primitives


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
        def by(c: Context) -> Values:
            low, high = c.window(self, days)
            return high - low

        return self._node("count", days, by=by)

    def sum(self, column: str, days: int | None = None) -> Node:
        def by(c: Context) -> Values:
            return c.sum(c.events[self.name], column, *c.window(self, days))

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

        def by(c: Context) -> Values:
            return c.hits(c.events[self.name], column, above, equal, *c.window(self, days))

        return self._node("hits", column, above, equal, days, by=by) / self.count(days)

    def std(self, column: str, days: int | None = None) -> Node:
        """The sample standard deviation, missing under two events."""

        def by(c: Context) -> Values:
            return c.deviation(c.events[self.name], column, *c.window(self, days))

        return self._node("std", column, days, by=by)

    def max(self, column: str, days: int | None = None) -> Node:
        def by(c: Context) -> Values:
            return c.highest(c.events[self.name], column, *c.window(self, days))

        return self._node("max", column, days, by=by)

    def median(self, column: str, days: int | None = None) -> Node:
        def by(c: Context) -> Values:
            return c.median(c.events[self.name], column, *c.window(self, days))

        return self._node("median", column, days, by=by)

    def apply(self, function: str, column: str, days: int | None = None) -> Node:
        """Any function of a window's values, by its name among the hot primitives.

        The way out for what running totals cannot give; it costs a pass over each query's window.
        """

        def by(c: Context) -> Values:
            return c.apply(function, c.events[self.name].columns[column], *c.window(self, days))

        return self._node("apply", function, column, days, by=by)

    def last(self, column: str, *, back: int = 0, days_ago: int = 0) -> Node:
        """The column at the last event before as_of, so many events or days further back."""

        def by(c: Context) -> Values:
            at = c.before(self, days_ago) - 1 - back
            return c.pick(c.events[self.name].columns[column], at, at >= c.first(self))

        return self._node("last", column, back, days_ago, by=by)

    def first(self, column: str) -> Node:
        """The column at the owner's first event."""

        def by(c: Context) -> Values:
            at = c.first(self)
            return c.pick(c.events[self.name].columns[column], at, at < c.before(self))

        return self._node("first", column, by=by)

    def age(self, column: str) -> Node:
        """Days since the day that the column tells at the last event."""
        return as_of - self.last(column)

    def tenure(self, column: str) -> Node:
        """Days since the day that the column tells at the first event."""
        return as_of - self.first(column)

    def ewm(self, column: str, *, half_life_days: int) -> Node:
        """The mean of all values, each weighing half for every half life before the last one."""

        def by(c: Context) -> Values:
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
            return c.pick(means, at, at >= c.first(self))

        return self._node("ewm", column, half_life_days, by=by)

    def slope(self, column: str, days: int | None = None, *, events: int | None = None) -> Node:
        """The least-squares slope on the day, over a window or the last n events (at least 3)."""

        def by(c: Context) -> Values:
            low, high = c.window(self, days)
            if events is not None:
                low = c.larger(low, high - events)
            return c.slope(c.events[self.name], column, low, high)

        return self._node("slope", column, days, events, by=by)
