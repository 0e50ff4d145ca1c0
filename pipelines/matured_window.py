"""The last window whose outcomes are all known: what a model is judged on before it may answer.

A window begins on an origin. Judged are the invoices issued in the 30 days that follow, each as of
its issue, and the portfolio, all that is open on the origin; 90 days later the outcomes are known.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from models.horizons import HORIZONS_DAYS
from models.late_payment import LatePaymentModel
from pipelines import labels, snapshots
from pipelines.features import Peers
from pipelines.job import day_number
from pipelines.ledger import Ledger
from pipelines.settlement import is_open

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

ISSUED_DAYS = 30
MATURING_DAYS = max(HORIZONS_DAYS)


def begin(cut_off: date) -> date:
    """The origin of the last window that has matured by the cut-off."""
    return cut_off - timedelta(days=ISSUED_DAYS + MATURING_DAYS)


@dataclass(frozen=True)
class Window:
    """The invoices that are judged, each as of its own day, and what became of them."""

    prepared: snapshots.Prepared
    invoice: Rows
    as_of: Days
    tests: npt.NDArray[np.str_]  # "issue" or "portfolio"
    outcomes: Floats  # (n, horizons): 1 still open, 0 not, NaN already past or not matured

    def said_by(self, model: LatePaymentModel, *, curve_alone: bool = False) -> Floats:
        """The model's probabilities at every horizon, or its customer curve's."""
        peers = Peers.from_columns(model.peers)
        taken = snapshots.take(self.prepared, self.invoice, self.as_of, peers=peers)
        predict = model.customer_curve if curve_alone else model.predict_curve
        return predict(taken, _days_ahead(taken.due_day, self.as_of))


def of(ledger: Ledger, *, cut_off: date) -> Window:
    """The last window that has matured by the cut-off, with its outcomes."""
    end, origin = day_number(cut_off), day_number(begin(cut_off))
    prepared = snapshots.prepare(ledger.known_before(end))
    settlement = prepared.settlement

    issued = (settlement.issue_day >= origin) & (settlement.issue_day < origin + ISSUED_DAYS)
    at_issue = np.flatnonzero(issued & (settlement.settled_day >= settlement.issue_day))
    portfolio = np.flatnonzero(is_open(settlement, origin))
    invoice = np.concatenate([at_issue, portfolio]).astype(np.int64)
    as_of = np.concatenate(
        [settlement.issue_day[at_issue], np.full(len(portfolio), origin, np.int32)]
    ).astype(np.int32)
    tests = np.repeat(["issue", "portfolio"], [len(at_issue), len(portfolio)])

    due = settlement.due_day[invoice]
    target = due[:, None] + np.array(HORIZONS_DAYS, np.int32)
    told = labels.is_matured(target, cut_off=end) & (as_of[:, None] <= target)
    told &= labels.is_labelled(settlement)[invoice][:, None]
    still_open = np.column_stack(
        [labels.still_open(settlement, invoice, target[:, h]) for h in range(target.shape[1])]
    )
    outcomes = np.where(told, still_open.astype(float), np.nan)
    return Window(prepared, invoice, as_of, tests, outcomes)


def _days_ahead(due_day: Days, as_of: Days) -> Days:
    ahead = due_day[:, None] + np.array(HORIZONS_DAYS, np.int32) - as_of[:, None]
    return ahead.astype(np.int32)
