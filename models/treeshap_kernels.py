"""The compiled loops of tabulated TreeSHAP: tiny, without state, and free of Python's lock.

Every sum adds its terms in one fixed order for each row, so that a row's bits do not depend on the
rows asked together with it.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from models.four_by_four import add_rows
from models.trees import MISSING_NAN, MISSING_ZERO

ZERO = float(np.float32(1e-35))  # LightGBM takes what is nearer to 0 than this for 0
BLOCK_ROWS = 4096  # fewer would wait for the tables, more for their own sums
BLOCK_SCORES = 2048  # without contributions a block may be longer
FEW_THRESHOLDS = 255  # so many are counted faster than searched
TILE_COLUMNS = 8  # a cache line of a row
TILE_ROWS = 256  # then a tile stays in the first-level cache

Floats = npt.NDArray[np.float64]
Wholes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Patterns = npt.NDArray[np.uint16]

_compiled = numba.njit(cache=True, nogil=True)
_apart = numba.njit(cache=True, nogil=True, inline="never")  # alone, the compiler vectorises it
_inlined = numba.njit(cache=True, nogil=True, inline="always")


class Tables(NamedTuple):
    """A model's groups of leaves, flat: `x_from[i]:x_from[i + 1]` is the part of item i."""

    # by feature: its distinct thresholds in order, what it takes for missing, the code of missing
    thresholds: Floats
    thresholds_from: Wholes
    missing: Wholes
    missing_code: int

    # by group: how many bits a pattern has, and where its conditions, features and values start
    bits: Wholes
    conditions_from: Wholes
    columns_from: Wholes
    scores_from: Wholes
    contributions_from: Wholes

    # by condition: the bit that it clears when it fails, on which feature, at which code
    bit: npt.NDArray[np.uint8]
    feature: npt.NDArray[np.int32]
    code: npt.NDArray[np.uint16]
    missing_left: npt.NDArray[np.uint8]
    inverted: Flags

    scores: Floats  # by pattern: the value of the leaf reached, or 0
    # The features that a group contributes to; then, numbered as if features, the raw score and a
    # spare that takes what fills the group up to a multiple of four.
    columns: Wholes
    contributions: Floats  # by pattern, then by those columns

    failing: "Failing"


class Failing(NamedTuple):
    """The conditions that fail on each code of a feature: what a single row is answered by.

    Code c of feature f (one more than its thresholds: missing) has the bounds of two stretches of
    the lists in `bounds[codes_from[f] + c]`.
    """

    codes_from: Wholes
    bounds: npt.NDArray[np.int64]
    group: Wholes
    keep: Patterns  # what the condition leaves of the group's pattern


class Paths(NamedTuple):
    """The leaves of the trees that have no tables, each with the conditions on the way to it."""

    value: Floats
    slots_from: Wholes  # by leaf: its distinct features ...
    slot_feature: Wholes
    slot_zero_share: Floats  # ... and the share of rows that go its way anyhow
    conditions_from: Wholes  # by slot
    threshold: Floats
    missing: Wholes
    missing_left: Flags
    goes_left: Flags


@_compiled  # type: ignore[untyped-decorator]
def leaf_contributions(
    value: float,
    zero_share: Floats,
    follows: Flags,
    powers: Floats,
    out: Floats,
) -> None:
    """The Shapley value of each feature of one leaf, for a row that follows its path on `follows`.

    A coalition S is worth `value` times the product of follows_j (j in S) and zero_share_j (j not
    in S). `powers` holds the coefficients of the product over j of (zero_share_j + follows_j y):
    how much the coalitions of each size are worth. Dividing by one factor leaves the coalitions
    without that feature.
    """
    k = zero_share.size
    powers[: k + 1] = 0.0
    powers[0] = 1.0
    for j in range(k):
        for size in range(j + 1, -1, -1):
            powers[size] *= zero_share[j]
            if follows[j] and size > 0:
                powers[size] += powers[size - 1]
    for f in range(k):
        total = 0.0
        weight = 1.0 / k  # of one coalition of the largest size; then of the next smaller
        rest = 0.0
        for size in range(k - 1, -1, -1):
            if follows[f]:
                rest = powers[size + 1] - rest * zero_share[f]
            else:
                rest = powers[size] / zero_share[f]
            total += rest * weight
            if size > 0:
                weight *= (k - size) / size
        gain = 1.0 - zero_share[f] if follows[f] else -zero_share[f]
        out[f] = value * gain * total


@_compiled  # type: ignore[untyped-decorator]
def leaf_table(value: float, zero_share: Floats) -> Floats:
    """One leaf's contributions (by feature) for each pattern of the features on its path."""
    k = zero_share.size
    table = np.empty((1 << k, k))
    follows = np.empty(k, np.bool_)
    powers = np.empty(k + 1)
    for pattern in range(1 << k):
        for j in range(k):
            follows[j] = (pattern >> j) & 1 == 1
        leaf_contributions(value, zero_share, follows, powers, table[pattern])
    return table


@_inlined  # type: ignore[untyped-decorator]
def _is_missing(x: float, missing: int) -> bool:
    if missing == MISSING_NAN:
        return x != x
    return missing == MISSING_ZERO and (x != x or abs(x) <= ZERO)


@_inlined  # type: ignore[untyped-decorator]
def _rounded(x: float) -> float:
    """What LightGBM compares: 0 for a number that is missing or too near to 0."""
    return 0.0 if x != x or abs(x) <= ZERO else x


@_inlined  # type: ignore[untyped-decorator]
def _code(x: float, thresholds: Floats, start: int, stop: int, missing: int, absent: int) -> int:
    """How many of the feature's thresholds lie below x, or the code of a missing value."""
    if _is_missing(x, missing):
        return absent
    x = _rounded(x)
    low, left = start, stop - start
    while left > 0:
        half = left >> 1
        if thresholds[low + half] < x:
            low += half + 1
            left -= half + 1
        else:
            left = half
    return low - start


@_apart  # type: ignore[untyped-decorator]
def _tidy(values: Floats, missing: int) -> None:
    """Make NaN of what is missing, and of nothing else; 0 of what LightGBM takes for 0."""
    nothing = np.nan if missing == MISSING_ZERO else 0.0
    unknown = 0.0 if missing != MISSING_NAN and missing != MISSING_ZERO else np.nan
    for i in range(values.size):
        x = values[i]
        near = nothing if abs(x) <= ZERO else x
        values[i] = unknown if x != x else near


@_apart  # type: ignore[untyped-decorator]
def _count_four(values: Floats, a: float, b: float, c: float, d: float, codes: Codes) -> None:
    for i in range(values.size):
        x = values[i]
        codes[i] += (x > a) + (x > b) + (x > c) + (x > d)


@_apart  # type: ignore[untyped-decorator]
def _count_one(values: Floats, threshold: float, codes: Codes) -> None:
    for i in range(values.size):
        codes[i] += values[i] > threshold


@_apart  # type: ignore[untyped-decorator]
def _mark_missing(values: Floats, absent: int, codes: Codes) -> None:
    for i in range(values.size):
        codes[i] = absent if values[i] != values[i] else codes[i]


@_apart  # type: ignore[untyped-decorator]
def _clear_right(codes: Codes, one: int, limit: int, keep: int, patterns: Patterns) -> None:
    """Keep of each pattern only `keep` where the row goes right.

    Adding one wraps the code of a missing value round to 0: it goes left where missing values do.
    """
    everything = patterns.dtype.type(0xFFFF)
    for i in range(patterns.size):
        left = codes.dtype.type(codes[i] + one) <= limit
        patterns[i] = patterns.dtype.type(patterns[i] & (everything if left else keep))


@_apart  # type: ignore[untyped-decorator]
def _clear_left(codes: Codes, one: int, limit: int, keep: int, patterns: Patterns) -> None:
    """Keep of each pattern only `keep` where the row goes left."""
    everything = patterns.dtype.type(0xFFFF)
    for i in range(patterns.size):
        left = codes.dtype.type(codes[i] + one) <= limit
        patterns[i] = patterns.dtype.type(patterns[i] & (keep if left else everything))


@_apart  # type: ignore[untyped-decorator]
def _add_looked_up(
    sums: Floats,
    table: Floats,
    patterns: Patterns,
) -> None:
    for i in range(patterns.size):
        sums[i] += table[patterns[i]]


@_compiled  # type: ignore[untyped-decorator]
def _encode(X: Floats, first: int, t: Tables, codes: Codes) -> None:
    """The codes of a block of rows, whose columns are the features from `first` on.

    The rows are turned into columns tile by tile, so that all rows of a tile are compared together.
    """
    tile = np.empty((TILE_COLUMNS, TILE_ROWS + TILE_COLUMNS))
    absent = codes.dtype.type(t.missing_code)
    for begin in range(0, X.shape[0], TILE_ROWS):
        rows = min(TILE_ROWS, X.shape[0] - begin)
        for column in range(0, X.shape[1], TILE_COLUMNS):
            columns = min(TILE_COLUMNS, X.shape[1] - column)
            for i in range(rows):
                for c in range(columns):
                    tile[c, i] = X[begin + i, column + c]
            for c in range(columns):
                f = first + column + c
                low, high = t.thresholds_from[f], t.thresholds_from[f + 1]
                if high > low:
                    out = codes[column + c, begin : begin + rows]
                    thresholds = t.thresholds[low:high]
                    _encode_column(tile[c, :rows], thresholds, t.missing[f], absent, out)


@_compiled  # type: ignore[untyped-decorator]
def _encode_column(
    values: Floats, thresholds: Floats, missing: int, absent: int, codes: Codes
) -> None:
    """The codes of one feature's values, which are tidied in place."""
    n = thresholds.size
    if n > FEW_THRESHOLDS:
        for i in range(values.size):
            codes[i] = _code(values[i], thresholds, 0, n, missing, absent)
        return
    _tidy(values, missing)
    codes[:] = 0
    fours = n - n % 4
    for at in range(0, fours, 4):
        a, b, c, d = thresholds[at], thresholds[at + 1], thresholds[at + 2], thresholds[at + 3]
        _count_four(values, a, b, c, d, codes)
    for at in range(fours, n):
        _count_one(values, thresholds[at], codes)
    _mark_missing(values, absent, codes)


@_compiled  # type: ignore[untyped-decorator]
def _match(t: Tables, group: int, first: int, codes: Codes, patterns: Patterns) -> int:
    """Clear the bits of the group's conditions that fail, and count the conditions looked at.

    Those are the ones on the features that `codes` holds, from `first` on.
    """
    seen = 0
    for c in range(t.conditions_from[group], t.conditions_from[group + 1]):
        column = t.feature[c] - first
        if column < 0 or column >= codes.shape[0]:
            continue
        seen += 1
        keep = patterns.dtype.type(0xFFFF ^ (1 << t.bit[c]))
        one = codes.dtype.type(t.missing_left[c])
        limit = codes.dtype.type(t.code[c] + t.missing_left[c])
        if t.inverted[c]:
            _clear_left(codes[column], one, limit, keep, patterns)
        else:
            _clear_right(codes[column], one, limit, keep, patterns)
    return seen


@_apart  # type: ignore[untyped-decorator]
def _fetch(table: Floats) -> float:
    """Read a number of each cache line, in order: what follows asks for them in no order."""
    total = 0.0
    for at in range(0, table.size, 8):
        total += table[at]
    return total


@_compiled  # type: ignore[untyped-decorator]
def sum_tables(
    X: Floats,
    t: Tables,
    codes: Codes,
    sums: Floats,
    patterns: Patterns,
    explained: bool,
    raw: Floats,
    contributions: Floats,
) -> None:
    """Look up every group for every row: fill `raw`, and `contributions` when `explained`.

    `codes` (features by block, its type wide enough for the codes), `sums` (features, raw score and
    spare by block) and `patterns` are room to work in; a block can be divided by four.
    """
    rows, features = X.shape
    block = patterns.size
    for start in range(0, rows, block):
        n = min(block, rows - start)
        _encode(X[start : start + n], 0, t, codes)
        sums[:] = 0.0

        for g in range(t.bits.size):
            patterns[:] = (1 << t.bits[g]) - 1
            _match(t, g, 0, codes, patterns)
            if explained:
                columns = t.columns[t.columns_from[g] : t.columns_from[g + 1]]
                begin, end = t.contributions_from[g], t.contributions_from[g + 1]
                sums[features + 1, 0] = _fetch(t.contributions[begin:end])
                add_rows(sums, columns, t.contributions, t.contributions_from[g], patterns)
            else:
                table = t.scores[t.scores_from[g] : t.scores_from[g + 1]]
                _add_looked_up(sums[features], table, patterns)

        for i in range(n):
            raw[start + i] = sums[features, i]
            if explained:
                for f in range(features):
                    contributions[start + i, f] = sums[f, i]


@_inlined  # type: ignore[untyped-decorator]
def _match_one(x: Floats, t: Tables, patterns: Patterns) -> None:
    """The patterns of all groups for one row: only conditions that fail are looked at."""
    for g in range(t.bits.size):
        patterns[g] = (1 << t.bits[g]) - 1
    failing = t.failing
    for f in range(x.size):
        low, high = t.thresholds_from[f], t.thresholds_from[f + 1]
        if high > low:
            code = _code(x[f], t.thresholds, low, high, t.missing[f], high - low + 1)
            bounds = failing.bounds[failing.codes_from[f] + code]
            for first, stop in ((bounds[0], bounds[1]), (bounds[2], bounds[3])):
                for c in range(first, stop):
                    patterns[failing.group[c]] &= failing.keep[c]


@_compiled  # type: ignore[untyped-decorator]
def sum_few(X: Floats, t: Tables, explained: bool, raw: Floats, contributions: Floats) -> None:
    """`sum_tables` row by row, with the same bits: for so few rows that blocks cost more."""
    features = X.shape[1]
    sums = np.empty(contributions.shape[1])
    patterns = np.empty(t.bits.size, np.uint16)
    for i in range(X.shape[0]):
        _match_one(X[i], t, patterns)
        sums[:] = 0.0
        for g in range(t.bits.size):
            pattern = np.int64(patterns[g])
            raw[i] += t.scores[t.scores_from[g] + pattern]
            if explained:
                first, stop = t.columns_from[g], t.columns_from[g + 1]
                at = t.contributions_from[g] + pattern * (stop - first)
                for u in range(first, stop):
                    if t.columns[u] == features:  # the raw score, and then what fills up
                        break
                    sums[t.columns[u]] += t.contributions[at + u - first]
        contributions[i] = sums


@_apart  # type: ignore[untyped-decorator]
def _repeat(values: Patterns, times: int, out: Patterns) -> None:
    for i in range(values.size):
        out[i * times : (i + 1) * times] = values[i]


@_apart  # type: ignore[untyped-decorator]
def _add_to_each(sums: Floats, table: Floats, patterns: Patterns, times: int) -> None:
    for i in range(patterns.size):
        value = table[patterns[i]]
        for j in range(i * times, (i + 1) * times):
            sums[j] += value


@_compiled  # type: ignore[untyped-decorator]
def sum_repeated(
    X: Floats,
    then: Floats,
    t: Tables,
    codes: Codes,
    codes_then: Codes,
    patterns: Patterns,
    patterns_then: Patterns,
    raw: Floats,
) -> None:
    """Fill `raw` for each row of X beside each of its rows of `then`, which hold the last features.

    What depends on X alone is looked at once for all of them; terms are added in the order of
    `sum_tables`. A block of X is as long as `patterns`.
    """
    rows, first = X.shape
    block = patterns.size
    times = patterns_then.size // block
    for start in range(0, rows, block):
        n = min(block, rows - start)
        _encode(X[start : start + n], 0, t, codes)
        _encode(then[start * times : (start + n) * times], first, t, codes_then)
        sums = raw[start * times : (start + n) * times]

        for g in range(t.bits.size):
            size = 1 << t.bits[g]
            table = t.scores[t.scores_from[g] : t.scores_from[g] + size]
            patterns[:] = size - 1
            seen = _match(t, g, 0, codes, patterns)
            if seen == t.conditions_from[g + 1] - t.conditions_from[g]:
                _add_to_each(sums, table, patterns[:n], times)
            else:
                _repeat(patterns, times, patterns_then)
                _match(t, g, first, codes_then, patterns_then)
                _add_looked_up(sums, table, patterns_then[: n * times])


@_compiled  # type: ignore[untyped-decorator]
def sum_paths(
    X: Floats, p: Paths, longest: int, explained: bool, raw: Floats, contributions: Floats
) -> None:
    """Add, row by row and leaf by leaf, what the trees without tables say."""
    follows = np.empty(longest, np.bool_)
    powers = np.empty(longest + 1)
    shares = np.empty(longest)
    sums = np.empty(contributions.shape[1])
    for i in range(X.shape[0]):
        sums[:] = 0.0
        for leaf in range(p.value.size):
            start, stop = p.slots_from[leaf], p.slots_from[leaf + 1]
            k = stop - start
            reached = True
            for s in range(start, stop):
                x = X[i, p.slot_feature[s]]
                on_path = True
                for c in range(p.conditions_from[s], p.conditions_from[s + 1]):
                    if _is_missing(x, p.missing[c]):
                        left = p.missing_left[c]
                    else:
                        left = _rounded(x) <= p.threshold[c]
                    on_path = on_path and left == p.goes_left[c]
                follows[s - start] = on_path
                reached = reached and on_path
            if reached:
                raw[i] += p.value[leaf]
            if explained:
                leaf_contributions(
                    p.value[leaf], p.slot_zero_share[start:stop], follows[:k], powers, shares
                )
                for s in range(start, stop):
                    sums[p.slot_feature[s]] += shares[s - start]
        for f in range(sums.size):
            contributions[i, f] += sums[f]
