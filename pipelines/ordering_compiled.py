"""The order of events compiled: digits of a packed key instead of comparisons, the same rows.

Each key carries its row's number in its lowest bits, so that one array is moved.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

F = TypeVar("F", bound=Callable[..., object])
Ints = npt.NDArray[np.integer]
Counts = npt.NDArray[np.int64]

STRETCH = 16  # rows that are put in order one by one before stretches are merged
DIGIT_BITS, FEW_DIGIT_BITS = 11, 7  # a pass's counters stay in the nearest cache
FEW = 4_000  # rows for which counters cost more than passes


def _compiled(function: F) -> F:
    compiled: F = njit(cache=True, nogil=True)(function)
    return compiled


def order(owner: Ints, day: Ints, *ties: Ints) -> Counts:
    """The rows sorted by owner and day, and where both are equal by the values in `ties`."""
    keys = _whole(owner), _whole(day)
    rows = rows_by(*keys)
    if ties:  # three of them, some twice: every number of them would be compiled apart
        columns = [_whole(tie) for tie in ties]
        columns += [columns[-1]] * (3 - len(columns))
        tell_apart(rows, *keys, tuple(columns))
    return rows


def _whole(values: Ints) -> Counts:
    # Arrays that may not be written to are another type, compiled once more.
    whole = np.ascontiguousarray(values, np.int64)
    return whole if whole.flags.writeable else whole.copy()


@_compiled
def rows_by(owner: Counts, day: Counts) -> Counts:
    """The rows sorted by owner and day, equal ones as they come."""
    n = len(owner)
    if n == 0:
        return np.empty(0, np.int64)
    lowest, highest = owner[0], owner[0]
    first, last = day[0], day[0]
    is_sorted = True
    for i in range(1, n):
        whose, on = owner[i], day[i]
        if whose < owner[i - 1] or (whose == owner[i - 1] and on < day[i - 1]):
            is_sorted = False
        lowest, highest = min(lowest, whose), max(highest, whose)
        first, last = min(first, on), max(last, on)
    if is_sorted:
        return np.arange(n)

    day_bits, row_bits, owner_bits = 0, 0, 0
    while (last - first) >> day_bits:
        day_bits += 1
    while n >> row_bits:
        row_bits += 1
    while (highest - lowest) >> owner_bits:
        owner_bits += 1
    if day_bits + row_bits + owner_bits > 63:  # too wide to be packed: one after the other
        by_day = _rows_of(day - first, row_bits, day_bits)
        return by_day[_rows_of(owner[by_day] - lowest, row_bits, owner_bits)]
    return _rows_of(((owner - lowest) << day_bits) | (day - first), row_bits, owner_bits + day_bits)


@_compiled
def _rows_of(key: Counts, row_bits: int, key_bits: int) -> Counts:
    """The rows sorted by a key of so many bits, equal ones as they come."""
    packed = np.empty(len(key), np.int64)
    for i in range(len(key)):
        packed[i] = (key[i] << row_bits) | i
    packed = _by_digits(packed, row_bits, row_bits + key_bits)
    for i in range(len(key)):
        packed[i] &= (1 << row_bits) - 1
    return packed


@_compiled
def _by_digits(packed: Counts, low: int, high: int) -> Counts:
    """The numbers sorted by their bits from `low` up to `high`, digit by digit from the lowest."""
    n = len(packed)
    widest = FEW_DIGIT_BITS if n < FEW else DIGIT_BITS
    passes = max(1, (high - low + widest - 1) // widest)
    width = (high - low + passes - 1) // passes
    other = np.empty(n, np.int64)
    counts = np.empty((1 << width) + 1, np.int64)
    for _ in range(passes):
        mask = (1 << width) - 1
        counts[:] = 0
        for i in range(n):
            counts[((packed[i] >> low) & mask) + 1] += 1
        for digit in range(mask):
            counts[digit + 1] += counts[digit]
        for i in range(n):
            digit = (packed[i] >> low) & mask
            other[counts[digit]] = packed[i]
            counts[digit] += 1
        packed, other = other, packed
        low += width
    return packed


@_compiled
def tell_apart(rows: Counts, owner: Counts, day: Counts, ties: tuple[Counts, ...]) -> None:
    """Orders rows of one owner and day by their ties, in place; equal ones stay as they are."""
    n = len(rows)
    begin = 0
    for at in range(1, n + 1):
        if at < n:
            one, other = rows[begin], rows[at]
            if owner[one] == owner[other] and day[one] == day[other]:
                continue
        for first in range(begin, at, STRETCH):
            _put_in_place(rows, first, min(first + STRETCH, at), ties)
        if at - begin > STRETCH:
            _merge(rows, begin, at, ties)
        begin = at


@_compiled
def _put_in_place(rows: Counts, begin: int, end: int, ties: tuple[Counts, ...]) -> None:
    for i in range(begin + 1, end):
        row, place = rows[i], i
        while place > begin and _comes_before(row, rows[place - 1], ties):
            rows[place] = rows[place - 1]
            place -= 1
        rows[place] = row


@_compiled
def _merge(rows: Counts, begin: int, end: int, ties: tuple[Counts, ...]) -> None:
    """Sorts by merging sorted stretches, each time twice as long."""
    taken = np.empty(end - begin, np.int64)
    stretch = STRETCH
    while stretch < end - begin:
        for low in range(begin, end - stretch, 2 * stretch):
            middle, high = low + stretch, min(low + 2 * stretch, end)
            taken[:stretch] = rows[low:middle]
            left, right = 0, middle
            for place in range(low, high):
                if left == stretch:
                    break
                if right < high and _comes_before(rows[right], taken[left], ties):
                    rows[place] = rows[right]
                    right += 1
                else:
                    rows[place] = taken[left]
                    left += 1
        stretch *= 2


@_compiled
def _comes_before(one: int, other: int, ties: tuple[Counts, ...]) -> bool:
    for tie in ties:
        if tie[one] != tie[other]:
            return bool(tie[one] < tie[other])
    return False
