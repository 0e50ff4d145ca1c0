"""A model's trees as tables: built once, for the loops of `models/treeshap_kernels.py`.

A tree is cut into groups of leaves that depend on at most eight conditions; a group's table has a
row for each pattern of conditions that hold. Trees that have no tables keep their leaves' paths.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from models.four_by_four import SIDE
from models.trees import Tree, Trees
from models.treeshap_kernels import Failing, Paths, Tables, leaf_table

GROUP_BITS = 8  # conditions in a pattern: a table of 256 rows
BYTE_THRESHOLDS = 254  # a byte holds 0..254 for values and 255 for missing
WIDE_THRESHOLDS = 65534  # and two bytes as much again

Floats = npt.NDArray[np.float64]
Step = tuple[int, bool]  # a split, and whether the path goes left there


class Thresholds:
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


def groups_of(
    tree: Tree, node: int, path: tuple[Step, ...]
) -> Iterator[tuple[int, tuple[Step, ...]]]:
    """The subtrees small enough to tabulate, with the way to each; they hold every leaf once."""
    features_above = len({int(tree.feature[split]) for split, _ in path})
    if node < 0 or features_above + len(_splits(tree, node)) <= GROUP_BITS:
        yield node, path
        return
    yield from groups_of(tree, int(tree.left[node]), (*path, (node, True)))
    yield from groups_of(tree, int(tree.right[node]), (*path, (node, False)))


def _splits(tree: Tree, node: int) -> list[int]:
    if node < 0:
        return []
    return [node, *_splits(tree, int(tree.left[node])), *_splits(tree, int(tree.right[node]))]


def leaves(
    tree: Tree, node: int, path: tuple[Step, ...] = ()
) -> Iterator[tuple[int, tuple[Step, ...]]]:
    """The leaves below a node, left to right, each with the whole way to it."""
    if node < 0:
        yield ~node, path
        return
    yield from leaves(tree, int(tree.left[node]), (*path, (node, True)))
    yield from leaves(tree, int(tree.right[node]), (*path, (node, False)))


def _zero_shares(tree: Tree, leaf: int, path: Sequence[Step]) -> dict[int, float]:
    """For each feature on the way to a leaf, the share of rows that its splits send that way."""
    shares: dict[int, float] = {}
    for at, (split, _) in enumerate(path):
        child = path[at + 1][0] if at + 1 < len(path) else ~leaf
        feature = int(tree.feature[split])
        shares[feature] = shares.get(feature, 1.0) * (tree.count(child) / tree.count(split))
    return shares


@dataclass
class Groups:
    """The tables while they grow, one group after another, in the order of the trees."""

    book: Thresholds
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
        for leaf, way in leaves(tree, node, path):
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
        raw_score = len(self.book.by_feature)
        filling = -(len(columns) + 1) % SIDE
        self.columns.extend([*columns, raw_score, *[raw_score + 1] * filling])
        self.columns_from.append(len(self.columns))
        self.scores.append(score)
        by_pattern = np.column_stack([*table, score, *np.zeros((filling, patterns.size))])
        self.contributions.append(by_pattern.ravel())

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
            bit=bit.astype(np.uint8),
            feature=feature.astype(np.int32),
            code=code.astype(np.uint16),
            missing_left=missing_left.astype(np.uint8),
            inverted=inverted.astype(np.bool_),
            columns=np.array(self.columns, np.int64),
            scores=_joined(self.scores),
            contributions=_joined(self.contributions),
            failing=self._failing(),
        )

    def _failing(self) -> Failing:
        """For each code of each feature its failing conditions, as stretches of sorted lists.

        A condition that wants the row to go left fails above its threshold, and one that wants it
        to go right below: of the first, in order, the first so many fail, and of the second, in
        descending order, too. A third list holds those that fail on a missing value.
        """
        bit, feature, code, missing_left, inverted = (
            np.array(self.conditions, np.int64).reshape(-1, 5).T
        )
        group = np.repeat(np.arange(len(self.bits)), np.diff(self.conditions_from))
        beyond = WIDE_THRESHOLDS + 2  # more than any code
        upward, downward = feature * beyond + code, feature * beyond + beyond - 1 - code

        def listed(chosen: npt.NDArray[np.bool_], key: npt.NDArray[np.int64]) -> tuple[Any, Any]:
            order = np.flatnonzero(chosen)
            order = order[np.argsort(key[order], kind="stable")]
            return order, key[order]

        left, left_key = listed(inverted == 0, upward)
        right, right_key = listed(inverted == 1, downward)
        lost, lost_key = listed(missing_left == inverted, feature * beyond)
        order = np.concatenate([left, right, lost])

        codes = np.array([len(thresholds) + 2 for thresholds in self.book.by_feature])
        codes_from = np.cumsum([0, *codes], dtype=np.int64)
        of = np.repeat(np.arange(len(codes)), codes)
        at = np.arange(len(of)) - codes_from[of]
        base, after = of * beyond, len(left)
        bounds = np.column_stack(
            [
                np.searchsorted(left_key, base),
                np.searchsorted(left_key, base + at),
                after + np.searchsorted(right_key, base),
                after + np.searchsorted(right_key, base + beyond - 1 - at, side="right"),
            ]
        ).astype(np.int64)
        missing = codes_from[1:] - 1
        after += len(right)
        bounds[missing] = 0
        bounds[missing, 0] = after + np.searchsorted(lost_key, base[missing])
        bounds[missing, 1] = after + np.searchsorted(lost_key, base[missing], side="right")
        keep = (0xFFFF ^ (1 << bit[order])).astype(np.uint16)
        return Failing(codes_from, bounds, group[order].astype(np.int64), keep)


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate([np.zeros(0), *parts])


def _starts(parts: Sequence[Floats]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *(part.size for part in parts)], dtype=np.int64)


def paths_of(trees: Sequence[Tree]) -> tuple[Paths, int]:
    """The leaves of these trees with their conditions, and the most features on the way to one."""
    values: list[float] = []
    slots: list[tuple[int, float]] = []
    conditions: list[tuple[float, int, bool, bool]] = []
    slots_from, conditions_from, longest = [0], [0], 0
    for tree in trees:
        for leaf, path in leaves(tree, tree.root):
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
