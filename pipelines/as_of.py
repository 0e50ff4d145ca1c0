"""The one window that every feature looks through: what streams of events had told before a day.

Sums over a window are differences of exact integer totals: the same bits for one customer, a
partition, the portfolio. An expression (`Node`) is written once and read in two ways: for blocks of
queries (`block.Context`) and for a single one (`question.Question`).
"""

import operator
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipelines.block import Context, Key, Values
from pipelines.events import Events, Floats, Whole
from pipelines.ordering import Rows, order
from pipelines.question import Question

BLOCK = 1 << 14  # queries evaluated together: their intermediate columns stay in the cache

Table = npt.NDArray[np.float64] | npt.NDArray[np.float32]

_NUMBERS: dict[Key, int] = {}  # equal keys have one number, which is found faster than they are


class Node:
    """An expression over streams and inputs; equal keys are worked out once for a block."""

    __slots__ = ("evaluate", "key", "number")

    def __init__(self, key: Key, evaluate: Callable[[Context], Values]) -> None:
        self.key = key
        self.number = _NUMBERS.setdefault(key, len(_NUMBERS))
        self.evaluate = evaluate

    def __add__(self, other: "Node | float") -> "Node":
        return _combine("+", self, other, operator.add)

    def __sub__(self, other: "Node | float") -> "Node":
        return _combine("-", self, other, operator.sub)

    def __rsub__(self, other: float) -> "Node":
        return _combine("-", constant(other), self, operator.sub)

    def __mul__(self, other: "Node | float") -> "Node":
        return _combine("*", self, other, operator.mul)

    def __rmul__(self, other: float) -> "Node":
        return _combine("*", constant(other), self, operator.mul)

    def __truediv__(self, other: "Node | float") -> "Node":
        below = other if isinstance(other, Node) else constant(other)
        return Node(("/", self.key, below.key), lambda c: c.ratio(c.value(self), c.value(below)))

    def __mod__(self, other: "Node | float") -> "Node":
        return _combine("%", self, other, operator.mod)

    def __abs__(self) -> "Node":
        return Node(("abs", self.key), lambda c: abs(c.value(self)))

    def above(self, limit: float) -> "Node":
        """1 where the value is greater than the limit, 0 where it is not, missing if it is."""

        def flag(c: Context) -> Values:
            value = c.value(self)
            return c.where(c.is_missing(value), np.nan, value > limit)

        return Node(("above", limit, self.key), flag)

    def fill(self, value: float) -> "Node":
        """The value in place of what is missing, where nothing happened means just that."""

        def filled(c: Context) -> Values:
            given = c.value(self)
            return c.where(c.is_missing(given), value, given)

        return Node(("fill", value, self.key), filled)

    def unless(self, value: float) -> "Node":
        """Missing where it equals the value that stands for "none"."""

        def kept(c: Context) -> Values:
            given = c.value(self)
            return c.where(given == value, np.nan, given)

        return Node(("unless", value, self.key), kept)


def constant(value: float) -> Node:
    return Node(("constant", value), lambda c: value)


def given(name: str) -> Node:
    """What the query itself brings: the invoice's own amount, its due date."""
    return Node(("given", name), lambda c: c.given(name))


as_of = Node(("as_of",), lambda c: c.as_of)


def largest(*nodes: Node) -> Node:
    """The largest of several expressions."""
    keys = tuple(node.key for node in nodes)
    return Node(("largest", *keys), lambda c: c.largest([c.value(node) for node in nodes]))


def which_largest(*nodes: Node) -> Node:
    """The place, from 0, of the largest; the first of equals."""
    keys = tuple(node.key for node in nodes)
    return Node(
        ("which_largest", *keys), lambda c: c.which_largest([c.value(node) for node in nodes])
    )


def _combine(
    symbol: str, left: Node, right: Node | float, function: Callable[[Values, Values], Values]
) -> Node:
    if not isinstance(right, Node):
        key = (symbol, left.key, constant(right).key)
        return Node(key, lambda c: function(c.value(left), right))
    return Node((symbol, left.key, right.key), lambda c: function(c.value(left), c.value(right)))


def evaluate(
    nodes: Sequence[Node],
    events: Mapping[str, Events],
    *,
    owners: Mapping[str, Whole],
    as_of: Whole,
    inputs: Mapping[str, Whole | Floats],
) -> Floats:
    """The expressions' values, one row for each query and one column for each node.

    Any order of the queries gives the same bits; worked out by the first owner and day they are
    fastest.
    """
    out = np.empty((len(as_of), len(nodes)), order="F")
    fill(out, nodes, events, owners=owners, as_of=as_of, inputs=inputs)
    return out


def fill(
    out: Table,
    nodes: Sequence[Node],
    events: Mapping[str, Events],
    *,
    owners: Mapping[str, Whole],
    as_of: Whole,
    inputs: Mapping[str, Whole | Floats],
) -> None:
    """`evaluate` straight to where the values are to stay; float32 takes each rounded once."""
    if len(as_of) == 1:
        question = Question(events, owners=owners, as_of=as_of, inputs=inputs)
        out[0] = [question.value(node) for node in nodes]
        return

    by_owner = order(next(iter(owners.values())), as_of)
    with np.errstate(all="ignore"):
        for begin in range(0, len(as_of), BLOCK):
            rows = by_owner[begin : begin + BLOCK]
            context = Context(
                events,
                owners={name: owner[rows] for name, owner in owners.items()},
                as_of=as_of[rows],
                inputs={name: values[rows] for name, values in inputs.items()},
            )
            place = _in_one_piece(rows)
            for column, node in enumerate(nodes):
                out[:, column][place] = context.value(node)


def _in_one_piece(rows: Rows) -> Rows | slice:
    """Rows that follow one another as a slice, which is written to several times faster."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(first, last + 1)
    return rows
