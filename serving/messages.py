"""Messages that come in: a scoring request is customers with their history, in the ledger's words.

Field names are those of the data dictionary (`data/README.md`; a test compares them). Nothing is
guessed at: a number in quotes, an unknown field or a third decimal is refused with its place.
"""

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from pipelines.rules import FIRST_DAY, LAST_DAY, MAX_CENTS
from serving.limits import INVOICES_PER_REQUEST

Language = Literal["it", "en"]

AMOUNT_MAX = MAX_CENTS // 100
ROWS_PER_TABLE = 50_000  # of one customer; the limit on the body is met first

# no control, invisible or direction-changing character, and no space at either end
_PLAIN = r"[^\u0000-\u0020\u007f-\u00a0\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]"
ID_PATTERN = f"^{_PLAIN}+( +{_PLAIN}+)*$"
TEXT_PATTERN = r"^[^\u0000]*$"  # no database keeps a NUL
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
DAY_PATTERN = "^(199[0-9]|20[0-7][0-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


def _day(value: object) -> date:
    day = _day_written(value) if isinstance(value, str) else None
    if day is None:
        expected = f"a date as YYYY-MM-DD between {FIRST_DAY} and {LAST_DAY}"
        raise PydanticCustomError("iso_date", expected)
    return day


@lru_cache(1 << 14)  # a history names the days of some years, again and again
def _day_written(text: str) -> date | None:
    if not _DAY.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_DAY <= day <= LAST_DAY else None


def _exact(value: object) -> Decimal | None:
    """The number that a JSON text wrote, None for what is no number or is out of range."""
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        return None
    return exact if abs(exact := Decimal(value)) <= AMOUNT_MAX else None


def _cents(value: object) -> int:
    if (number := _exact(value)) is not None and number >= 0:
        whole = int(number * 100)
        if Decimal(whole) / 100 == number:  # comparing is exact, however many digits were sent
            return whole
    raise PydanticCustomError("amount", f"a number with at most 2 decimals from 0 to {AMOUNT_MAX}")


def _number(value: object) -> float:
    if (number := _exact(value)) is not None:
        return float(number)
    raise PydanticCustomError("number", f"a number between -{AMOUNT_MAX} and {AMOUNT_MAX}")


Id = Annotated[str, Field(min_length=1, max_length=200, pattern=ID_PATTERN)]
Text = Annotated[str, Field(max_length=500, pattern=TEXT_PATTERN)]
Day = Annotated[
    date,
    PlainValidator(_day),
    WithJsonSchema(
        {"type": "string", "format": "date", "pattern": DAY_PATTERN, "examples": ["2026-06-30"]}
    ),
]
Money = Annotated[
    int,
    PlainValidator(_cents),
    WithJsonSchema({"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": AMOUNT_MAX}),
]
Number = Annotated[
    float,
    PlainValidator(_number),
    WithJsonSchema({"type": "number", "minimum": -AMOUNT_MAX, "maximum": AMOUNT_MAX}),
]
Whole = Annotated[int, Field(ge=-32_768, le=32_767)]


class Message(BaseModel):
    """A message that takes what its schema names, as its schema names it, and nothing else."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


class Invoice(Message):
    """One invoice, or one instalment of it, open or settled."""

    invoice_id: Id
    due_date: Day
    amount_cents: Money = Field(alias="amount")
    issue_date: Day | None = None
    instalment_no: Whole | None = None
    currency: Text | None = None
    fx_rate: Number | None = None
    terms_code: Text | None = None
    terms_days: Whole | None = None
    early_discount_pct: Number | None = None
    early_discount_days: Whole | None = None
    payment_method: Text | None = None
    company_code: Text | None = None
    order_ref: Text | None = None
    delivered_on: Day | None = None
    has_contract: bool | None = None
    has_delivery_proof: bool | None = None
    recorded_at: Day | None = None


class Payment(Message):
    """An amount applied to one invoice; without `invoice_id`, cash not yet allocated."""

    paid_on: Day
    amount_cents: Money = Field(alias="amount")
    invoice_id: Id | None = None
    payment_id: Id | None = None
    method: Text | None = None
    discount_taken_cents: Money | None = Field(default=None, alias="discount_taken")
    returned_on: Day | None = None
    recorded_at: Day | None = None


class CreditNote(Message):
    """A credit note of this customer."""

    issued_on: Day
    amount_cents: Money = Field(alias="amount")
    credit_note_id: Id | None = None
    invoice_id: Id | None = None
    reason: Text | None = None
    recorded_at: Day | None = None


class Dispute(Message):
    """A dispute about one invoice."""

    invoice_id: Id
    opened_on: Day
    dispute_id: Id | None = None
    amount_cents: Money | None = Field(default=None, alias="amount")
    reason_code: Text | None = None
    closed_on: Day | None = None
    outcome: Text | None = None


class PromiseToPay(Message):
    """A promise to pay one invoice."""

    invoice_id: Id
    made_on: Day
    promise_id: Id | None = None
    promised_date: Day | None = None
    amount_cents: Money | None = Field(default=None, alias="amount")
    status: Text | None = None


class CreditLimit(Message):
    """A credit limit from a day on."""

    amount_cents: Money = Field(alias="amount")
    valid_from: Day
    insured_amount_cents: Money | None = Field(default=None, alias="insured_amount")
    reason: Text | None = None


class ExternalRating(Message):
    """What a rating agency thought of the customer on a day."""

    rated_on: Day
    score: Number
    provider: Text | None = None
    scale_min: Number | None = None
    scale_max: Number | None = None
    higher_is_safer: bool | None = None


class ActionTaken(Message):
    """What was done to get paid, and what came of it."""

    action_code: Text
    performed_on: Day
    action_id: Id | None = None
    invoice_id: Id | None = None
    channel: Text | None = None
    actor: Text | None = None
    outcome_code: Text | None = None
    cost_cents: Money | None = Field(default=None, alias="cost")
    recommended_action: Text | None = None
    policy_version: Text | None = None
    propensity: Number | None = None
    holdout: bool | None = None


class LegalEvent(Message):
    """A protest or a court's act about the customer."""

    kind: Text
    dated_on: Day


class Customer(Message):
    """A customer, with every row of the ledger that is about it."""

    customer_id: Id
    name: Text | None = None
    vat_id: Text | None = None
    legal_form: Text | None = None
    is_natural_person: bool | None = None
    is_public_body: bool | None = None
    country: Text | None = Field(default=None, examples=["IT"])
    province: Text | None = None
    industry_code: Text | None = None
    customer_since: Day | None = None
    group_id: Text | None = None
    segment: Text | None = None
    collector: Text | None = None
    terms_code: Text | None = None
    payment_method: Text | None = None
    language: Text | None = None
    preferred_channel: Text | None = None
    contact_email: Text | None = None
    contact_phone: Text | None = None
    do_not_contact: bool | None = None

    invoices: list[Invoice] = Field(min_length=1, max_length=ROWS_PER_TABLE)
    payments: list[Payment] = Field(default=[], max_length=ROWS_PER_TABLE)
    credit_notes: list[CreditNote] = Field(default=[], max_length=ROWS_PER_TABLE)
    disputes: list[Dispute] = Field(default=[], max_length=ROWS_PER_TABLE)
    promises: list[PromiseToPay] = Field(default=[], max_length=ROWS_PER_TABLE)
    credit_limits: list[CreditLimit] = Field(default=[], max_length=ROWS_PER_TABLE)
    external_ratings: list[ExternalRating] = Field(default=[], max_length=ROWS_PER_TABLE)
    actions: list[ActionTaken] = Field(default=[], max_length=ROWS_PER_TABLE)
    legal_events: list[LegalEvent] = Field(default=[], max_length=ROWS_PER_TABLE)


class ScoringRequest(Message):
    """Open invoices to score, with the history of their customers."""

    as_of: Day | None = Field(
        default=None, description="Only what was known before this day counts; today by default."
    )
    language: Language | None = Field(
        default=None, description="Of the texts in the answer; the service's own by default."
    )
    customers: list[Customer] = Field(min_length=1, max_length=INVOICES_PER_REQUEST)
    invoice_ids: list[Id] | None = Field(
        default=None,
        min_length=1,
        max_length=INVOICES_PER_REQUEST,
        description="Which invoices to score; by default all that are open.",
    )


EXAMPLE = {
    "as_of": "2026-06-30",
    "language": "it",
    "customers": [
        {
            "customer_id": "C-0042",
            "name": "Officine Meccaniche Brambilla S.r.l.",
            "vat_id": "01234567890",
            "country": "IT",
            "province": "MI",
            "segment": "manufacturing",
            "invoices": [
                {
                    "invoice_id": "2026/000118",
                    "issue_date": "2026-01-15",
                    "due_date": "2026-02-14",
                    "amount": 1830.5,
                    "terms_days": 30,
                },
                {
                    "invoice_id": "2026/000207",
                    "issue_date": "2026-03-02",
                    "due_date": "2026-04-01",
                    "amount": 990,
                    "terms_days": 30,
                },
                {
                    "invoice_id": "2026/000311",
                    "issue_date": "2026-05-11",
                    "due_date": "2026-06-10",
                    "amount": 4235,
                    "terms_days": 30,
                },
            ],
            "payments": [
                {"invoice_id": "2026/000118", "paid_on": "2026-02-20", "amount": 1830.5},
                {"invoice_id": "2026/000207", "paid_on": "2026-04-23", "amount": 990},
            ],
        }
    ],
    "invoice_ids": ["2026/000311"],
}
