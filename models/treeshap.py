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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from models.four_by_four import SIDE
from models.tree_tables import BYTE_THRESHOLDS, Groups, Thresholds, groups_of, leaves, paths_of
from models.trees import Tree, Trees
from models.treeshap_kernels import (
    BLOCK_ROWS,
    BLOCK_SCORES,
    sum_few,
    sum_paths,
    sum_repeated,
    sum_tables,
)

DEEPEST_FEATURES = 12  # on the way to a leaf; beyond, its table alone has 4,096 rows
FEW_ROWS = 8  # a block of so few costs more than each row by itself
THREADS = 2  # more would wait for memory
APART = 8  # a power of two between the sums of two features would put all in the same cache lines
ROWS_PER_THREAD = 4096  # some milliseconds of work: fewer are not worth starting a thread

Floats = npt.NDArray[np.float64]


class TabulatedTrees:
    """A model's trees, ready to score and explain any number of rows.

    `explain` gives contributions that with `base` add up to the raw score.
    """

    def __init__(self, trees: Trees) -> None:
        self.feature_names = trees.feature_names
        self.base = float(sum(tree.mean for tree in trees.trees))

        book = Thresholds(trees)
        tabulated = [book.can_code(tree) and _shallow(tree) for tree in trees.trees]
        groups = Groups(book)
        for tree, fits in zip(trees.trees, tabulated, strict=True):
            if fits:
                for node, path in groups_of(tree, tree.root, ()):
                    groups.add(tree, node, path)
        self._tables = groups.tables()
        self._code_type = np.uint8 if book.most <= BYTE_THRESHOLDS else np.uint16
        walked = [tree for tree, fits in zip(trees.trees, tabulated, strict=True) if not fits]
        self._paths, self._longest = paths_of(walked)

    def predict(self, X: npt.ArrayLike) -> Floats:
        """The raw score (log-odds) of each row of X, whose columns are `feature_names`."""
        rows = self._checked(X)
        return self._run(rows, np.empty((len(rows), 0)))

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
        rows = self._checked(X)
        contributions = np.empty(rows.shape)
        return contributions, self._run(rows, contributions)

    def _checked(self, X: npt.ArrayLike) -> Floats:
        rows = np.ascontiguousarray(X, np.float64)
        self._check_columns(rows.shape)
        return rows

    def _check_columns(self, shape: tuple[int, ...]) -> None:
        expected = len(self.feature_names)
        if len(shape) != 2 or shape[1] != expected:
            raise ValueError(f"X must have {expected} columns, got: shape {shape}")

    def _run(self, X: Floats, contributions: Floats) -> Floats:
        """The raw scores; `contributions` is filled unless it has no columns."""
        rows, features = X.shape
        explained = contributions.shape[1] > 0
        raw = np.zeros(rows)
        block = min(BLOCK_ROWS, rows + -rows % SIDE)

        def run(begin: int, end: int) -> None:
            part, score, told = X[begin:end], raw[begin:end], contributions[begin:end]
            if rows <= FEW_ROWS:
                sum_few(part, self._tables, explained, score, told)
            else:
                codes = np.zeros((features, block), self._code_type)
                sums = np.empty((features + 2, block + APART))  # and the raw score, and a spare
                patterns = np.zeros(block, np.uint16)
                sum_tables(part, self._tables, codes, sums, patterns, explained, score, told)
            if self._paths.value.size:
                sum_paths(part, self._paths, self._longest, explained, score, told)

        if rows:
            _in_threads(run, rows, block, least=ROWS_PER_THREAD)
        return raw


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


def _shallow(tree: Tree) -> bool:
    return all(
        len({int(tree.feature[split]) for split, _ in path}) <= DEEPEST_FEATURES
        for _, path in leaves(tree, tree.root)
    )
