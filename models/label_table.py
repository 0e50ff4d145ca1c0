"""Matured labels as trees read them: a table that is learned from here, or in parts elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.blend import Window

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

NO_DAY = 2**31 - 1  # later than any: the first of none


@dataclass(frozen=True)
class LabelTable:
    """One row a label; columns of the same length."""

    stacked: npt.NDArray[np.float32]  # what the trees read; the cohort's logit comes last
    curve: Floats  # the customer's probability
    still_open: Flags
    customer: npt.NDArray[np.int32]
    as_of: Days  # of its snapshot
    target_day: Days
    past_due: Days  # on the target day
    weight: Floats | None = None

    def __len__(self) -> int:
        return len(self.still_open)

    def before(self, day: int) -> Flags:
        """Those that had matured before a day."""
        return self.target_day < day

    def since(self, day: int) -> Flags:
        """Those whose snapshots were taken on a day or after it."""
        return self.as_of >= day

    def take(self, rows: Rows | Flags) -> "LabelTable":
        """Some of the rows."""
        return LabelTable(**{name: column[rows] for name, column in self.columns().items()})

    def window(self, raw: Floats) -> Window:
        """The rows as a window to judge trees on, of which they have said `raw`."""
        return Window(
            raw=raw,
            curve=self.curve,
            cohort_logit=self.stacked[:, -1].astype(np.float64),
            still_open=self.still_open,
            customer=self.customer,
            past_due=self.past_due,
        )

    def columns(self) -> dict[str, np.ndarray]:
        """The columns that are there."""
        told = {column.name: getattr(self, column.name) for column in fields(self)}
        return {name: column for name, column in told.items() if column is not None}

    def save(self, folder: Path) -> None:
        """Write each column to a file of its own, in an existing folder."""
        for name, column in self.columns().items():
            np.save(folder / f"{name}.npy", column, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "LabelTable":
        """The table that `save` wrote; the wide column stays on the disk until it is read."""
        there = {path.stem: path for path in folder.glob("*.npy")}
        return cls(
            **{
                name: np.load(path, mmap_mode="r" if name == "stacked" else None)
                for name, path in there.items()
            }
        )


@dataclass(frozen=True)
class Totals:
    """What has to be known of all labels before anything is learned from them."""

    snapshots: int
    labels: int
    late: int
    first_as_of: int  # of the snapshots, as is what follows
    first_due: int
    last_due: int
    curve_logit: float  # of the labels, added up

    @classmethod
    def together(cls, parts: Sequence["Totals"]) -> "Totals":
        """The totals of labels in several parts."""
        return cls(
            snapshots=sum(part.snapshots for part in parts),
            labels=sum(part.labels for part in parts),
            late=sum(part.late for part in parts),
            first_as_of=min(part.first_as_of for part in parts),
            first_due=min(part.first_due for part in parts),
            last_due=max(part.last_due for part in parts),
            curve_logit=sum(part.curve_logit for part in parts),
        )
