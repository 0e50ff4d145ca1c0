"""The last window whose outcomes are known: what a model is judged on before it may answer.

A window is an origin of the back-test, early enough that the invoices issued after it have fallen
due and had the longest horizon to be paid.
"""

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.horizons import HORIZONS_DAYS
from pipelines import labels
from pipelines.backtest import ISSUE_DAYS
from pipelines.job import day_number
from pipelines.ledger import Ledger, days, rows_of
from pipelines.settlement import settle

Floats = npt.NDArray[np.float64]

USUAL_TERMS_DAYS = 30  # invoices on longer terms are judged on the nearer horizons only
DAYS = ISSUE_DAYS + USUAL_TERMS_DAYS + max(HORIZONS_DAYS)


def begin(cut_off: date) -> date:
    """The origin of the last window that has matured by the cut-off."""
    return cut_off - timedelta(days=DAYS)


def outcomes(ledger: Ledger, predictions: pa.Table, *, cut_off: date) -> Floats:
    """What became of each predicted row at each horizon: 1 still open, 0 not, NaN not to be told.

    Not told are days that had passed when the prediction was made, days that the cut-off has not
    reached, and invoices that have no label.
    """
    end = day_number(cut_off)
    known = ledger.known_before(end)
    settlement = settle(known)
    invoice = rows_of(predictions["invoice_id"], among=known.invoices["invoice_id"])
    as_of = days(predictions["as_of"])

    by_horizon = []
    for horizon in HORIZONS_DAYS:
        target = (settlement.due_day[invoice] + horizon).astype(np.int32)
        told = labels.is_matured(target, cut_off=end) & (target >= as_of)
        told &= labels.is_labelled(settlement)[invoice]
        by_horizon.append(np.where(told, labels.still_open(settlement, invoice, target), np.nan))
    return np.column_stack(by_horizon)
