"""The hot primitives of the as-of window in plain NumPy: what runs where numba is not installed."""

import numpy as np

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
    firsts,
    highest_so_far,
    keys,
)


def locate(events: Events, owner: Owners, until: Counts) -> Counts:
    """For each query, how many events come before its owner's first event at or after `until`."""
    sorted_keys = events.once("keys", lambda: keys(events.owner, events.day))
    return np.searchsorted(sorted_keys, keys(owner, until))


def window_sums(total: Counts, low: Counts, high: Counts) -> Counts:
    """The sum over each window, from the running total."""
    return total[high] - total[low]


def ratios(above: Whole | Floats, below: Whole | Floats) -> Floats:
    """One column over another, missing where the lower one is zero."""
    ratio: Floats = above / below
    ratio[below == 0] = np.nan
    return ratio


def picked(values: Whole | Floats, at: Counts, exists: Flags) -> Floats:
    """The values at these places, missing where there is none."""
    return np.where(exists, values[np.where(exists, at, 0)], np.nan)


def deviations(total: Counts, squares: Counts, low: Counts, high: Counts) -> Floats:
    """The sample standard deviation of each window, from the totals of values and squares."""
    n, s, q = high - low, total[high] - total[low], squares[high] - squares[low]

    # Around the mean's whole part the squares are small enough to stay exact in 64 bits; what
    # wrapped around in their totals comes back in the differences.
    centre = s // np.maximum(n, 1)
    q = q - 2 * centre * s + n * centre * centre
    s = s - n * centre
    with_floats = n.astype(float) * q - s.astype(float) * s  # where products leave 64 bits
    spread = np.where(q <= EXACT // np.maximum(n, 1), n * q - s * s, with_floats)
    return np.where(n < 2, np.nan, np.sqrt(spread / (n * (n - 1.0))))


def slopes(totals: Counts, low: Counts, high: Counts, origin: Counts) -> Floats:
    """The least-squares slope of each window, from the totals of x, y, x * x and x * y."""
    n = high - low
    x, y, xx, xy = (totals[high] - totals[low]).T
    xx = xx - 2 * origin * x + n * origin * origin
    xy = xy - origin * y
    x = x - n * origin
    spread = n * xx - x * x
    return np.where((n < 3) | (spread <= 0), np.nan, (n * xy - x * y) / spread)


def largest_values(levels: Counts, low: Counts, high: Counts) -> Floats:
    """The largest value of each window: that of two runs of 2**level values that cover it."""
    n = high - low
    out = np.full(len(n), np.nan)
    level = np.frexp(np.maximum(n, 1))[1] - 1
    for k, largest_of in enumerate(levels):
        here = np.flatnonzero((level == k) & (n > 0))
        if len(here):
            left, right = largest_of[low[here]], largest_of[high[here] - (1 << k)]
            out[here] = np.maximum(left, right)
    return out


def decayed_means(owner: Owners, day: Days, values: Counts, decay: Floats) -> Floats:
    """After each event, its owner's mean so far, each older value weighing `decay[days since]`."""
    out = np.empty(len(values))
    total = weight = 0.0
    last_owner, last_day = -1, 0
    events = zip(owner.tolist(), day.tolist(), values.tolist(), strict=True)
    for i, (whose, on, value) in enumerate(events):
        kept = float(decay[on - last_day]) if whose == last_owner else 0.0
        total = total * kept + value
        weight = weight * kept + 1.0
        last_owner, last_day = whose, on
        out[i] = total / weight
    return out


def first_cover(first: Counts, stop: Counts, points: int, nothing: int) -> Counts:
    """For each point the number of the first span [first, stop) that covers it, or `nothing`."""
    out = [nothing] * points
    free = list(range(points + 1))  # the next point that no span covers yet
    for span, (at, end) in enumerate(zip(first.tolist(), stop.tolist(), strict=True)):
        at = _next(free, at)
        while at < end:
            out[at] = span
            free[at] = at + 1
            at = _next(free, at)
    return np.array(out, np.int64)


def _next(free: list[int], at: int) -> int:
    while free[at] != at:
        free[at] = free[free[at]]
        at = free[at]
    return at


def kth_smallest(ranks: Counts, zeros: Counts, low: Counts, high: Counts, k: Counts) -> Counts:
    """The k-th smallest value of each window, read off its bits from the highest down."""
    found = np.zeros(len(low), np.int64)
    for rank, ones_from in zip(ranks, zeros.tolist(), strict=True):
        below_low, below_high = rank[low], rank[high]
        is_one = k >= below_high - below_low
        k = np.where(is_one, k - (below_high - below_low), k)
        low = np.where(is_one, ones_from + low - below_low, below_low)
        high = np.where(is_one, ones_from + high - below_high, below_high)
        found = (found << 1) | is_one
    return found


def median_deviation(values: Counts, low: Counts, high: Counts) -> Floats:
    """The median distance of each window's values from their median (the MAD)."""
    out = np.full(len(low), np.nan)
    for i, (first, stop) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        if stop > first:
            window = values[first:stop]
            out[i] = np.median(np.abs(window - np.median(window)))
    return out


def follow(
    invoice: Rows, day: Days, amount: Counts, is_credit: Flags, owed: Counts, allowed: Counts
) -> Followed:
    """What each movement does to its invoice's open amount; sorted by invoice, then as known."""
    first = firsts(invoice)
    due, within = owed[invoice], allowed[invoice]

    left = due - _running(amount, first)
    credit_left = due - _running(np.where(is_credit, amount, 0), first)
    closed = left <= within
    covered = np.where(closed, due, due - left)
    was_closed = np.where(first, due <= within, np.append(False, closed)[: len(first)])
    was_covered = np.where(
        first, np.where(due <= within, due, 0), np.append(0, covered)[: len(first)]
    )
    settles = closed & ~was_closed
    return (
        covered - was_covered,
        left,
        credit_left - left,
        settles,
        was_closed & ~closed,
        settles & (credit_left <= within),
        highest_so_far(invoice, day).astype(np.int32),
    )


def _running(values: Counts, first: Flags) -> Counts:
    """Running totals that start again at each `first`: differences of one exact integer total."""
    total = np.cumsum(values)
    starts = np.flatnonzero(first)
    before = (total - values)[starts]
    return total - np.repeat(before, np.diff(np.append(starts, len(values))))
