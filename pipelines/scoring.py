"""Scoring: the one path from a ledger to what is said of every open invoice.

HTTP, the page, notebooks, the command line and the nightly batch all call `score`; the same
invoice, day, history and model get the same bits whoever asks and whatever is asked beside it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models import causes, outlook, signals
from models.bundle import Bundle
from models.horizons import PROBABILITY_COLUMNS
from models.late_payment import LatePaymentModel
from models.outlook import BANDS, Economics, Outlook
from models.policy import Policy
from pipelines import decisions, features, landmarks, onset
from pipelines.asked import Asked
from pipelines.decisions import Standing
from pipelines.explaining import USUAL_TELLING, Telling, reason_columns
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import Ledger, date_column, rows_of, whole
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.settlement import is_open, left_cents

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

RICH, THIN = 10, 1  # settled invoices from which a customer's history is called so
BLOCK = 20_000  # invoices scored together; memory follows it, answers do not


def score(
    ledger: Ledger,
    as_of: int,
    model: Bundle,
    *,
    invoices: Sequence[str] | None = None,
    economics: Economics | None = None,
    policy: Policy | None = None,
    telling: Telling = USUAL_TELLING,
) -> pa.Table:
    """One row for each open invoice (or each of `invoices` that is open), in SCORE_SCHEMA.

    The action of each is that for it alone; `score_and_ask` gives what a plan of all needs.

    `as_of` is days since 1970-01-01; what happened or was recorded on it or later is not seen.
    Rows come in the order of invoice_id. An invoice issued on `as_of` itself is scored if asked
    by name.
    """
    return score_and_ask(
        ledger,
        as_of,
        model,
        invoices=invoices,
        economics=economics,
        policy=policy,
        telling=telling,
    )[0]


def score_and_ask(
    ledger: Ledger,
    as_of: int,
    model: Bundle,
    *,
    invoices: Sequence[str] | None = None,
    economics: Economics | None = None,
    policy: Policy | None = None,
    telling: Telling = USUAL_TELLING,
) -> tuple[pa.Table, list[decisions.Asked]]:
    """The scores, and the cases that the actions were decided on, in the same order."""
    check_book(model.model)
    economics = economics or Economics()
    prepared = landmarks.prepare(ledger.known_before(as_of + 1))
    asked = _asked(prepared, as_of, invoices)
    peers = Peers.from_columns(model.model.peers)
    known = decisions.standing(prepared, as_of)
    parts = [
        _score_block(
            prepared, known, asked[at : at + BLOCK], model, peers, economics, policy, telling
        )
        for at in range(0, len(asked), BLOCK)
    ]
    tables = [table for table, _ in parts]
    table = pa.concat_tables(tables) if tables else SCORE_SCHEMA.empty_table()
    return table.combine_chunks(), [asked_for for _, asked_for in parts]


def check_book(model: LatePaymentModel) -> None:
    """Raises ValueError unless the model was trained on this very feature book."""
    trained, ours = model.facts.get("feature_book"), _our_book()
    if model.feature_names != tuple(features.BOOK) or trained not in (None, ours):
        raise ValueError(
            f"the model must be trained on feature book {ours}, got: {trained}; "
            "run `puntuale train` to train one"
        )


@cache
def _our_book() -> str:
    return features.fingerprint()


def _asked(prepared: Prepared, as_of: int, invoices: Sequence[str] | None) -> Rows:
    """The rows of the invoices to score, in the order of their ids."""
    ids = prepared.ledger.invoices["invoice_id"].combine_chunks()
    if invoices is None:
        rows = np.flatnonzero(is_open(prepared.settlement, as_of))
    else:
        settlement = prepared.settlement
        rows = rows_of(pa.array(invoices, pa.string()), among=ids)
        rows = rows[rows >= 0]
        new = settlement.known_day[rows] == as_of
        left = left_cents(settlement, as_of)[rows]  # what was paid in advance is not open
        new &= left > settlement.tolerance_cents[rows]
        rows = np.unique(rows[new | is_open(settlement, as_of)[rows]])
    in_order: Rows = rows[pc.sort_indices(ids.take(pa.array(rows))).to_numpy()]
    return in_order


def _score_block(
    prepared: Prepared,
    known: Standing,
    invoice: Rows,
    model: Bundle,
    peers: Peers,
    economics: Economics,
    policy: Policy | None,
    telling: Telling,
) -> tuple[pa.Table, decisions.Asked]:
    day = np.full(len(invoice), known.as_of, np.int32)
    taken = landmarks.take(prepared, invoice, day, peers=peers)
    asked = Asked(prepared, invoice, known.as_of, taken, peers)
    ahead = outlook.questions(taken.as_of, taken.due_day)
    curve = model.model.predict_curve(taken, ahead)
    seen = outlook.read(curve, ahead, as_of=taken.as_of, due_day=taken.due_day)

    found = signals.detect(asked.columns, standing=onset.standing(asked))
    hints = causes.cause_hint(asked.columns, found)
    columns = {
        **_invoice_columns(asked, known),
        **_outlook_columns(asked, seen, economics),
        "cause_hint": [
            {"code": code, "evidence": evidence}
            for code, evidence in zip(hints.codes, hints.evidence, strict=True)
        ],
        **reason_columns(asked, seen, model.model, telling),
        "signals": [[_signal(s) for s in of_row] for of_row in found],
        "history_level": _history_level(asked.columns["n_settled"]),
        "model_version": [model.version] * len(invoice),
    }
    believed = ("open_cents", "expected_days_late", *PROBABILITY_COLUMNS)
    asked_for = decisions.ask(
        prepared,
        known,
        invoice,
        believed={
            **{name: columns[name] for name in believed},
            **{name: asked.columns[name] for name in ("n_settled", "late30_share")},
        },
        cause=hints.codes,
        signals=found,
        policy=policy,
    )
    columns["action"] = decisions.decide(asked_for, policy)
    table = pa.table(
        [pa.array(columns[field.name], field.type) for field in SCORE_SCHEMA], schema=SCORE_SCHEMA
    )
    return table, asked_for


def _invoice_columns(asked: Asked, known: Standing) -> dict[str, Any]:
    settlement, ledger = asked.prepared.settlement, asked.prepared.ledger
    rows = asked.invoice
    customer = settlement.customer[rows]
    at = known.customer_row[customer]

    def of_invoice(column: str) -> pa.Array:
        return whole(ledger.invoices[column]).take(pa.array(rows))

    return {
        "invoice_id": of_invoice("invoice_id"),
        "customer_id": settlement.customer_ids.take(pa.array(customer)),
        "customer_name": whole(ledger.customers["name"]).take(pa.array(at, mask=at < 0)),
        "company_code": of_invoice("company_code"),
        "as_of": asked.taken.as_of,
        "issue_date": of_invoice("issue_date"),
        "due_date": settlement.raw_due_day[rows],
        "due_business_date": asked.taken.due_day,
        "days_past_due": asked.age,
        "amount_cents": settlement.amount_cents[rows],
        "open_cents": _left_open(asked),
    }


def _left_open(asked: Asked) -> npt.NDArray[np.int64]:
    """What is open: all that is asked about is, be it issued on the very day."""
    return left_cents(asked.prepared.settlement, asked.as_of)[asked.invoice]


def _outlook_columns(asked: Asked, seen: Outlook, economics: Economics) -> dict[str, Any]:
    open_now = _left_open(asked)
    p = dict(zip(PROBABILITY_COLUMNS, seen.probabilities.T, strict=True))
    at_risk = np.round(open_now * p["p_late_90"]).astype(np.int64)
    loss = open_now * p["p_unpaid_180"] * outlook.lgd(asked.age, economics)
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


def _signal(signal: signals.Signal) -> dict[str, Any]:
    return {
        "code": signal.code,
        "since": signal.since,
        "before": None if np.isnan(signal.before) else signal.before,
        "now": None if np.isnan(signal.now) else signal.now,
        "severity": signal.severity,
    }


def _history_level(settled: Floats) -> list[str]:
    return ["rich" if n >= RICH else "thin" if n >= THIN else "none" for n in settled.tolist()]
