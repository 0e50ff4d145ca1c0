"""Beliefs: what is said of invoices from what the model looks at alone, whoever worked that out.

Probabilities, dates, money, reasons, signals and the likely cause. What takes the ledger itself,
the invoice's own facts and the advice, is added by `pipelines.scoring`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models import causes, outlook, signals
from models.bundle import Bundle
from models.horizons import PROBABILITY_COLUMNS
from models.late_payment import LatePaymentModel
from models.outlook import BANDS, Economics, Outlook
from models.signals import Signal, Standing
from pipelines import features
from pipelines.asked import Looked
from pipelines.explaining import USUAL_TELLING, Telling, reason_columns
from pipelines.ledger import date_column

Floats = npt.NDArray[np.float64]
Cents = npt.NDArray[np.int64]

RICH, THIN = 10, 1  # settled invoices from which a customer's history is called so


@dataclass(frozen=True)
class Beliefs:
    """Columns of SCORE_SCHEMA by name, and what the advice reads beside them."""

    columns: dict[str, Any]
    causes: list[str]
    signals: list[list[Signal]]


def believe(
    looked: Looked,
    open_cents: Cents,
    model: Bundle,
    *,
    standing: Mapping[str, Standing] | None,
    economics: Economics,
    telling: Telling = USUAL_TELLING,
) -> Beliefs:
    """What the model says of each invoice, of which so much is open.

    `standing` tells since when the signals stand; without it only those are given that begin.
    """
    taken = looked.taken
    ahead = outlook.questions(taken.as_of, taken.due_day)
    curve = model.model.predict_curve(taken, ahead)
    seen = outlook.read(curve, ahead, as_of=taken.as_of, due_day=taken.due_day)
    found = signals.detect(looked.columns, as_of=taken.as_of, standing=standing)
    hints = causes.cause_hint(looked.columns, found)
    columns = {
        "due_business_date": taken.due_day,
        "days_past_due": looked.age,
        "open_cents": open_cents,
        **_outlook_columns(looked, seen, open_cents, economics),
        "cause_hint": [
            {"code": code, "evidence": evidence}
            for code, evidence in zip(hints.codes, hints.evidence, strict=True)
        ],
        **reason_columns(looked, seen, model.model, telling),
        "signals": [[_signal(s) for s in of_row] for of_row in found],
        "history_level": _history_level(looked.columns["n_settled"]),
        "model_version": [model.version] * len(taken),
    }
    return Beliefs(columns, hints.codes, found)


def check_book(model: LatePaymentModel) -> None:
    """Raises ValueError unless the model was trained on this very feature book."""
    trained, ours = model.facts.get("feature_book"), features.our_fingerprint()
    if model.feature_names != tuple(features.BOOK) or trained not in (None, ours):
        raise ValueError(
            f"the model must be trained on feature book {ours}, got: {trained}; "
            "run `puntuale train` to train one"
        )


def _outlook_columns(
    looked: Looked, seen: Outlook, open_now: Cents, economics: Economics
) -> dict[str, Any]:
    p = dict(zip(PROBABILITY_COLUMNS, seen.probabilities.T, strict=True))
    at_risk = np.round(open_now * p["p_late_90"]).astype(np.int64)
    loss = open_now * p["p_unpaid_180"] * outlook.lgd(looked.age, economics)
    delay = np.maximum(seen.expected_days_late, 0.0) * economics.annual_rate / 365
    band = outlook.bands(p["p_late_30"], at_risk, economics)
    return {
        **p,
        **{
            name: date_column(values)
            for name, values in (
                ("expected_date", seen.expected_date),
                ("date_lo", seen.date_lo),
                ("date_hi", seen.date_hi),
            )
        },
        "mass_beyond": seen.mass_beyond,
        "expected_days_late": seen.expected_days_late,
        "value_at_risk_cents": at_risk,
        "expected_loss_cents": np.round(loss).astype(np.int64),
        "cost_of_delay_cents": np.round(open_now * delay).astype(np.int64),
        "risk_band": [BANDS[b] for b in band.tolist()],
    }


def _signal(signal: Signal) -> dict[str, Any]:
    return {
        "code": signal.code,
        "since": signal.since,
        "before": None if np.isnan(signal.before) else signal.before,
        "now": None if np.isnan(signal.now) else signal.now,
        "severity": signal.severity,
    }


def _history_level(settled: Floats) -> Sequence[str]:
    return ["rich" if n >= RICH else "thin" if n >= THIN else "none" for n in settled.tolist()]
