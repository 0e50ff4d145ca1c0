"""A block of queries: what each of its expressions reads and how, as arrays of one value a query.

An expression can only read a stream through a position: the number of its owner's events whose
known day is strictly before `as_of - days`. What is known later cannot be reached.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from pipelines.events import Counts, Events, Flags, Floats, Whole
from pipelines.forms import forms_of

Values = Any  # one value for each query of a block, or the one value of a single question
Key = tuple[Hashable, ...]


def hot_primitives() -> ModuleType:
    """Their compiled forms where numba is installed, else NumPy's; both give the same bits."""
    return forms_of("as_of")


class Reachable(Protocol):
    """A stream as the window knows it: its name, and to whom its events belong."""

    name: str
    owner: str


class Expression(Protocol):
    """What has a value for each query, and the number by which that value is kept."""

    number: int
    evaluate: Callable[["Context"], Values]


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
        self.inputs = inputs
        self._known: dict[int, Values] = {}
        self._positions: dict[Key, Values] = {}
        self._windows: dict[Key, tuple[Values, Values]] = {}
        self._ask(owners, as_of)

    def _ask(self, owners: Mapping[str, Whole], as_of: Whole) -> None:
        self.owners: Mapping[str, Any] = {
            name: owner.astype(np.int64) for name, owner in owners.items()
        }
        self.as_of: Values = as_of.astype(np.int64)

    def value(self, node: Expression) -> Values:
        value = self._known.get(node.number)
        if value is None:
            value = self._known[node.number] = node.evaluate(self)
        return value

    def before(self, stream: Reachable, days: int = 0) -> Values:
        """For each query, the number of events up to its owner's last one before as_of - days."""
        events = self.events[stream.name]
        key = (events.place, days)  # streams of the same days have the same positions
        position = self._positions.get(key)
        if position is None:
            until = self.as_of - days if days else self.as_of
            owner = self.owners[stream.owner]
            position = self._positions[key] = self.locate(events, owner, until)
        return position

    def first(self, stream: Reachable) -> Values:
        """For each query, the number of events before its owner's first."""
        events = self.events[stream.name]
        key = (events.place, None)
        position = self._positions.get(key)
        if position is None:
            start = events.start
            position = self._positions[key] = start.take(self.owners[stream.owner])
        return position

    def window(self, stream: Reachable, days: int | None) -> tuple[Values, Values]:
        """Where the window of so many days before as_of begins and ends; None: since the first."""
        key = (stream.name, days)
        window = self._windows.get(key)
        if window is None:
            low = self.first(stream) if days is None else self.before(stream, days)
            window = self._windows[key] = low, self.before(stream)
        return window

    # What expressions are made of.

    def locate(self, events: Events, owner: Values, until: Values) -> Values:
        return hot_primitives().locate(events, owner, until)

    def given(self, name: str) -> Values:
        return self.inputs[name]

    def sum(self, events: Events, column: str, low: Values, high: Values) -> Values:
        """The sum of the column over each window."""
        total = events.total_of(column, lambda: events.columns[column])
        return hot_primitives().window_sums(total, low, high)

    def hits(
        self,
        events: Events,
        column: str,
        above: int | None,
        equal: int | None,
        low: Values,
        high: Values,
    ) -> Values:
        """How many of each window's values are above a limit, or else equal to a value."""

        def found() -> Flags:
            values = events.columns[column]
            return values > above if above is not None else values == equal

        total = events.total_of((column, above, equal), found)
        return hot_primitives().window_sums(total, low, high)

    def pick(self, values: Whole | Floats, at: Values, exists: Values) -> Values:
        """The values at these places, missing where there is none."""
        if not len(values):
            return np.full(len(at), np.nan)
        return hot_primitives().picked(values, at, exists)

    def highest(self, events: Events, column: str, low: Values, high: Values) -> Values:
        if not len(events):
            return np.full(len(low), np.nan)
        return hot_primitives().largest_values(events.highest(column), low, high)

    def deviation(self, events: Events, column: str, low: Values, high: Values) -> Values:
        """The sample standard deviation, missing under two events."""
        values = events.columns[column]
        total = events.total_of(column, lambda: values)
        squares = events.total_of((column, "squares"), lambda: values**2)
        return hot_primitives().deviations(total, squares, low, high)

    def slope(self, events: Events, column: str, low: Values, high: Values) -> Values:
        """The least-squares slope on the day, missing under three events.

        Days count from the query's own day: the sums stay small, hence exact.
        """
        return hot_primitives().slopes(events.products_with_day(column), low, high, self.as_of)

    def median(self, events: Events, column: str, low: Values, high: Values) -> Values:
        n = np.maximum(high - low, 1)
        lowest, ranks, zeros = events.ranks(column)
        below, above = (
            hot_primitives().kth_smallest(ranks, zeros, low, high, k)
            for k in ((n - 1) // 2, n // 2)
        )
        return np.where(high > low, (below + above) / 2.0 + lowest, np.nan)

    def apply(self, function: str, values: Counts, low: Values, high: Values) -> Values:
        """A function of each window's values, by its name among the hot primitives."""
        return getattr(hot_primitives(), function)(values, low, high)

    def where(self, claim: Values, yes: Values, no: Values) -> Values:
        return np.where(claim, yes, no)

    def is_missing(self, value: Values) -> Values:
        return np.isnan(value)

    def ratio(self, above: Values, below: Values) -> Values:
        """The ratio, missing where the denominator is zero."""
        if np.ndim(above) and np.ndim(below):
            return hot_primitives().ratios(above, below)
        return np.where(below == 0, np.nan, above / below)

    def larger(self, one: Values, other: Values) -> Values:
        return np.maximum(one, other)

    def largest(self, values: Sequence[Values]) -> Values:
        return np.max(values, axis=0)

    def which_largest(self, values: Sequence[Values]) -> Values:
        """The place, from 0, of the largest; the first of equals."""
        return np.where(np.isnan(values).any(axis=0), np.nan, np.argmax(values, axis=0))
