"""Labels: what had become of an invoice by a day, told only where it is known for certain.

A label "still open at the end of day d" exists for a training cut-off T only if d < T, whether or
not the invoice has been paid. Keeping only what was paid before T, or calling open invoices on
time, halves the risk.
"""

import numpy as np
import numpy.typing as npt

from pipelines.ledger import NEVER
from pipelines.settlement import Settlement

Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def is_labelled(settlement: Settlement) -> Flags:
    """The invoices that can have a label: not cancelled by credit notes, and once open."""
    return ~settlement.cancelled & ~settlement.never_open


def is_matured(day: Days, *, cut_off: int) -> Flags:
    """Whether what was still open at the end of each day was known before the cut-off."""
    return day < cut_off


def still_open(settlement: Settlement, invoice: Rows, day: Days) -> Flags:
    """Whether each invoice was still open at the end of its day.

    The settlement must be of what was known before the cut-off (`Ledger.known_before`).
    """
    return settlement.settled_day[invoice] > day


def days_late(settlement: Settlement) -> npt.NDArray[np.float64]:
    """settled_day minus the business due date for each invoice, NaN while it is open."""
    late = (settlement.settled_day - settlement.due_day).astype(np.float64)
    late[settlement.settled_day == NEVER] = np.nan
    return late
