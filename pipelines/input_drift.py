"""Input drift: what the model learned from and tonight's ledger no longer tells."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.fitting import SELDOM_MISSING
from models.late_payment import LatePaymentModel
from pipelines import features, landmarks
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import Ledger, rows_of
from pipelines.settlement import Settlement, is_open

LOOKED_AT = 2_000  # open invoices are enough to see that a column has gone
LEAST = 200  # of fewer, a column may be empty or all alike by chance


@dataclass(frozen=True)
class LookedAt:
    """Some of the invoices open on a day: their features and their customers."""

    features: npt.NDArray[np.float64]
    customer: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.customer)


def look(prepared: Prepared, day: int, peers: Peers) -> LookedAt:
    """Invoices open on the day, evenly picked where there are many."""
    picked = _picked(prepared.settlement, day)
    as_of = np.full(len(picked), day, np.int32)
    taken = landmarks.take(prepared, picked, as_of, peers=peers)
    return LookedAt(taken.features, prepared.settlement.customer[picked])


def look_apart(known: Ledger, settlement: Settlement, day: int, peers: Peers) -> LookedAt:
    """`look` at a ledger that was only settled: the picked ones' customers alone are streamed."""
    picked = _picked(settlement, day)
    customers = np.unique(settlement.customer[picked])
    theirs = known.of_customers(settlement.customer_ids.take(pa.array(customers)))
    prepared = landmarks.prepare(theirs)
    ids = known.invoices["invoice_id"].take(pa.array(picked))
    rows = rows_of(ids, among=theirs.invoices["invoice_id"])
    taken = landmarks.take(prepared, rows, np.full(len(rows), day, np.int32), peers=peers)
    return LookedAt(taken.features, settlement.customer[picked])


def _picked(settlement: Settlement, day: int) -> npt.NDArray[np.int64]:
    open_then = np.flatnonzero(is_open(settlement, day))
    return open_then[:: max(len(open_then) // LOOKED_AT, 1)]


def lost_inputs(ledger: Ledger, as_of: int, model: LatePaymentModel) -> list[str]:
    """The features that training knew and that are now missing, or the same, for every invoice."""
    prepared = landmarks.prepare(ledger.known_before(as_of))
    return lost(look(prepared, as_of, Peers.from_columns(model.peers)), model)


def lost(seen: LookedAt, model: LatePaymentModel) -> list[str]:
    """`lost_inputs` of invoices that were looked at before."""
    if len(seen) < LEAST:
        return []
    trained = model.facts.get("inputs", {})
    return [
        name
        for at, name in enumerate(features.BOOK)
        if (before := trained.get(name)) and _is_lost(seen.features[:, at], before)
    ]


def _is_lost(now: npt.NDArray[np.float64], before: dict[str, float]) -> bool:
    known = now[~np.isnan(now)]
    if not len(known):
        return bool(before["missing"] < SELDOM_MISSING)
    return bool(before["varies"] and len(known) >= LEAST and (known == known[0]).all())
