"""What is explained: an invented ledger, a model that learned from it, and rows that it is asked.

All kept under build/, made once for a feature book.
"""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np

from models import trees
from models.late_payment import LatePaymentModel
from pipelines import features, landmarks, promotion, synthetic
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import Ledger
from pipelines.settlement import is_open

CUSTOMERS, MONTHS = 1_500, 24  # about 150,000 invoices: enough for the larger of our two models
AS_OF = synthetic.UNTIL + timedelta(days=1)
PART = 50_000  # rows made at one time
HARD_ROWS = 100_000


def ledger() -> Ledger:
    return synthetic.generate(customers=CUSTOMERS, months=MONTHS)[0]


def model(folder: Path) -> LatePaymentModel:
    """The model, learned if it is not there yet."""
    files = folder / f"model-{features.fingerprint()[:12]}"
    if not (files / "done").exists():
        files.mkdir(parents=True, exist_ok=True)
        promotion.learn(ledger(), cut_off=AS_OF).save(files)
        (files / "done").touch()
    return LatePaymentModel.load(files)


def open_on(prepared: Prepared, day: int) -> np.ndarray:
    """The invoices (rows) that are open as of a day."""
    return np.flatnonzero(is_open(prepared.settlement, day))


def rows(asked: LatePaymentModel, count: int) -> np.ndarray:
    """What the trees read of open invoices, each asked about on one of the ledger's last days."""
    prepared, peers = landmarks.prepare(ledger()), Peers.from_columns(asked.peers)
    drawn = np.random.default_rng(0)
    width = len(asked.trees.feature_names)
    out = np.empty((count, width))
    at, day = 0, int(np.datetime64(AS_OF).astype(int))
    while at < count:
        invoice = open_on(prepared, day)[: count - at]
        taken = landmarks.take(prepared, invoice, np.full(len(invoice), day, np.int32), peers=peers)
        ahead = drawn.integers(0, 120, (len(invoice), 1)).astype(np.int32)
        out[at : at + len(invoice)] = asked.stack(taken, ahead)[0]
        at, day = at + len(invoice), day - 1
    return out


def hard(asked: LatePaymentModel, easy: np.ndarray) -> np.ndarray:
    """Rows with values missing, at thresholds and beside them."""
    drawn = np.random.default_rng(1)
    X = easy[:HARD_ROWS].copy()
    for tree in trees.parse(asked.tree_text).trees:
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            some = drawn.integers(0, len(X), 60)
            near = (threshold, np.nextafter(threshold, np.inf), np.nextafter(threshold, -np.inf))
            X[some, feature] = drawn.choice(near, 60)
    X[drawn.random(X.shape) < 0.02] = np.nan
    return X


def write(folder: Path, count: int) -> Path:
    """The model's text, `rows.npy` and `hard.npy`; the folder that holds them."""
    asked = model(folder)
    made = {"rows": count, "features": features.fingerprint(), "as_of": AS_OF.isoformat()}
    note = folder / "made.json"
    if not note.exists() or json.loads(note.read_text(encoding="utf-8")) != made:
        (folder / "model.txt").write_text(asked.tree_text, encoding="utf-8")
        easy = rows(asked, count)
        np.save(folder / "rows.npy", easy)
        np.save(folder / "hard.npy", hard(asked, easy))
        note.write_text(json.dumps(made), encoding="utf-8")
    return folder
