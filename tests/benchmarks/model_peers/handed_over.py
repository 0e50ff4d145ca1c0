"""What a peer is given and hands back: rows to learn from, rows to answer, its probabilities.

A peer's script needs nothing of Puntuale but these files of NumPy arrays.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Days = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

LEARNED, ASKED, ANSWERS = "learned.npz", "asked.npz", "answers.npz"
HORIZONS = (0, 30, 60, 90)
MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Rows:
    """Open invoices, each as of its own day; `then` is what lies between it and each horizon."""

    features: Floats  # (n, p), NaN where missing
    then: Floats  # (n, horizons, 8): days ahead, paydays ahead, the customer's curve, ...
    as_of: Days
    due_day: Days
    customer: Days
    came: Floats  # (n, horizons): 1 still open, 0 not, NaN where it is not known or not asked
    lasted: Days  # days from as_of to the settlement, or to the last day that is known
    settled: Flags

    def __len__(self) -> int:
        return len(self.as_of)

    def take(self, rows: npt.NDArray[np.int64]) -> "Rows":
        return Rows(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    @property
    def ahead(self) -> Days:
        """Days from as_of to each horizon: (n, horizons), negative where it has passed."""
        days: Days = (self.due_day - self.as_of)[:, None] + np.array(HORIZONS, np.int32)
        return days

    def at(self, horizon: int) -> Floats:
        """All columns for one horizon (by its place): what our trees read of the same question."""
        return np.column_stack([self.features, self.then[:, horizon]])

    @property
    def at_all(self) -> Floats:
        """All columns for every horizon at once, for those that learn a whole curve."""
        return np.column_stack([self.features, self.then.reshape(len(self), -1)])

    def save(self, path: Path) -> None:
        np.savez(path, **{name: getattr(self, name) for name in self.__dataclass_fields__})

    @classmethod
    def load(cls, path: Path) -> "Rows":
        with np.load(path) as held:
            return cls(**dict(held))


@dataclass(frozen=True)
class Answered:
    """A peer's probabilities, and what they cost."""

    p: Floats  # (n, horizons); passed horizons are not asked
    cpu_s: float  # of fitting, the choice of rounds with it
    rows: int  # the most it learned from for one horizon
    note: str = ""


Peer = Callable[[Rows, Rows, int], Answered]  # learned, asked, cut-off


def main(peer: Peer) -> None:
    """Read a folder, learn from a sample of at most so many rows, answer into the same folder."""
    asked = argparse.ArgumentParser()
    asked.add_argument("folder", type=Path)
    asked.add_argument("--cut-off", type=int, required=True)
    asked.add_argument("--rows", type=int, default=MOST_ROWS)
    asked.add_argument("--answers", type=Path, required=True)
    options = asked.parse_args()
    learned, questions = (Rows.load(options.folder / name) for name in (LEARNED, ASKED))
    some = np.random.default_rng(0).permutation(len(learned))[: options.rows]
    said = peer(learned.take(np.sort(some)), questions, options.cut_off)
    whole = options.answers.with_name(f"part-{options.answers.name}")
    np.savez(whole, p=said.p, cpu_s=said.cpu_s, rows=said.rows, note=said.note)
    whole.rename(options.answers)  # what is half written must not be read
