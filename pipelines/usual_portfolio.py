"""What the portfolio usually looks like: kept with the model, for later nights to compare with.

The invoices open on a dozen days of the year before the cut-off, and how many of those that fell
due in it were paid late. How much those days and quarters differ among themselves is kept too: it
is what a ledger does by nature, and no drift.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models import drift
from models.drift import Reference
from models.horizons import HORIZONS_DAYS, column
from pipelines import dataset, features, input_drift, labels, landmarks
from pipelines.features import Peers
from pipelines.ledger import Ledger
from pipelines.settlement import Settlement

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

DAYS, EVERY_DAYS = 12, 30  # how many days are looked at, and how far apart
YEAR_DAYS, QUARTER_DAYS = 365, 91
LEAST_GAIN = 0.005  # of all that the trees gain: the drift of other features changes no answer
LEAST_ROWS = 200  # a share of fewer comes and goes
# These grow as a ledger does, or follow the calendar: tonight's differ from last year's by nature.
NOT_WATCHED = frozenset(
    "tenure_days n_invoices n_settled due_dow due_dom due_month due_month_end "
    "due_rolled_days".split()
)


def learn(
    ledger: Ledger, *, cut_off: int, peers: Peers, gains: Mapping[str, float]
) -> dict[str, Any]:
    """The usual spread of each feature that matters, and the usual share paid late."""
    prepared = landmarks.prepare(ledger.known_before(cut_off))
    first = dataset.observed_from(prepared) + dataset.WARM_UP_DAYS
    days = [day for i in range(DAYS) if (day := cut_off - EVERY_DAYS * i) > first]
    looked = [input_drift.look(prepared, day, peers) for day in days]
    by_day = [seen.features for seen in looked if len(seen)]
    return {
        "features": _spread(by_day, gains) if by_day else {},
        "rates": rates(prepared.settlement, begin=cut_off - YEAR_DAYS, end=cut_off),
    }


def _spread(by_day: list[Floats], gains: Mapping[str, float]) -> dict[str, Any]:
    together = np.concatenate(by_day)
    total = sum(gains.values()) or 1.0
    spread = {}
    for at, name in enumerate(features.BOOK):
        if name in NOT_WATCHED or gains.get(name, 0.0) < LEAST_GAIN * total:
            continue
        usual = Reference.of(together[:, at])
        apart = [drift.stability(usual, day[:, at]) for day in by_day if len(day) >= LEAST_ROWS]
        spread[name] = {**usual.as_facts(), "apart": round(max(apart, default=0.0), 4)}
    return spread


def rates(settlement: Settlement, *, begin: int, end: int) -> dict[str, dict[str, float]]:
    """The share still open at each horizon, and the most that a quarter differs from it."""
    told = {}
    for horizon in HORIZONS_DAYS:
        invoice, late = reached(settlement, horizon, begin=begin, end=end)
        if len(invoice) < LEAST_ROWS:
            continue
        quarter = (end - 1 - settlement.due_day[invoice] - horizon) // QUARTER_DAYS
        shares = [late[quarter == q].mean() for q in range(4) if (quarter == q).sum() >= LEAST_ROWS]
        apart = max((abs(share - late.mean()) for share in shares), default=0.0)
        told[column(horizon)] = {
            "share": round(float(late.mean()), 6),
            "apart": round(float(apart), 6),
            "rows": len(invoice),
        }
    return told


def reached(settlement: Settlement, horizon: int, *, begin: int, end: int) -> tuple[Rows, Floats]:
    """The invoices that came so far past due between two days, and whether each was still open."""
    target = settlement.due_day + horizon
    invoice = np.flatnonzero(labels.is_labelled(settlement) & (begin <= target) & (target < end))
    late = labels.still_open(settlement, invoice, target[invoice].astype(np.int32))
    return invoice, late.astype(np.float64)
