"""The one window that every feature looks through: what streams of events had told before a day.

An expression (`Node`) can only read a stream through a position: the number of its owner's events
whose known day is strictly before `as_of - days`. What is known later cannot be reached, and sums
are differences of integer totals: the same bits for one customer, a partition, the portfolio.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Protocol

import numpy as np

from pipelines.events import Counts, Events, Floats, Whole

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


class Reachable(Protocol):
    """A stream as the window knows it: its name, and to whom its events belong."""

    name: str
    owner: str


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

    def before(self, stream: "Reachable", days: int = 0) -> Counts:
        """For each query, the number of events up to its owner's last one before as_of - days."""
        key = (stream.name, days)
        if key not in self._positions:
            until = self.as_of - days if days else self.as_of
            self._positions[key] = hot_primitives().locate(
                self.events[stream.name], self.owners[stream.owner], until
            )
        return self._positions[key]

    def first(self, stream: "Reachable") -> Counts:
        """For each query, the number of events before its owner's first."""
        key = (stream.name, None)
        if key not in self._positions:
            start = self.events[stream.name].start
            self._positions[key] = start[self.owners[stream.owner]]
        return self._positions[key]

    def window(self, stream: "Reachable", days: int | None) -> tuple[Counts, Counts]:
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
