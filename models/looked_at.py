"""Looked at: what a model's trees look at and how reliable it was, kept with it to be drawn later.

The figures are those of the model's own golden rows; whoever draws them needs no model and no
library of pictures.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from models.late_payment import LatePaymentModel
from models.metrics import Bin, Floats

COLUMNS_KEPT = 12  # more are too small to see
DIGITS = 5  # of a value that becomes a dot


@dataclass(frozen=True)
class Explained:
    """Some rows of what the trees read, and what each value contributes to their log-odds."""

    names: tuple[str, ...]
    values: Floats
    contributions: Floats

    def largest(self, count: int) -> list[int]:
        """The columns that contribute most on average."""
        mean = np.abs(self.contributions).sum(axis=0) / max(len(self.values), 1)
        order = np.argsort(-mean, kind="stable")
        return [int(at) for at in order[:count] if mean[at] > 0]


def explained(model: LatePaymentModel) -> Explained:
    """The model's own golden rows, explained."""
    names = model.trees.feature_names
    if model.golden is None:
        return Explained(names, np.zeros((0, len(names))), np.zeros((0, len(names))))
    values = np.column_stack([model.golden[name].to_numpy() for name in names]).astype(np.float64)
    pushed = np.asarray(model.trees.explain(values)[0], np.float64)
    return Explained(names, values, pushed)


@dataclass(frozen=True)
class Column:
    """One column that the trees read: its value in some rows (NaN: missing) and its push."""

    name: str
    values: Floats
    contributions: Floats

    @property
    def mean_push(self) -> float:
        """How far it moves the log-odds on average, either way."""
        return float(np.abs(self.contributions).mean())

    @property
    def direction(self) -> int:
        """1 where higher values mean later, -1 where sooner, 0 where it depends."""
        known = ~np.isnan(self.values)
        pushed, value = _ranks(self.contributions[known]), _ranks(self.values[known])
        if not known.any() or not pushed.std() or not value.std():
            return 0
        together = float(np.corrcoef(value, pushed)[0, 1])
        return int(np.sign(together)) if abs(together) >= CLEAR else 0


CLEAR = 0.5  # a rank correlation below it is not told as a direction


def _ranks(values: Floats) -> Floats:
    """The place of each value among them; equal ones share theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], np.float64)


@dataclass(frozen=True)
class LookedAt:
    """The columns that move the trees most, and what was said against what came, by horizon."""

    columns: tuple[Column, ...]
    reliability: Mapping[str, Sequence[Bin]]


def kept(told: Explained, reliability: Mapping[str, Sequence[Bin]]) -> LookedAt:
    """What is worth keeping of the explained rows."""
    columns = [
        Column(told.names[at], told.values[:, at], told.contributions[:, at])
        for at in told.largest(COLUMNS_KEPT)
    ]
    return LookedAt(tuple(columns), reliability)


def text(looked_at: LookedAt) -> str:
    """As it is kept: JSON, with null for what is missing."""
    fields = {
        "columns": [
            {
                "name": column.name,
                "values": _numbers(column.values),
                "contributions": _numbers(column.contributions),
            }
            for column in looked_at.columns
        ],
        "reliability": {
            name: [asdict(group) for group in groups]
            for name, groups in looked_at.reliability.items()
        },
    }
    return json.dumps(fields, allow_nan=False, separators=(",", ":")) + "\n"


def parse(kept: str) -> LookedAt:
    """What `text` wrote."""
    fields = json.loads(kept)
    return LookedAt(
        tuple(
            Column(
                column["name"],
                np.array(column["values"], np.float64),
                np.array(column["contributions"], np.float64),
            )
            for column in fields["columns"]
        ),
        {
            name: [Bin(**group) for group in groups]
            for name, groups in fields["reliability"].items()
        },
    )


def _numbers(values: Floats) -> list[float | None]:
    return [None if np.isnan(v) else float(f"{v:.{DIGITS}g}") for v in values.tolist()]
