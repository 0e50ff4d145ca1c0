"""Events: what happened to each owner, sorted by the day it became known, with exact totals."""

from collections.abc import Callable, Hashable
from functools import cache, cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipelines.ordering import order

Owners = npt.NDArray[np.int32]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Rounded = npt.NDArray[np.float32]
Whole = npt.NDArray[np.integer]
Flags = npt.NDArray[np.bool_]
Column = Whole | Flags
Kinds = npt.NDArray[np.int8]
Followed = tuple[Counts, Counts, Counts, Flags, Flags, Flags, Days]
Moved = tuple[Rows, Days, Days, Kinds, Counts]
Cash = tuple[
    tuple[Owners, Days, Days, Counts, Counts, Counts, Counts, Counts], tuple[Rows, Rows, Counts]
]
Reduced = tuple[Owners, Days, Counts, Counts, Counts, Counts]
Spelled = tuple[Rows, Counts, Counts]
Settled = tuple[Moved, Followed, tuple[Counts, Flags, Days, Days, Flags]]
T = TypeVar("T")

_DAY_BITS = 22  # holds any day within 1<<20 of 1970, NEVER and windows before it included
_DAY_ZERO = 1 << 21
EXACT = 1 << 62  # products of whole numbers up to here stay in 64 bits, with a sum of two of them


def keys(owner: Whole, day: Whole) -> Counts:
    """Owner and day in one whole number that sorts as they do."""
    return (owner.astype(np.int64) << _DAY_BITS) + (day.astype(np.int64) + _DAY_ZERO)


def owner_and_day(sorted_keys: Counts) -> tuple[Owners, Days]:
    """The owners and days that make these keys."""
    day = (sorted_keys & ((1 << _DAY_BITS) - 1)) - _DAY_ZERO
    return (sorted_keys >> _DAY_BITS).astype(np.int32), day.astype(np.int32)


def different(values: Counts) -> Counts:
    """The values sorted, each once; a whole number's sort takes half the time of `np.unique`."""
    ordered = np.sort(values)
    return ordered[firsts(ordered)]


def firsts(owner: Whole) -> Flags:
    """Which rows, sorted by owner, are their owner's first."""
    first = np.ones(len(owner), bool)
    np.not_equal(owner[1:], owner[:-1], out=first[1:])
    return first


def highest_so_far(owner: Whole, day: Whole) -> Counts:
    """The latest of each owner's days up to each row, for rows sorted by owner."""
    return owner_and_day(np.maximum.accumulate(keys(owner, day)))[1].astype(np.int64)


class Events:
    """One stream: rows sorted by owner, day and ties, and the totals that features ask of it.

    Totals are running sums of integers from the first row of all: a window's sum is the difference
    of two of them, exact, and so the same for one owner alone and for all of them together.
    """

    def __init__(self, owner: Whole, day: Whole, owners: int, /, **columns: Column) -> None:
        self.owner: Owners = owner.astype(np.int32, copy=False)
        self.day: Days = day.astype(np.int32, copy=False)
        self.columns: dict[str, Counts] = {
            name: column.astype(np.int64, copy=False) for name, column in columns.items()
        }
        self.owners = owners
        self.place = id(self.day)  # the same for streams of the very same events
        self._made: dict[Hashable, object] = {}

    @classmethod
    def of(
        cls,
        owner: Whole,
        day: Whole,
        owners: int,
        ties: tuple[Whole, ...] = (),
        /,
        **columns: Column,
    ) -> "Events":
        """Sorted events. `ties` are needed where a feature tells events of one day apart."""
        rows = order(owner, day, *ties)
        return cls(owner[rows], day[rows], owners, **{n: c[rows] for n, c in columns.items()})

    @classmethod
    def none(cls, owners: int, /, *columns: str) -> "Events":
        """A stream that tells nothing."""
        nothing = np.empty(0, np.int32)
        return cls(nothing, nothing.copy(), owners, **dict.fromkeys(columns, nothing))

    def __len__(self) -> int:
        return len(self.day)

    @cached_property
    def start(self) -> Counts:
        """Where each owner's events begin; one more for the end."""
        start = np.zeros(self.owners + 1, np.int64)
        np.bincount(self.owner, minlength=self.owners).cumsum(out=start[1:])
        return start

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made on the first call with this key and kept."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[return-value]  # the key tells what was made

    def total_of(self, key: Hashable, values: Callable[[], Column]) -> Counts:
        """Running total of these values, one for each row, with a 0 before the first."""

        def make() -> Counts:
            total = np.zeros(len(self) + 1, np.int64)
            values().cumsum(out=total[1:])
            return total

        return self.once(("total", key), make)

    def products_with_day(self, column: str) -> Counts:
        """Running totals of day, value, day * day and day * value, side by side."""

        def make() -> Counts:
            day, values = self.day.astype(np.int64), self.columns[column]
            totals = np.zeros((len(self) + 1, 4), np.int64)
            for place, added in enumerate((day, values, day**2, day * values)):
                added.cumsum(out=totals[1:, place])
            return totals

        return self.once(("products", column), make)

    def highest(self, column: str) -> Counts:
        """Row k holds the largest of 2**k consecutive values, up to the longest owner."""

        def make() -> Counts:
            longest = int(np.diff(self.start).max(initial=1))
            levels = np.tile(self.columns[column], (longest.bit_length(), 1))
            for k in range(1, len(levels)):
                step, below = 1 << (k - 1), levels[k - 1]
                np.maximum(below[:-step], below[step:], out=levels[k, :-step])
            return levels

        return self.once(("highest", column), make)

    def ranks(self, column: str) -> tuple[int, Counts, Counts]:
        """The column's lowest value and, for each bit, the running count of zeros.

        With this (a wavelet matrix) the k-th smallest of any window takes one step for each bit.
        """

        def make() -> tuple[int, Counts, Counts]:
            values = self.columns[column]
            lowest = int(values.min(initial=0))
            rest = values - lowest
            bits = int(rest.max(initial=1)).bit_length()
            ranks = np.zeros((bits, len(values) + 1), np.int64)
            for level in range(bits):
                is_zero = (rest >> (bits - 1 - level)) & 1 == 0
                np.cumsum(is_zero, out=ranks[level, 1:])
                rest = np.concatenate([rest[is_zero], rest[~is_zero]])
            return lowest, ranks, ranks[:, -1].copy()

        return self.once(("ranks", column), make)

    def gap_decay(self, half_life_days: int) -> Floats:
        """The weight kept after 0, 1, 2, ... days, up to the longest silence of an owner."""
        silence = np.diff(self.day, prepend=self.day[:1])
        return _decay(half_life_days, int(silence.max(initial=0)).bit_length())


@cache
def _decay(half_life_days: int, bits: int) -> Floats:
    return np.array([2.0 ** (-days / half_life_days) for days in range(1 << bits)])
