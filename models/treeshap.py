"""Exact path-dependent TreeSHAP at portfolio speed, by tables built once for each model.

A tree is cut into groups of leaves that depend on at most eight conditions. What a group
contributes is a function of which of them hold (its pattern), so it is tabulated; a row is then
answered by comparing the codes of its values and adding what it looks up. The raw score has tables
of its own, used with and without explanations: both give the same bits, LightGBM's.

Codes are bytes while no feature has more than 254 thresholds (LightGBM's default of 255 bins never
has), and two bytes beyond. Trees too deep to tabulate, or whose splits disagree on what is
missing, are walked leaf by leaf: slower, equally exact.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.trees import Tree, Trees
from models.treeshap_kernels import (
    BLOCK_ROWS,
    BLOCK_SCORES,
    Paths,
    Tables,
    leaf_table,
    sum_paths,
    sum_repeated,
    sum_tables,
)

GROUP_BITS = 8  # conditions in a pattern: a table of 256 rows
DEEPEST_FEATURES = (
    12  # distinct features on the way to a leaf; beyond, its table alone is 4,096 rows
)
BYTE_THRESHOLDS = 254  # a byte holds 0..254 for values and 255 for missing
WIDE_THRESHOLDS = 65534  # and two bytes as much again
THREADS = 2  # more would wait for memory
APART = 8  # a power of two between the sums of two features would put all in the same cache lines
ROWS_PER_THREAD = 4096  # some milliseconds of work: fewer are not worth starting a thread

Floats = npt.NDArray[np.float64]
Step = tuple[int, bool]  # a split, and whether the path goes left there


class TabulatedTrees:
    """A model's trees, ready to score and explain any number of rows.

    `explain` gives contributions that with `base` add up to the raw score.
    """

    def __init__(self, trees: Trees) -> None:
        self.feature_names = trees.feature_names
        self.base = float(sum(tree.mean for tree in trees.trees))

        book = _Thresholds(trees)
        tabulated = [book.can_code(tree) and _shallow(tree) for tree in trees.trees]
        groups = _Groups(book)
        for tree, fits in zip(trees.trees, tabulated, strict=True):
            if fits:
                for node, path in _groups(tree, tree.root, ()):
                    groups.add(tree, node, path)
        self._tables = groups.tables()
        self._code_type = np.uint8 if book.most <= BYTE_THRESHOLDS else np.uint16
        walked = [tree for tree, fits in zip(trees.trees, tabulated, strict=True) if not fits]
        self._paths, self._longest = _paths(walked)

    def predict(self, X: npt.ArrayLike) -> Floats:
        """The raw score (log-odds) of each row of X, whose columns are `feature_names`."""
        return self._run(self._checked(X), explained=False)[1]

    def predict_each(self, X: npt.ArrayLike, then: npt.ArrayLike) -> Floats:
        """The raw score of each row of X beside each of its rows of `then`: (n, m).

        X (n, p) holds the first features, `then` (n, m, rest) the others. The bits are those of
        `predict` on all n * m rows, but what X says alone is looked at once.
        """
        rows, later = (np.ascontiguousarray(part, np.float64) for part in (X, then))
        n, m, rest = later.shape
        self._check_columns((n, rows.shape[1] + rest))
        if self._paths.value.size:
            every = [np.repeat(rows, m, axis=0), later.reshape(n * m, rest)]
            return self.predict(np.concatenate(every, axis=1)).reshape(n, m)
        raw = np.zeros((n, m))
        if not raw.size:
            return raw
        block = min(max(BLOCK_SCORES // m, 1), n)

        def score(begin: int, end: int) -> None:
            sum_repeated(
                rows[begin:end],
                later[begin:end].reshape(-1, rest),
                self._tables,
                np.zeros((rows.shape[1], block), self._code_type),
                np.zeros((rest, block * m), self._code_type),
                np.zeros(block, np.uint16),
                np.zeros(block * m, np.uint16),
                raw[begin:end].reshape(-1),
            )

        _in_threads(score, n, block, least=-(-ROWS_PER_THREAD // m))
        return raw

    def explain(self, X: npt.ArrayLike) -> tuple[Floats, Floats]:
        """The contribution of each feature to each row's raw score, and the raw score."""
        return self._run(self._checked(X), explained=True)

    def _checked(self, X: npt.ArrayLike) -> Floats:
        rows = np.ascontiguousarray(X, np.float64)
        self._check_columns(rows.shape)
        return rows

    def _check_columns(self, shape: tuple[int, ...]) -> None:
        expected = len(self.feature_names)
        if len(shape) != 2 or shape[1] != expected:
            raise ValueError(f"X must have {expected} columns, got: shape {shape}")

    def _run(self, X: Floats, *, explained: bool) -> tuple[Floats, Floats]:
        rows, features = X.shape
        raw = np.zeros(rows)
        contributions = np.empty((rows, features if explained else 0))
        block = min(BLOCK_ROWS, rows)

        def run(begin: int, end: int) -> None:
            part, score, told = X[begin:end], raw[begin:end], contributions[begin:end]
            codes = np.zeros((features, block), self._code_type)
            sums = np.empty((features + 1, block + APART))
            patterns = np.zeros(block, np.uint16)
            sum_tables(part, self._tables, codes, sums, patterns, explained, score, told)
            if self._paths.value.size:
                sum_paths(part, self._paths, self._longest, explained, score, told)

        if rows:
            _in_threads(run, rows, block, least=ROWS_PER_THREAD)
        return contributions, raw


def _in_threads(run: Callable[[int, int], None], rows: int, block: int, *, least: int) -> None:
    """Call `run` on stretches of whole blocks of the rows, in threads where there are enough."""
    threads = min(THREADS, _cores(), max(rows // least, 1))
    if threads == 1:
        return run(0, rows)
    blocks = -(-rows // block)
    edges = [min(block * (blocks * at // threads), rows) for at in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, edges[:-1], edges[1:]))


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Thresholds:
    """Each feature's thresholds over all trees: a value's code is how many lie below it."""

    def __init__(self, trees: Trees) -> None:
        n = len(trees.feature_names)
        found: list[set[float]] = [set() for _ in range(n)]
        self.missing = np.zeros(n, np.int64)
        for tree in trees.trees:
            for feature, threshold, missing in zip(
                tree.feature.tolist(), tree.threshold.tolist(), tree.missing.tolist(), strict=True
            ):
                if not found[feature]:
                    self.missing[feature] = missing
                found[feature].add(threshold)
        self.by_feature = [np.array(sorted(thresholds)) for thresholds in found]
        self.most = max((len(t) for t in found), default=0)

    def can_code(self, tree: Tree) -> bool:
        """Whether the tree takes for missing what the others do, so that one code serves."""
        agrees = (tree.missing == self.missing[tree.feature]).all()
        return bool(agrees) and self.most <= WIDE_THRESHOLDS

    def code(self, tree: Tree, node: int) -> int:
        thresholds = self.by_feature[tree.feature[node]]
        return int(np.searchsorted(thresholds, tree.threshold[node]))


def _groups(
    tree: Tree, node: int, path: tuple[Step, ...]
) -> Iterator[tuple[int, tuple[Step, ...]]]:
    """The subtrees small enough to tabulate, with the way to each; they hold every leaf once."""
    features_above = len({int(tree.feature[split]) for split, _ in path})
    if node < 0 or features_above + len(_splits(tree, node)) <= GROUP_BITS:
        yield node, path
        return
    yield from _groups(tree, int(tree.left[node]), (*path, (node, True)))
    yield from _groups(tree, int(tree.right[node]), (*path, (node, False)))


def _splits(tree: Tree, node: int) -> list[int]:
    if node < 0:
        return []
    return [node, *_splits(tree, int(tree.left[node])), *_splits(tree, int(tree.right[node]))]


def _leaves(
    tree: Tree, node: int, path: tuple[Step, ...] = ()
) -> Iterator[tuple[int, tuple[Step, ...]]]:
    """The leaves below a node, left to right, each with the whole way to it."""
    if node < 0:
        yield ~node, path
        return
    yield from _leaves(tree, int(tree.left[node]), (*path, (node, True)))
    yield from _leaves(tree, int(tree.right[node]), (*path, (node, False)))


def _shallow(tree: Tree) -> bool:
    return all(
        len({int(tree.feature[split]) for split, _ in path}) <= DEEPEST_FEATURES
        for _, path in _leaves(tree, tree.root)
    )


def _zero_shares(tree: Tree, leaf: int, path: Sequence[Step]) -> dict[int, float]:
    """For each feature on the way to a leaf, the share of rows that its splits send that way."""
    shares: dict[int, float] = {}
    for at, (split, _) in enumerate(path):
        child = path[at + 1][0] if at + 1 < len(path) else ~leaf
        feature = int(tree.feature[split])
        shares[feature] = shares.get(feature, 1.0) * (tree.count(child) / tree.count(split))
    return shares


@dataclass
class _Groups:
    """The tables while they grow, one group after another, in the order of the trees."""

    book: _Thresholds
    bits: list[int] = field(default_factory=list)
    conditions: list[tuple[int, int, int, bool, bool]] = field(default_factory=list)
    conditions_from: list[int] = field(default_factory=lambda: [0])
    columns: list[int] = field(default_factory=list)
    columns_from: list[int] = field(default_factory=lambda: [0])
    scores: list[Floats] = field(default_factory=list)
    contributions: list[Floats] = field(default_factory=list)

    def add(self, tree: Tree, node: int, path: tuple[Step, ...]) -> None:
        """Tabulate the leaves below `node`.

        The conditions on the way share a bit for each feature, since only all of them together let
        a row through; each split below has its own.
        """
        path_bit: dict[int, int] = {}
        for split, left in path:
            bit = path_bit.setdefault(int(tree.feature[split]), len(path_bit))
            self._condition(tree, split, bit, inverted=not left)
        split_bit = {s: len(path_bit) + i for i, s in enumerate(_splits(tree, node))}
        for split, bit in split_bit.items():
            self._condition(tree, split, bit, inverted=False)

        patterns = np.arange(1 << (len(path_bit) + len(split_bit)))
        columns = sorted(path_bit.keys() | {int(tree.feature[s]) for s in split_bit})
        score = np.zeros(patterns.size)
        table = np.zeros((len(columns), patterns.size))
        for leaf, way in _leaves(tree, node, path):
            shares = _zero_shares(tree, leaf, way)
            needed, wanted = dict.fromkeys(shares, 0), dict.fromkeys(shares, 0)
            for split, left in way:
                feature = int(tree.feature[split])
                bit = 1 << split_bit.get(split, path_bit.get(feature, 0))
                needed[feature] |= bit
                wanted[feature] |= bit * (left or split not in split_bit)

            follows = np.zeros(patterns.size, np.int64)
            for at, feature in enumerate(shares):
                follows |= ((patterns & needed[feature]) == wanted[feature]).astype(np.int64) << at
            score[follows == (1 << len(shares)) - 1] = tree.leaf_value[leaf]
            by_feature = leaf_table(tree.leaf_value[leaf], np.array(list(shares.values()), float))
            for at, feature in enumerate(shares):
                table[columns.index(feature)] += by_feature[follows, at]

        self.bits.append(len(path_bit) + len(split_bit))
        self.conditions_from.append(len(self.conditions))
        self.columns.extend(columns)
        self.columns_from.append(len(self.columns))
        self.scores.append(score)
        self.contributions.append(table.ravel())

    def _condition(self, tree: Tree, split: int, bit: int, *, inverted: bool) -> None:
        feature, code = int(tree.feature[split]), self.book.code(tree, split)
        self.conditions.append((bit, feature, code, bool(tree.missing_left[split]), inverted))

    def tables(self) -> Tables:
        bit, feature, code, missing_left, inverted = (
            np.array(self.conditions, np.int64).reshape(-1, 5).T.copy()
        )
        wide = self.book.most > BYTE_THRESHOLDS
        return Tables(
            thresholds=_joined(self.book.by_feature),
            thresholds_from=_starts(self.book.by_feature),
            missing=self.book.missing,
            missing_code=0xFFFF if wide else 0xFF,
            bits=np.array(self.bits, np.int64),
            conditions_from=np.array(self.conditions_from, np.int64),
            columns_from=np.array(self.columns_from, np.int64),
            scores_from=_starts(self.scores),
            contributions_from=_starts(self.contributions),
            bit=bit,
            feature=feature,
            code=code,
            missing_left=missing_left,
            inverted=inverted.astype(np.bool_),
            columns=np.array(self.columns, np.int64),
            scores=_joined(self.scores),
            contributions=_joined(self.contributions),
        )


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate([np.zeros(0), *parts])


def _starts(parts: Sequence[Floats]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *(part.size for part in parts)], dtype=np.int64)


def _paths(trees: Sequence[Tree]) -> tuple[Paths, int]:
    """The leaves of these trees with their conditions, and the most features on the way to one."""
    values: list[float] = []
    slots: list[tuple[int, float]] = []
    conditions: list[tuple[float, int, bool, bool]] = []
    slots_from, conditions_from, longest = [0], [0], 0
    for tree in trees:
        for leaf, path in _leaves(tree, tree.root):
            shares = _zero_shares(tree, leaf, path)
            longest = max(longest, len(shares))
            for feature, share in shares.items():
                slots.append((feature, share))
                for split, left in path:
                    if tree.feature[split] == feature:
                        told = (
                            tree.threshold[split],
                            tree.missing[split],
                            tree.missing_left[split],
                        )
                        conditions.append((*told, left))
                conditions_from.append(len(conditions))
            values.append(float(tree.leaf_value[leaf]))
            slots_from.append(len(slots))
    by_slot = np.array(slots, float).reshape(-1, 2).T
    by_condition = np.array(conditions, float).reshape(-1, 4).T
    paths = Paths(
        value=np.array(values, float),
        slots_from=np.array(slots_from, np.int64),
        slot_feature=by_slot[0].astype(np.int64),
        slot_zero_share=by_slot[1].copy(),
        conditions_from=np.array(conditions_from, np.int64),
        threshold=by_condition[0].copy(),
        missing=by_condition[1].astype(np.int64),
        missing_left=by_condition[2].astype(np.bool_),
        goes_left=by_condition[3].astype(np.bool_),
    )
    return paths, longest
