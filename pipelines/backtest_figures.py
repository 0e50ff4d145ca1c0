"""How good the back-test was: our probabilities and the curve's against what came."""

from datetime import timedelta

import numpy as np
import pyarrow as pa

from models.horizons import HORIZONS_DAYS, column
from models.metrics import Floats, auc, calibration_error, log_loss
from pipelines import matured_window
from pipelines.backtest import Backtest
from pipelines.job import EPOCH
from pipelines.ledger import Ledger
from pipelines.settlement import settle


def figures(replayed: Backtest, ledger: Ledger) -> list[dict[str, object]]:
    """Log-loss, AUC and calibration error by test and horizon, over all origins together.

    A probability is judged where its day had not passed when it was given, and lies before the
    ledger's last payment.
    """
    predictions = replayed.predictions
    last = int(settle(ledger).movements.known_day.max(initial=0))
    came = matured_window.outcomes(ledger, predictions, cut_off=EPOCH + timedelta(days=last))
    tests = np.array(predictions["test"].to_pylist(), dtype=np.str_)
    return [
        _row(predictions, came[:, h], tests == test, str(test), days)
        for test in np.unique(tests)
        for h, days in enumerate(HORIZONS_DAYS)
    ]


def _row(
    predictions: pa.Table, came: Floats, asked: np.ndarray, test: str, days: int
) -> dict[str, object]:
    rows = asked & ~np.isnan(came)
    y = came[rows]
    ours, curve = (predictions[f"{who}{column(days)}"].to_numpy()[rows] for who in ("", "curve_"))
    told: dict[str, object] = {"test": test, "horizon": column(days), "rows": int(rows.sum())}
    if not len(y):
        return told
    return {
        **told,
        "came": round(float(y.mean()), 4),
        "said": round(float(ours.mean()), 4),
        "log_loss": round(log_loss(y, ours), 4),
        "curve_log_loss": round(log_loss(y, curve), 4),
        **_ranking(y, ours, curve),
        "calibration_error": round(calibration_error(y, ours), 4),
    }


def _ranking(y: Floats, ours: Floats, curve: Floats) -> dict[str, float]:
    """How well late and not late are told apart; nothing where all came alike."""
    if y.min() == y.max():
        return {}
    return {"auc": round(auc(y, ours), 4), "curve_auc": round(auc(y, curve), 4)}
