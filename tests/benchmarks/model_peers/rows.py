"""The rows that every model learns from and answers, made by the product's own code."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from handed_over import ASKED, HORIZONS, LEARNED, Rows

from models.cohorts import Cohorts
from models.fitting import TrainingRows
from models.horizons import HORIZONS_DAYS
from models.late_payment import Snapshots, time_ahead
from pipelines import backtest, dataset, landmarks
from pipelines.ledger import Ledger
from pipelines.settlement import Settlement

assert HORIZONS == HORIZONS_DAYS


@dataclass(frozen=True)
class Made:
    """How many rows an origin gave."""

    learned: int
    asked: int


def write(folder: Path, ledger: Ledger, *, origin: int, predictions: pa.Table, seed: int) -> Made:
    """`learned.npz`: the snapshots our model is trained on; `asked.npz`: the rows it answered."""
    folder.mkdir(parents=True, exist_ok=True)
    built = dataset.build(ledger, cut_off=origin, seed=seed)
    prepared = landmarks.prepare(ledger.known_before(origin))
    invoice, as_of = dataset.draw(prepared, cut_off=origin, seed=seed)
    taken = built.rows.snapshots
    if not np.array_equal(as_of, taken.as_of):
        raise AssertionError("the drawn snapshots must be those of the training set, got others")
    lasted, settled = _lasted(prepared.settlement, invoice, as_of, cut_off=origin)
    learned = _rows(taken, built.cohorts, built.rows.customer, labels(built.rows), lasted, settled)
    learned.save(folder / LEARNED)

    asked = landmarks.prepare(ledger.known_before(origin + backtest.ISSUE_DAYS))
    tests = backtest.tests(asked.settlement, origin)
    rows, days = (np.concatenate([test[at] for test in tests.values()]) for at in (0, 1))
    ids = asked.ledger.invoices["invoice_id"].combine_chunks().take(pa.array(rows))
    if not ids.equals(predictions["invoice_id"].combine_chunks()):
        raise AssertionError("the asked invoices must be those of the back-test, got others")
    snapshots = landmarks.take(asked, rows, days, peers=built.peers)
    unknown = np.full((len(rows), len(HORIZONS)), np.nan)
    nothing = np.zeros(len(rows), np.int32)
    questions = _rows(
        snapshots, built.cohorts, asked.settlement.customer[rows], unknown, nothing, nothing > 0
    )
    questions.save(folder / ASKED)
    return Made(len(learned), len(questions))


def labels(rows: TrainingRows) -> np.ndarray:
    """The matured label of each snapshot at each horizon, NaN where it has none."""
    came = np.full((len(rows.snapshots), len(HORIZONS)), np.nan)
    past_due = rows.target_day - rows.snapshots.due_day[rows.row]
    for at, horizon in enumerate(HORIZONS):
        asked = past_due == horizon
        came[rows.row[asked], at] = rows.still_open[asked]
    return came


def _lasted(
    settlement: Settlement, invoice: np.ndarray, as_of: np.ndarray, *, cut_off: int
) -> tuple[np.ndarray, np.ndarray]:
    """Days from each snapshot to the settlement, or to the last day known; whether it came."""
    ended = settlement.settled_day[invoice]
    settled = ended < cut_off
    return np.maximum(np.where(settled, ended, cut_off - 1) - as_of, 0).astype(np.int32), settled


def _rows(
    snapshots: Snapshots,
    cohorts: Cohorts,
    customer: np.ndarray,
    came: np.ndarray,
    lasted: np.ndarray,
    settled: np.ndarray,
) -> Rows:
    ahead = (snapshots.due_day - snapshots.as_of)[:, None] + np.array(HORIZONS)
    return Rows(
        features=snapshots.features.astype(np.float32),
        then=time_ahead(cohorts, snapshots, ahead.astype(np.int32))[0],
        as_of=snapshots.as_of,
        due_day=snapshots.due_day,
        customer=customer.astype(np.int32),
        came=came,
        lasted=lasted,
        settled=settled,
    )
