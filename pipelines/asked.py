"""What is asked of the model at once: some invoices of a ledger, as of one day."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models.late_payment import Snapshots
from pipelines import features
from pipelines.features import Peers
from pipelines.landmarks import Prepared

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Looked:
    """What the model looks at, of one block of invoices."""

    taken: Snapshots

    @property
    def age(self) -> Days:
        """Days past due (negative before)."""
        return self.taken.as_of - self.taken.due_day

    @cached_property
    def columns(self) -> dict[str, Floats]:
        """The feature book's columns by name."""
        return {name: self.taken.features[:, at] for at, name in enumerate(features.BOOK)}


@dataclass(frozen=True)
class Asked(Looked):
    """One block of invoices as of a day, with the ledger that they are of."""

    prepared: Prepared
    invoice: Rows  # rows in the ledger
    as_of: int
    peers: Peers
