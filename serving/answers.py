"""Messages that go out: scores in the data dictionary's words, money in units, texts in a language.

The classes are what OpenAPI declares; the functions make them from rows of the scores table.
Answers are built as plain values (a test validates them against the classes): checking our own
figures on every request would cost more than computing them.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import JSONResponse

from models import causes
from models.catalogue import Catalogue
from models.horizons import PROBABILITY_COLUMNS
from models.risk_causes import risk_causes
from serving.phrases import action_text, cause_name, is_known, reason_text, signal_text, word

Row = Mapping[str, Any]  # a row of the scores table as Python values
Source = Literal["model", "stored_score"]
ModelSource = Literal["own", "shared_prior"]


class Answer(BaseModel):
    """A message that goes out."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Reason(Answer):
    """How much one group of facts moves the probability; 0.01 is one point."""

    feature_group: str = Field(examples=["delay_level"])
    feature: str | None = Field(examples=["delay_mean_365"])
    text: str = Field(examples=["pays 24 days after the due date on average (usually 9)"])
    value: float | None
    usual_value: float | None
    points: float = Field(description="base_probability plus all points is the probability")


class Signal(Answer):
    """A warning, and since when it holds."""

    code: str = Field(examples=["delay_drift"])
    text: str
    since: date | None
    before: float | None
    now: float | None
    severity: str


class Evidence(Answer):
    """One thing that points to a cause."""

    code: str = Field(examples=["mostly_late"])
    text: str


class CauseHint(Answer):
    """Why the invoice may stay unpaid: difficulty, habit, administrative or unknown."""

    code: str = Field(examples=["habit"])
    text: str
    evidence: list[Evidence]


class Alternative(Answer):
    """An action that would have been worth less."""

    code: str
    expected_value: float | None
    gap: float | None = Field(description="by how much the chosen action is worth more")


class LegalNote(Answer):
    """What the law adds to an action."""

    code: str = Field(examples=["terms_over_limit"])
    text: str


class Action(Answer):
    """The next best action, what it is worth and what stands against it."""

    code: str = Field(examples=["reminder_1"])
    channel: str | None
    on: date | None
    why: str
    expected_value: float | None
    effect_days: float | None
    effect_interval: tuple[float | None, float | None]
    effect_source: str | None
    blocked_by: list[str]
    alternatives: list[Alternative]
    legal_basis: str | None
    legal_notes: list[LegalNote]
    missing_documents: list[str]
    capacity_applied: bool | None = Field(
        description="false: advice for this invoice alone; the day's plan weighs all"
    )
    held_out: bool | None = Field(description="whether the customer is in the control group")
    propensity: float | None = Field(description="the probability of this advice, for the log")
    policy_version: str | None
    features_hash: str | None = Field(description="a number of all that the advice looked at")


class Beliefs(Answer):
    """How late an invoice will be, and why."""

    due_business_date: date
    days_past_due: int
    open_amount: float
    p_late_0: float = Field(ge=0, le=1)
    p_late_30: float = Field(ge=0, le=1)
    p_late_60: float = Field(ge=0, le=1)
    p_late_90: float = Field(ge=0, le=1)
    p_unpaid_180: float = Field(ge=0, le=1)
    expected_date: date | None
    date_lo: date | None
    date_hi: date | None
    mass_beyond: float = Field(description="the probability that it is paid past the horizon")
    expected_days_late: float
    value_at_risk: float
    expected_loss: float
    cost_of_delay: float
    risk_band: Literal["low", "medium", "high", "critical"]
    cause_hint: CauseHint
    reasons_for: str = Field(description="the probability that the reasons explain")
    base_probability: float
    reasons: list[Reason]
    signals: list[Signal]
    history_level: Literal["rich", "thin", "none"]
    model_version: str


class InvoiceScore(Beliefs):
    """One open invoice as of a day: how late, why, and what to do."""

    invoice_id: str
    customer_id: str
    customer_name: str | None
    company_code: str | None
    as_of: date
    issue_date: date | None
    due_date: date
    amount: float
    action: Action


class Provenance(Answer):
    """What answered, and whether it is as good as it should be."""

    as_of: date
    model_version: str
    computed_at: datetime | None = Field(description="null for a night that kept no time")
    currency: str
    score_source: Source
    model_source: ModelSource
    stale: bool
    degraded: bool


class Scores(Provenance):
    """The scores of a request, in the order in which it named the invoices."""

    invoices: list[InvoiceScore]


class StoredScore(Provenance):
    """The last night's score of one invoice."""

    invoice: InvoiceScore


class RiskCause(Answer):
    """What a cause adds to the open amount that is expected to be late."""

    feature_group: str = Field(examples=["delay_level"])
    text: str = Field(examples=["past delays"])
    amount: float = Field(description="the sum over invoices of what is open times the points")
    points: float = Field(description="the same over what is open in all; 0.01 is one point")


class CustomerScore(Answer):
    """A customer's open invoices together: sums, and figures weighted by the open amount."""

    customer_id: str
    customer_name: str | None
    n_invoices: int
    open_amount: float
    overdue_amount: float
    value_at_risk: float
    expected_loss: float
    cost_of_delay: float
    p_late_0: float
    p_late_30: float
    p_late_60: float
    p_late_90: float
    p_unpaid_180: float
    expected_days_late: float
    risk_band: str = Field(description="the worst of its invoices")
    signals: list[str]
    base_amount: float = Field(description="expected late if its invoices had nothing to tell")
    late_amount: float = Field(description="base_amount and the causes' amounts together")
    causes: list[RiskCause] = Field(description="which causes make the risk of its invoices")
    invoices: list[InvoiceScore]


class StoredCustomer(Provenance):
    """The last night's scores of one customer."""

    customer: CustomerScore


class Worklist(Provenance):
    """A page of the worklist: the action worth most first."""

    total: int = Field(description="open invoices under these filters")
    next_cursor: str | None = Field(description="for the next page; null on the last")
    invoices: list[InvoiceScore]


class Said(TypedDict):
    """How an answer is worded: in which language and currency, with whose names of actions."""

    language: str
    currency: str
    catalogue: Catalogue


def units(cents: int | None) -> float | None:
    """An amount of cents in units: the float whose shortest text has the two decimals."""
    return None if cents is None else cents / 100


def invoice_score(
    row: Row, *, language: str, currency: str, catalogue: Catalogue | None = None
) -> dict[str, Any]:
    """The answer about one row of the scores table."""
    return {
        "invoice_id": row["invoice_id"],
        "customer_id": row["customer_id"],
        "customer_name": row["customer_name"],
        "company_code": row["company_code"],
        "as_of": row["as_of"],
        "issue_date": row["issue_date"],
        "due_date": row["due_date"],
        "amount": units(row["amount_cents"]),
        **beliefs(row, language=language, currency=currency),
        "action": _action(row["action"], language, currency, catalogue or Catalogue.load()),
    }


def beliefs(row: Row, *, language: str, currency: str) -> dict[str, Any]:
    """What the model says of one invoice, without the ledger's own facts and the advice."""
    cause = row["cause_hint"]
    return {
        "due_business_date": row["due_business_date"],
        "days_past_due": row["days_past_due"],
        "open_amount": units(row["open_cents"]),
        **{name: row[name] for name in PROBABILITY_COLUMNS},
        "expected_date": row["expected_date"],
        "date_lo": row["date_lo"],
        "date_hi": row["date_hi"],
        "mass_beyond": row["mass_beyond"],
        "expected_days_late": row["expected_days_late"],
        "value_at_risk": units(row["value_at_risk_cents"]),
        "expected_loss": units(row["expected_loss_cents"]),
        "cost_of_delay": units(row["cost_of_delay_cents"]),
        "risk_band": row["risk_band"],
        "cause_hint": {
            "code": cause["code"],
            "text": causes.sentence(cause["code"], language),
            "evidence": [
                {"code": code, "text": causes.sentence(code, language)}
                for code in cause["evidence"] or ()
            ],
        },
        "reasons_for": row["reasons_for"],
        "base_probability": row["base_probability"],
        "reasons": [
            {
                "feature_group": reason["feature_group"],
                "feature": reason["feature"],
                "text": reason_text(reason, language, currency),
                "value": _known(reason["value"]),
                "usual_value": _known(reason["usual_value"]),
                "points": reason["points"],
            }
            for reason in row["reasons"]
        ],
        "signals": [
            {
                "code": signal["code"],
                "text": signal_text(signal, language, currency),
                "since": signal["since"],
                "before": _known(signal["before"]),
                "now": _known(signal["now"]),
                "severity": signal["severity"],
            }
            for signal in row["signals"] or ()
        ],
        "history_level": row["history_level"],
        "model_version": row["model_version"],
    }


def _action(action: Row, language: str, currency: str, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "code": action["code"],
        "channel": action["channel"] or None,
        "on": action["on"],
        "why": action_text(action, catalogue=catalogue, language=language, currency=currency),
        "expected_value": units(action["expected_value_cents"]),
        "effect_days": _known(action["effect_days"]),
        "effect_interval": (_known(action["effect_lo"]), _known(action["effect_hi"])),
        "effect_source": action["effect_source"],
        "blocked_by": action["blocked_by"] or [],
        "alternatives": [
            {
                "code": other["code"],
                "expected_value": units(other["expected_value_cents"]),
                "gap": units(action["expected_value_cents"] - other["expected_value_cents"]),
            }
            for other in action["alternatives"] or ()
        ],
        "legal_basis": action["legal_basis"] or None,
        "legal_notes": legal_notes(action.get("legal_notes"), language),
        "missing_documents": action["missing_documents"] or [],
        **{name: action.get(name) for name in LOGGED},
    }


def legal_notes(codes: Sequence[str] | None, language: str) -> list[dict[str, str]]:
    """What the law adds, in words; none from nights before there were notes."""
    return [{"code": code, "text": word("legal_notes", code, language)} for code in codes or ()]


# What a caller writes into the log of actions beside what was done; null from nights before.
LOGGED = ("capacity_applied", "held_out", "propensity", "policy_version", "features_hash")


def _known(value: float | None) -> float | None:
    """The figure, or null for one that is missing inside (NaN)."""
    return value if is_known(value) else None


BANDS = ("low", "medium", "high", "critical")  # from the least to the worst


def customer_score(
    rows: Sequence[Row], *, language: str, currency: str, catalogue: Catalogue | None = None
) -> dict[str, Any]:
    """The roll-up of one customer's rows, which must not be empty."""
    open_cents = sum(row["open_cents"] for row in rows)
    base_cents = round(sum(row["open_cents"] * row["base_probability"] for row in rows))
    made_by = risk_causes([row["reasons"] for row in rows], [row["open_cents"] for row in rows])
    weighted = (*PROBABILITY_COLUMNS, "expected_days_late")
    return {
        "customer_id": rows[0]["customer_id"],
        "customer_name": rows[0]["customer_name"],
        "n_invoices": len(rows),
        "open_amount": units(open_cents),
        "overdue_amount": units(sum(r["open_cents"] for r in rows if r["days_past_due"] > 0)),
        "value_at_risk": units(sum(row["value_at_risk_cents"] for row in rows)),
        "expected_loss": units(sum(row["expected_loss_cents"] for row in rows)),
        "cost_of_delay": units(sum(row["cost_of_delay_cents"] for row in rows)),
        **{name: _weighted(rows, name, open_cents) for name in weighted},
        "risk_band": max((row["risk_band"] for row in rows), key=BANDS.index),
        "signals": sorted({signal["code"] for row in rows for signal in row["signals"] or ()}),
        "base_amount": units(base_cents),
        "late_amount": units(base_cents + sum(cause.cents for cause in made_by)),
        "causes": [
            {
                "feature_group": cause.feature_group,
                "text": cause_name(cause.feature_group, language),
                "amount": units(cause.cents),
                "points": cause.points,
            }
            for cause in made_by
        ],
        "invoices": [
            invoice_score(row, language=language, currency=currency, catalogue=catalogue)
            for row in rows
        ],
    }


def _weighted(rows: Sequence[Row], name: str, open_cents: int) -> float:
    """The figure weighted by the open amount; where nothing is open in sum, the plain mean."""
    if open_cents <= 0:
        return float(sum(row[name] for row in rows) / len(rows))
    return float(sum(row[name] * row["open_cents"] for row in rows) / open_cents)


class JsonAnswer(JSONResponse):  # FastAPI declares no other class with its model
    """An answer as JSON: dates in ISO, no number that JSON does not have."""

    def render(self, content: Any) -> bytes:
        text = to_json(content, inf_nan_mode="constants")
        if b"NaN" in text or b"Infinity" in text:  # a name, or a figure that must not go out
            text = json.dumps(content, allow_nan=False, ensure_ascii=False, default=_iso).encode()
        return text


def _iso(value: date) -> str:
    """A day, or a moment, which is a day too."""
    return value.isoformat()
