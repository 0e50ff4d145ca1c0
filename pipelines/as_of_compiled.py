"""The hot primitives of the as-of window, compiled: the same bits as `as_of_numpy`, faster.

Each is tiny, because large ones compile for most of a minute; compiled once, they are kept on disk.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numba import njit

from pipelines.events import (
    EXACT,
    Counts,
    Days,
    Events,
    Flags,
    Floats,
    Followed,
    Owners,
    Rows,
    Whole,
)

F = TypeVar("F", bound=Callable[..., object])

STRIDE = 8  # steps tried one by one before a search by halves


def _compiled(function: F) -> F:
    compiled: F = njit(cache=True, nogil=True)(function)
    return compiled


def locate(events: Events, owner: Owners, until: Counts) -> Counts:
    """For each query, how many events come before its owner's first event at or after `until`."""
    found: Counts = _locate(events.start, events.day, owner, until)
    return found


@_compiled
def _locate(start: Counts, day: Days, owner: Owners, until: Counts) -> Counts:
    # Goes on from the last answer while queries come sorted; any order gives the same.
    out = np.empty(len(owner), np.int64)
    at = 0
    last_owner = -1
    last_until = 0
    for i in range(len(owner)):
        whose, stop = owner[i], until[i]
        low, high = start[whose], start[whose + 1]
        if whose == last_owner and stop >= last_until:
            low = at
            steps = 0
            while low < high and day[low] < stop and steps < STRIDE:
                low += 1
                steps += 1
            if steps < STRIDE:
                high = low
        while low < high:
            middle = (low + high) >> 1
            if day[middle] < stop:
                low = middle + 1
            else:
                high = middle
        at, last_owner, last_until = low, whose, stop
        out[i] = at
    return out


@_compiled
def window_sums(total: Counts, low: Counts, high: Counts) -> Counts:
    """The sum over each window, from the running total."""
    out = np.empty(len(low), np.int64)
    for i in range(len(low)):
        out[i] = total[high[i]] - total[low[i]]
    return out


@_compiled
def ratios(above: Whole | Floats, below: Whole | Floats) -> Floats:
    """One column over another, missing where the lower one is zero."""
    out = np.empty(len(above))
    for i in range(len(above)):
        out[i] = np.nan if below[i] == 0 else float(above[i]) / float(below[i])
    return out


@_compiled
def picked(values: Whole | Floats, at: Counts, exists: Flags) -> Floats:
    """The values at these places, missing where there is none."""
    out = np.empty(len(at))
    for i in range(len(at)):
        out[i] = values[at[i]] if exists[i] else np.nan
    return out


@_compiled
def _spread(n: int, s: int, q: int) -> float:
    """n * q - s * s; as floats where tens of thousands of values would leave 64 bits."""
    if q <= EXACT // n:
        return float(n * q - s * s)
    return float(n) * float(q) - float(s) * float(s)


@_compiled
def deviations(total: Counts, squares: Counts, low: Counts, high: Counts) -> Floats:
    """The sample standard deviation of each window, from the totals of values and squares."""
    out = np.full(len(low), np.nan)
    for i in range(len(low)):
        a, b = low[i], high[i]
        n = b - a
        if n >= 2:
            # Around the mean's whole part the squares are small enough to stay exact.
            s = total[b] - total[a]
            centre = s // n
            q = squares[b] - squares[a] - 2 * centre * s + n * centre * centre
            s -= n * centre
            out[i] = np.sqrt(_spread(n, s, q) / (n * (n - 1.0)))
    return out


@_compiled
def slopes(totals: Counts, low: Counts, high: Counts, origin: Counts) -> Floats:
    """The least-squares slope of each window, from the totals of x, y, x * x and x * y."""
    out = np.full(len(low), np.nan)
    for i in range(len(low)):
        a, b, o = low[i], high[i], origin[i]
        n = b - a
        if n >= 3:
            x, y = totals[b, 0] - totals[a, 0], totals[b, 1] - totals[a, 1]
            xx = totals[b, 2] - totals[a, 2] - 2 * o * x + n * o * o
            xy = totals[b, 3] - totals[a, 3] - o * y
            x -= n * o
            spread = n * xx - x * x
            if spread > 0:
                out[i] = (n * xy - x * y) / spread
    return out


@_compiled
def largest_values(levels: Counts, low: Counts, high: Counts) -> Floats:
    """The largest value of each window: that of two runs of 2**level values that cover it."""
    out = np.full(len(low), np.nan)
    for i in range(len(low)):
        n = high[i] - low[i]
        if n > 0:
            level = 0
            while 2 << level <= n:
                level += 1
            out[i] = max(levels[level, low[i]], levels[level, high[i] - (1 << level)])
    return out


@_compiled
def decayed_means(owner: Owners, day: Days, values: Counts, decay: Floats) -> Floats:
    """After each event, its owner's mean so far, each older value weighing `decay[days since]`."""
    out = np.empty(len(values))
    total = 0.0
    weight = 0.0
    for i in range(len(values)):
        if i == 0 or owner[i] != owner[i - 1]:
            total = 0.0
            weight = 0.0
        else:
            kept = decay[day[i] - day[i - 1]]
            total = total * kept
            weight = weight * kept
        total = total + values[i]
        weight = weight + 1.0
        out[i] = total / weight
    return out


@_compiled
def first_cover(first: Counts, stop: Counts, points: int, nothing: int) -> Counts:
    """For each point the number of the first span [first, stop) that covers it, or `nothing`."""
    out = np.full(points, nothing, np.int64)
    free = np.arange(points + 1)  # the next point that no span covers yet
    for span in range(len(first)):
        at = first[span]
        while free[at] != at:
            free[at] = free[free[at]]
            at = free[at]
        while at < stop[span]:
            out[at] = span
            free[at] = at + 1
            at += 1
            while free[at] != at:
                free[at] = free[free[at]]
                at = free[at]
    return out


@_compiled
def kth_smallest(ranks: Counts, zeros: Counts, low: Counts, high: Counts, k: Counts) -> Counts:
    """The k-th smallest value of each window, read off its bits from the highest down."""
    out = np.zeros(len(low), np.int64)
    levels = len(zeros)
    for i in range(len(low)):
        a, b, rank, found = low[i], high[i], k[i], 0
        for level in range(levels):
            below_a, below_b = ranks[level, a], ranks[level, b]
            if rank < below_b - below_a:
                a, b = below_a, below_b
                found = found << 1
            else:
                rank -= below_b - below_a
                a, b = zeros[level] + a - below_a, zeros[level] + b - below_b
                found = (found << 1) | 1
        out[i] = found
    return out


@_compiled
def median_deviation(values: Counts, low: Counts, high: Counts) -> Floats:
    """The median distance of each window's values from their median (the MAD)."""
    # Twice the median and twice the distances are whole numbers; a window often comes again.
    out = np.full(len(low), np.nan)
    for i in range(len(low)):
        if i > 0 and low[i] == low[i - 1] and high[i] == high[i - 1]:
            out[i] = out[i - 1]
        elif high[i] > low[i]:
            n = high[i] - low[i]
            window = np.sort(values[low[i] : high[i]])
            middle = window[(n - 1) // 2] + window[n // 2]
            distance = np.sort(np.abs(2 * window - middle))
            out[i] = (distance[(n - 1) // 2] + distance[n // 2]) / 4.0
    return out


@_compiled
def follow(
    invoice: Rows, day: Days, amount: Counts, is_credit: Flags, owed: Counts, allowed: Counts
) -> Followed:
    """What each movement does to its invoice's open amount; sorted by invoice, then as known."""
    n = len(invoice)
    applied, open_cents, paid = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    settles, reopens, cancels = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    reached = np.empty(n, np.int32)
    row, left, credit_left, covered, latest, closed = -1, 0, 0, 0, 0, False
    for i in range(n):
        if invoice[i] != row:
            row = invoice[i]
            left = credit_left = owed[row]
            closed = left <= allowed[row]
            covered = left if closed else 0
            latest = day[i]
        left -= amount[i]
        credit_left -= amount[i] if is_credit[i] else 0
        was_closed, was_covered = closed, covered
        closed = left <= allowed[row]
        covered = owed[row] if closed else owed[row] - left
        latest = max(latest, day[i])
        applied[i], open_cents[i], paid[i] = covered - was_covered, left, credit_left - left
        settles[i], reopens[i] = closed and not was_closed, was_closed and not closed
        cancels[i] = settles[i] and credit_left <= allowed[row]
        reached[i] = latest
    return applied, open_cents, paid, settles, reopens, cancels, reached
