"""The one window that every feature looks through: what streams of events had told before a day.

    settled.mean("delay", 90)        average delay of what was settled in the 90 days before as_of
    paid.sum("amount", 365) / issued.sum("amount", 365)

An expression can only read a stream through a position: the number of its owner's events whose
known day is strictly before `as_of - days`. What is known later cannot be reached, and sums are
differences of integer running totals: the same bits for one customer, a partition, the portfolio.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from types import ModuleType

import numpy as np

from pipelines.events import Counts, Events, Flags, Floats, Whole

Values = Whole | Floats
Key = tuple[Hashable, ...]

BLOCK = 1 << 15  # queries evaluated together: their intermediate columns stay in the cache


@cache
def hot_primitives() -> ModuleType:
    """Their compiled forms where numba is installed, else NumPy's; both give the same bits."""
    try:
        from pipelines import as_of_compiled as forms
    except ImportError:
        from pipelines import as_of_numpy as forms  # type: ignore[no-redef]
    return forms


class Context:
    """One block of queries: their days and owners, and all that was already worked out for them."""

    def __init__(
        self,
        events: Mapping[str, Events],
        *,
        owners: Mapping[str, Whole],
        as_of: Whole,
        inputs: Mapping[str, Whole | Floats],
    ) -> None:
        self.events = events
        self.owners = {name: owner.astype(np.int32, copy=False) for name, owner in owners.items()}
        self.as_of: Counts = as_of.astype(np.int64)
        self.inputs = inputs
        self._known: dict[Key, Values] = {}
        self._positions: dict[Key, Counts] = {}

    def value(self, node: "Node") -> Values:
        if node.key not in self._known:
            self._known[node.key] = node.evaluate(self)
        return self._known[node.key]

    def before(self, stream: "Stream", days: int = 0) -> Counts:
        """For each query, the number of events up to its owner's last one before as_of - days."""
        key = (stream.name, days)
        if key not in self._positions:
            until = self.as_of - days if days else self.as_of
            self._positions[key] = hot_primitives().locate(
                self.events[stream.name], self.owners[stream.owner], until
            )
        return self._positions[key]

    def first(self, stream: "Stream") -> Counts:
        """For each query, the number of events before its owner's first."""
        key = (stream.name, None)
        if key not in self._positions:
            start = self.events[stream.name].start
            self._positions[key] = start[self.owners[stream.owner]]
        return self._positions[key]

    def window(self, stream: "Stream", days: int | None) -> tuple[Counts, Counts]:
        """Where the window of so many days before as_of begins and ends; None: since the first."""
        low = self.first(stream) if days is None else self.before(stream, days)
        return low, self.before(stream)


class Node:
    """An expression over streams and inputs; equal keys are worked out once for a block."""

    __slots__ = ("evaluate", "key")

    def __init__(self, key: Key, evaluate: Callable[[Context], Values]) -> None:
        self.key = key
        self.evaluate = evaluate

    def __add__(self, other: "Node | float") -> "Node":
        return _combine("+", self, other, np.add)

    def __sub__(self, other: "Node | float") -> "Node":
        return _combine("-", self, other, np.subtract)

    def __rsub__(self, other: float) -> "Node":
        return _combine("-", constant(other), self, np.subtract)

    def __mul__(self, other: "Node | float") -> "Node":
        return _combine("*", self, other, np.multiply)

    def __rmul__(self, other: float) -> "Node":
        return _combine("*", constant(other), self, np.multiply)

    def __truediv__(self, other: "Node | float") -> "Node":
        return _combine("/", self, other, _ratio)

    def __mod__(self, other: "Node | float") -> "Node":
        return _combine("%", self, other, np.mod)

    def __abs__(self) -> "Node":
        return Node(("abs", self.key), lambda c: np.abs(c.value(self)))

    def above(self, limit: float) -> "Node":
        """1 where the value is greater than the limit, 0 where it is not, missing if it is."""

        def flag(c: Context) -> Floats:
            value = c.value(self)
            return np.where(np.isnan(value), np.nan, value > limit)

        return Node(("above", limit, self.key), flag)

    def fill(self, value: float) -> "Node":
        """The value in place of what is missing, where nothing happened means just that."""

        def filled(c: Context) -> Values:
            given = c.value(self)
            return np.where(np.isnan(given), value, given)

        return Node(("fill", value, self.key), filled)

    def unless(self, value: float) -> "Node":
        """Missing where it equals the value that stands for "none"."""

        def kept(c: Context) -> Floats:
            given = c.value(self)
            return np.where(given == value, np.nan, given)

        return Node(("unless", value, self.key), kept)


def constant(value: float) -> Node:
    return Node(("constant", value), lambda c: np.array(value))


def given(name: str) -> Node:
    """What the query itself brings: the invoice's own amount, its due date."""
    return Node(("given", name), lambda c: c.inputs[name])


as_of = Node(("as_of",), lambda c: c.as_of)


def largest(*nodes: Node) -> Node:
    """The largest of several expressions."""
    keys = tuple(node.key for node in nodes)
    return Node(("largest", *keys), lambda c: np.max([c.value(node) for node in nodes], axis=0))


def which_largest(*nodes: Node) -> Node:
    """The place, from 0, of the largest; the first of equals."""

    def place(c: Context) -> Floats:
        values = np.array([c.value(node) for node in nodes])
        return np.where(np.isnan(values).any(axis=0), np.nan, np.argmax(values, axis=0))

    return Node(("which_largest", *(node.key for node in nodes)), place)


def _combine(
    symbol: str, left: Node, right: Node | float, function: Callable[[Values, Values], Values]
) -> Node:
    other = right if isinstance(right, Node) else constant(right)
    return Node((symbol, left.key, other.key), lambda c: function(c.value(left), c.value(other)))


def _ratio(above: Values, below: Values) -> Floats:
    """The ratio, missing where the denominator is zero."""
    return np.where(below == 0, np.nan, above / below)


class Stream:
    """A declared stream; its methods make expressions. `days` is the window before as_of."""

    def __init__(self, name: str, *, owner: str = "customer") -> None:
        self.name = name
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

    def last(self, column: str, *, back: int = 0) -> Node:
        """The column at the last event before as_of, or so many events further back."""

        def by(c: Context) -> Floats:
            at = c.before(self) - 1 - back
            return _pick(c.events[self.name].columns[column], at, at >= c.first(self))

        return self._node("last", column, back, by=by)

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


def evaluate(
    nodes: Sequence[Node],
    events: Mapping[str, Events],
    *,
    owners: Mapping[str, Whole],
    as_of: Whole,
    inputs: Mapping[str, Whole | Floats],
) -> Floats:
    """The expressions' values, one row for each query and one column for each node.

    Queries sorted by owner and day are fastest; any order gives the same bits.
    """
    out = np.empty((len(as_of), len(nodes)), order="F")
    with np.errstate(all="ignore"):
        for begin in range(0, len(as_of), BLOCK):
            block = slice(begin, begin + BLOCK)
            context = Context(
                events,
                owners={name: owner[block] for name, owner in owners.items()},
                as_of=as_of[block],
                inputs={name: values[block] for name, values in inputs.items()},
            )
            for column, node in enumerate(nodes):
                out[block, column] = context.value(node)
    return out
