"""Back-test: what the model would have said on past days, knowing only what was known then.

For each origin a model is trained on what was known before it and asked two things: about the
invoices issued in the next 30 days, each on its day of issue, and about all that was open on the
origin, overdue or not. The customer's own curve answers beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import outlook
from models.fitting import fit
from models.horizons import ALL_HORIZONS_DAYS, PROBABILITY_COLUMNS
from models.late_payment import LatePaymentModel
from pipelines import dataset, features, labels, landmarks
from pipelines.features import Peers
from pipelines.ledger import NEVER, Ledger
from pipelines.settlement import Settlement, is_open, settle

Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

ISSUE_DAYS = 30  # how long after the origin new invoices are asked about
CURVE_COLUMNS = tuple(f"curve_{name}" for name in PROBABILITY_COLUMNS)


@dataclass(frozen=True)
class Backtest:
    """Predictions of all origins, and the ledger that tells how they ended."""

    predictions: pa.Table
    ledger: pa.Table
    models: tuple[LatePaymentModel, ...]


def run(
    ledger: Ledger,
    origins: Sequence[int],
    *,
    seed: int = 0,
    tell: Callable[[str], None] = lambda step: None,
) -> Backtest:
    """Predictions at each origin (days since 1970-01-01); raises NotEnoughHistory."""
    parts, models = [], []
    for origin in origins:
        tell(f"{np.datetime64(origin, 'D')}: training")
        model = train(ledger, cut_off=origin, seed=seed)
        tell(f"{np.datetime64(origin, 'D')}: predicting")
        parts.append(predict(ledger, model, origin=origin))
        models.append(model)
    return Backtest(pa.concat_tables(parts).combine_chunks(), outcomes(ledger), tuple(models))


def train(
    ledger: Ledger, *, cut_off: int, seed: int = 0, tuned: Mapping[str, float] | None = None
) -> LatePaymentModel:
    """The model of what was known before the cut-off, with tuned parameters where they won."""
    built = dataset.build(ledger, cut_off=cut_off, seed=seed)
    return fit(
        built.rows,
        cohorts=built.cohorts,
        peers=built.peers.as_columns(),
        cut_off=cut_off,
        seed=seed,
        tuned=tuned,
        facts={"feature_book": features.fingerprint()},
    )


def predict(ledger: Ledger, model: LatePaymentModel, *, origin: int) -> pa.Table:
    """One row for each invoice of either test of an origin."""
    prepared = landmarks.prepare(ledger.known_before(origin + ISSUE_DAYS))
    peers = Peers.from_columns(model.peers)
    return pa.concat_tables(
        [
            _ask(prepared, model, peers, invoice, as_of, test=test, origin=origin)
            for test, (invoice, as_of) in tests(prepared.settlement, origin).items()
        ]
    )


def tests(settlement: Settlement, origin: int) -> dict[str, tuple[Rows, Days]]:
    """The invoices of each test, with the day each is asked about."""
    issued = (settlement.issue_day >= origin) & (settlement.issue_day < origin + ISSUE_DAYS)
    # paid in advance: there is nothing left to ask
    issued &= ~settlement.never_open & (settlement.settled_day >= settlement.issue_day)
    new = np.flatnonzero(issued)
    open_then = np.flatnonzero(is_open(settlement, origin))
    return {
        "issue": (new, settlement.issue_day[new]),
        "portfolio": (open_then, np.full(len(open_then), origin, np.int32)),
    }


def _ask(
    prepared: landmarks.Prepared,
    model: LatePaymentModel,
    peers: Peers,
    invoice: Rows,
    as_of: Days,
    *,
    test: str,
    origin: int,
) -> pa.Table:
    taken = landmarks.take(prepared, invoice, as_of, peers=peers)
    ahead = outlook.questions(taken.as_of, taken.due_day)
    curve = model.predict_curve(taken, ahead)
    seen = outlook.read(curve, ahead, as_of=taken.as_of, due_day=taken.due_day)
    horizons = (taken.due_day - taken.as_of)[:, None] + np.array(ALL_HORIZONS_DAYS, np.int32)
    own = model.customer_curve(taken, horizons)
    ids = prepared.ledger.invoices["invoice_id"].combine_chunks().take(pa.array(invoice))
    return pa.table(
        {
            "invoice_id": ids,
            "cut": pa.array(np.full(len(ids), origin, np.int32), pa.date32()),
            "test": pa.array([test] * len(ids), pa.string()),
            "as_of": pa.array(taken.as_of, pa.date32()),
            **dict(zip(PROBABILITY_COLUMNS, seen.probabilities.T, strict=True)),
            "expected_date": _dates(seen.expected_date),
            "date_lo": _dates(seen.date_lo),
            "date_hi": _dates(seen.date_hi),
            **dict(zip(CURVE_COLUMNS, own.T, strict=True)),
        }
    )


def _dates(days: npt.NDArray[np.float64]) -> pa.Array:
    unknown = np.isnan(days)
    return pa.array(np.where(unknown, 0, days).astype(np.int32), pa.date32(), mask=unknown)


def outcomes(ledger: Ledger) -> pa.Table:
    """How each invoice ended: its customer, issue, business due date and settlement (null: open).

    Invoices cancelled in full are left out: they have no label.
    """
    settlement = settle(ledger)
    kept = np.flatnonzero(labels.is_labelled(settlement))
    paid = settlement.settled_day[kept]
    return pa.table(
        {
            "invoice_id": ledger.invoices["invoice_id"].combine_chunks().take(pa.array(kept)),
            "cust": settlement.customer_ids.take(pa.array(settlement.customer[kept])),
            "issue": pa.array(settlement.issue_day[kept].astype(np.int32), pa.date32()),
            "due": pa.array(settlement.due_day[kept], pa.date32()),
            "paid": pa.array(np.where(paid == NEVER, 0, paid), pa.date32(), mask=paid == NEVER),
            "amt": settlement.amount_cents[kept] / 100,
        }
    )
