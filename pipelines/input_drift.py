"""Input drift: what the model learned from and tonight's ledger no longer tells."""

import numpy as np
import numpy.typing as npt

from models.fitting import SELDOM_MISSING
from models.late_payment import LatePaymentModel
from pipelines import features, landmarks
from pipelines.features import Peers
from pipelines.ledger import Ledger
from pipelines.settlement import is_open

LOOKED_AT = 2_000  # open invoices are enough to see that a column has gone
LEAST = 200  # of fewer, a column may be empty or all alike by chance


def lost_inputs(ledger: Ledger, as_of: int, model: LatePaymentModel) -> list[str]:
    """The features that training knew and that are now missing, or the same, for every invoice."""
    prepared = landmarks.prepare(ledger.known_before(as_of))
    open_now = np.flatnonzero(is_open(prepared.settlement, as_of))
    if len(open_now) < LEAST:
        return []
    looked_at = open_now[:: max(len(open_now) // LOOKED_AT, 1)]
    day = np.full(len(looked_at), as_of, np.int32)
    taken = landmarks.take(prepared, looked_at, day, peers=Peers.from_columns(model.peers))
    trained = model.facts.get("inputs", {})
    return [
        name
        for at, name in enumerate(features.BOOK)
        if (before := trained.get(name)) and _is_lost(taken.features[:, at], before)
    ]


def _is_lost(now: npt.NDArray[np.float64], before: dict[str, float]) -> bool:
    known = now[~np.isnan(now)]
    if not len(known):
        return bool(before["missing"] < SELDOM_MISSING)
    return bool(before["varies"] and len(known) >= LEAST and (known == known[0]).all())
