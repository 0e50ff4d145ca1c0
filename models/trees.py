"""The trees of a LightGBM model, read from its text and checked before anything walks them.

LightGBM's own parser aborts the process on a damaged file; this one raises `ModelFileError`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", int, float)

MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2  # what LightGBM takes for missing at a split


class ModelFileError(ValueError):
    """The model's text is damaged, or asks for something that we do not read."""


@dataclass(frozen=True)
class Tree:
    """One tree: arrays by split and by leaf; a child below zero is the leaf `~child`."""

    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float64]
    missing: npt.NDArray[np.int64]
    missing_left: npt.NDArray[np.bool_]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    split_count: npt.NDArray[np.int64]
    leaf_value: npt.NDArray[np.float64]
    leaf_count: npt.NDArray[np.int64]

    @property
    def root(self) -> int:
        return 0 if self.feature.size else ~0

    @property
    def mean(self) -> float:
        """The leaves' average over the training rows: what the tree says of an unknown row."""
        if self.leaf_value.size == 1:
            return float(self.leaf_value[0])
        return math.fsum(self.leaf_value * (self.leaf_count / self.split_count[0]))

    def count(self, node: int) -> int:
        """How many training rows reached this split or leaf."""
        return int(self.split_count[node] if node >= 0 else self.leaf_count[~node])


@dataclass(frozen=True)
class Trees:
    """A model's trees, whose values add up to the raw score, and the names of what they read."""

    feature_names: tuple[str, ...]
    objective: str
    trees: tuple[Tree, ...]


def parse(text: str) -> Trees:
    """The trees written in a LightGBM model text.

    Raises ModelFileError, naming the tree and the line, for anything cut, contradictory or not
    supported (categorical splits, linear trees, several classes, averaged forests).
    """
    body, end, _ = text.partition("\nend of trees")
    if not end:
        raise ModelFileError(
            "model text must contain 'end of trees': it is cut or not a LightGBM model"
        )
    head, *blocks = body.split("\nTree=")
    header = _Lines("header", head)
    if not head.startswith("tree\n") or header.text("version") not in ("v3", "v4"):
        raise ModelFileError("model text must start with 'tree' and a version v3 or v4")
    for name in ("num_class", "num_tree_per_iteration"):
        if header.text(name) != "1":
            raise ModelFileError(f"{name} must be 1, got: {header.text(name)}")
    if "average_output" in head.split("\n"):
        raise ModelFileError("averaged trees (random forests) are not supported")

    names = tuple(header.text("feature_names").split(" "))
    if len(names) != header.whole("max_feature_idx") + 1:
        raise ModelFileError(
            f"feature_names must be {header.whole('max_feature_idx') + 1} names, got: {len(names)}"
        )
    announced = len(header.text("tree_sizes").split())
    if len(blocks) != announced:
        raise ModelFileError(f"tree_sizes announces {announced} trees, got: {len(blocks)}")
    trees = tuple(_tree(i, block, len(names)) for i, block in enumerate(blocks))
    return Trees(names, header.text("objective"), trees)


class _Lines:
    """The `name=value` lines of one block, asked for by name."""

    def __init__(self, where: str, block: str) -> None:
        self.where = where
        pairs = [line.partition("=")[::2] for line in block.split("\n") if "=" in line]
        self.values = dict(pairs)
        if len(self.values) != len(pairs):
            raise ModelFileError(f"{where}: the same line is written twice")

    def text(self, name: str) -> str:
        try:
            return self.values[name].strip()
        except KeyError:
            raise ModelFileError(f"{self.where}: the line {name}= is missing") from None

    def whole(self, name: str) -> int:
        return self._numbers(name, 1, int)[0]

    def wholes(self, name: str, length: int) -> npt.NDArray[np.int64]:
        return np.array(self._numbers(name, length, int), np.int64)

    def floats(self, name: str, length: int) -> npt.NDArray[np.float64]:
        values = np.array(self._numbers(name, length, float), np.float64)
        if np.isnan(values).any():
            raise ModelFileError(f"{self.where}: {name} must not be NaN")
        return values

    def _numbers(self, name: str, length: int, kind: Callable[[str], Number]) -> Sequence[Number]:
        words = self.text(name).split()
        if len(words) != length:
            raise ModelFileError(
                f"{self.where}: {name} must hold {length} values, got: {len(words)}"
            )
        try:
            return [kind(word) for word in words]
        except ValueError as fault:
            raise ModelFileError(f"{self.where}: {name} must be numbers: {fault}") from None


def _tree(index: int, block: str, n_features: int) -> Tree:
    number, _, block = block.partition("\n")
    if number != str(index):
        raise ModelFileError(
            f"trees must be numbered in order: expected {index}, got: {number[:20]}"
        )
    lines = _Lines(f"tree {index}", block)
    if lines.whole("num_cat") != 0:
        raise ModelFileError(f"tree {index}: categorical splits are not supported")
    if lines.whole("is_linear") != 0:
        raise ModelFileError(f"tree {index}: linear trees are not supported")

    leaves = lines.whole("num_leaves")
    if not 1 <= leaves <= 1 << 16:
        raise ModelFileError(f"tree {index}: num_leaves must be from 1 to 65536, got: {leaves}")
    splits = leaves - 1
    if splits == 0:  # a constant: LightGBM leaves the other lines empty or away
        none = np.zeros(0, np.int64)
        value = lines.floats("leaf_value", 1)
        tree = Tree(
            none, np.zeros(0), none, none > 0, none, none, none, value, np.ones(1, np.int64)
        )
    else:
        kinds = lines.wholes("decision_type", splits)
        tree = Tree(
            feature=lines.wholes("split_feature", splits),
            threshold=lines.floats("threshold", splits),
            missing=kinds >> 2,
            missing_left=(kinds & 2) > 0,
            left=lines.wholes("left_child", splits),
            right=lines.wholes("right_child", splits),
            split_count=lines.wholes("internal_count", splits),
            leaf_value=lines.floats("leaf_value", leaves),
            leaf_count=lines.wholes("leaf_count", leaves),
        )
        if ((kinds & 1) > 0).any() or not np.isin(tree.missing, (0, 1, 2)).all():
            raise ModelFileError(f"tree {index}: decision_type must be a numerical split")
    if faults := _faults(tree, n_features):
        raise ModelFileError(f"tree {index}: {'; '.join(faults)}")
    return tree


def _faults(tree: Tree, n_features: int) -> list[str]:
    """What makes the arrays something other than one tree over the model's features."""
    faults = []
    if not np.isfinite(tree.leaf_value).all():
        faults.append("leaf_value must be finite")
    if ((tree.feature < 0) | (tree.feature >= n_features)).any():
        faults.append(f"split_feature must be from 0 to {n_features - 1}")
    if (tree.leaf_count < 1).any():
        faults.append("leaf_count must be at least 1")

    children = np.concatenate([tree.left, tree.right])
    splits = np.sort(children[children >= 0])
    leaves = np.sort(~children[children < 0])
    n = tree.feature.size
    # Each split but the root and each leaf is the child of exactly one split, and a child split
    # comes after its parent, as LightGBM numbers them: so there is no cycle and nothing is out of
    # reach.
    if n and not (
        np.array_equal(splits, np.arange(1, n)) and np.array_equal(leaves, np.arange(n + 1))
    ):
        return [
            *faults,
            "left_child and right_child must name every other split and every leaf once",
        ]
    if any(0 <= child <= parent % n for parent, child in enumerate(children)):
        return [*faults, "a split must come after its parent"]
    below = [tree.count(a) + tree.count(b) for a, b in zip(tree.left, tree.right, strict=True)]
    if not np.array_equal(tree.split_count, below):
        faults.append("internal_count must be the sum of the counts below it")
    return faults
