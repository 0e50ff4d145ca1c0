"""POST /v1/what-if: one open invoice as it is and with other facts, and what would have it paid.

With the history in the request, or of an invoice that last night scored from the rows it read.
"""

from dataclasses import fields
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from models.bundle import Bundle
from models.what_if import CAUSAL, Change
from pipelines import what_if
from pipelines.changes import CannotChange
from pipelines.ledger import Ledger
from pipelines.snapshot import Snapshot
from pipelines.what_if import Asked, Compared, Counterfactual
from serving import kept_rows
from serving.answers import Answer, InvoiceScore, JsonAnswer, Provenance, Said, invoice_score, units
from serving.at_hand import AtHand, now
from serving.invoices import InvoiceId
from serving.messages import EXAMPLE, Id, Language, Message, Money, Number, ScoringRequest
from serving.phrases import cause_name, word
from serving.problems import EVERY_ROUTE, Fault, Problem, counted, declared
from serving.request_ledger import ledger_of
from serving.strict_requests import StrictRoute


class ChangeMessage(Message):
    """What is otherwise about the invoice; what is left out stays as it is."""

    terms_days: int | None = Field(
        default=None, ge=0, le=3650, description="Due so many days after its issue."
    )
    more_days: int | None = Field(
        default=None, ge=-3650, le=3650, description="Due so many days later than it is."
    )
    amount_cents: Money | None = Field(default=None, alias="amount")
    discount_pct: Number | None = Field(
        default=None, gt=0, lt=100, description="For prompt payment: so much less is asked for."
    )
    instalments: int | None = Field(
        default=None, ge=2, le=60, description="The first when the invoice is due, a month apart."
    )
    reminder_sent: bool | None = Field(default=None, description="The day before as_of.")
    dispute_solved: bool | None = Field(default=None, description="The day before as_of.")


class WhatIfRequest(ScoringRequest):
    """An open invoice with its customer's history, and what to see otherwise or bring about."""

    invoice_ids: list[Id] = Field(
        min_length=1, max_length=1, description="The open invoice to ask about."
    )
    change: ChangeMessage = Field(default_factory=ChangeMessage)
    target: Number | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Look for the smallest change after which p_late_30 is at most this.",
    )


class ChangeRequest(Message):
    """What to see otherwise or bring about, of an invoice whose history is kept."""

    change: ChangeMessage = Field(default_factory=ChangeMessage)
    target: Number | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Look for the smallest change after which p_late_30 is at most this.",
    )
    language: Language | None = Field(default=None, description="Of the texts in the answer.")


class Difference(Answer):
    """By how much a cause accounts for the difference; 0.01 is one point."""

    feature_group: str = Field(examples=["this_invoice"])
    text: str
    before: float
    after: float
    points: float


class BeforeAndAfter(Answer):
    """A figure before the change and after it, weighted by what is open of each instalment."""

    before: float
    after: float


class Comparison(Answer):
    """An invoice after a change; the differences add up to that of the probability they are for."""

    change: dict[str, float | int | bool] = Field(examples=[{"more_days": 30}])
    probabilities: dict[str, BeforeAndAfter]
    differences_for: str = Field(examples=["p_late_30"])
    differences: list[Difference]
    invoices: list[InvoiceScore] = Field(description="the invoice after it, or its instalments")
    reading: list[str] = Field(description="what these figures say, and what they do not")


class SmallestChange(Answer):
    """The first change tried that brings p_late_30 to the target, or that none of them does."""

    target: float
    tried: int
    found: bool
    text: str
    comparison: Comparison | None


class WhatIf(Provenance):
    """One open invoice as it is and otherwise."""

    before: InvoiceScore
    after: Comparison
    counterfactual: SmallestChange | None


WHAT_IF_EXAMPLE = {
    **EXAMPLE,
    "change": {"more_days": 15, "reminder_sent": True},
    "target": 0.2,
}


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["scores"], route_class=StrictRoute)

    @router.post(
        "/v1/what-if",
        summary="One open invoice with other facts, and what would have it paid on time",
        response_model=WhatIf,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def post_what_if(
        request: Annotated[
            WhatIfRequest,
            Body(openapi_examples={"more time and a reminder": {"value": WHAT_IF_EXAMPLE}}),
        ],
    ) -> JsonAnswer:
        """What the model expects of an invoice with those facts: not what acting would cause."""
        model = at_hand.champion()
        ledger = ledger_of(request, currency=at_hand.settings.currency)
        as_of = request.as_of or at_hand.today()
        answered = await _worked_out(at_hand, ledger, as_of, model, request.invoice_ids[0], request)
        said = at_hand.said_in(request.language)
        return JsonAnswer(
            {
                **at_hand.worked_out(as_of, model),
                **_told(*answered, said),
            }
        )

    @router.post(
        "/v1/what-if/{invoice_id:path}",
        summary="What if, of an invoice that last night scored",
        response_model=WhatIf,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def post_what_if_of_invoice(
        invoice_id: InvoiceId,
        request: Annotated[
            ChangeRequest,
            Body(openapi_examples={"more time": {"value": {"change": {"more_days": 30}}}}),
        ],
    ) -> JsonAnswer:
        """The same from the rows that last night read: no history has to be sent."""
        snapshot, said = at_hand.scores(), at_hand.said_in(request.language)
        model = at_hand.champion()  # one for the whole answer, whatever is promoted meanwhile
        answered = await of_kept(at_hand, snapshot, model, invoice_id, request)
        return JsonAnswer(
            {
                **at_hand.provenance(snapshot),
                "model_version": model.version,
                "computed_at": now(),
                "score_source": "model",
                "model_source": model.source,
                **_told(*answered, said),
            }
        )

    return router


async def of_kept(
    at_hand: AtHand, snapshot: Snapshot, model: Bundle, invoice_id: str, request: ChangeRequest
) -> tuple[Compared, Counterfactual | None]:
    """The answers of the model as of the night's day, from the rows that the night read.

    Raises Problem: 404 where the invoice was not open then, 422 where the change does not fit it.
    """
    row = snapshot.get_invoice(invoice_id)
    if row is None:
        detail = f"No open invoice has this id in the scores of {snapshot.as_of}."
        raise Problem("not-found", detail)
    ledger = await run_in_threadpool(kept_rows.of_customer, at_hand, snapshot, row["customer_id"])
    return await _worked_out(at_hand, ledger, snapshot.as_of, model, invoice_id, request)


async def _worked_out(
    at_hand: AtHand,
    ledger: Ledger,
    as_of: date,
    model: Bundle,
    invoice_id: str,
    request: WhatIfRequest | ChangeRequest,
) -> tuple[Compared, Counterfactual | None]:
    """The answers, in a place of their own."""
    return await at_hand.places.run(
        lambda: _answers(request, ledger, as_of, model, invoice_id),
        invoices=kept_rows.weight(ledger) + (2 if request.target is None else what_if.MOST_TRIED),
    )


def _told(compared: Compared, smallest: Counterfactual | None, said: Said) -> dict[str, Any]:
    return {
        "before": invoice_score(compared.before, **said),
        "after": comparison(compared, said),
        "counterfactual": smallest and _smallest(smallest, said),
    }


def _answers(
    request: WhatIfRequest | ChangeRequest,
    ledger: Ledger,
    as_of: date,
    model: Bundle,
    invoice_id: str,
) -> tuple[Compared, Counterfactual | None]:
    try:
        asked = Asked.of(ledger, kept_rows.day_number(as_of), model, invoice_id)
        compared = asked.compare(Change(**request.change.model_dump()))
    except CannotChange as refused:
        fault = Fault(_place(refused.field), "cannot_change", refused.expected, refused.found)
        raise Problem("invalid-request", counted(1), faults=[fault]) from None
    return compared, None if request.target is None else asked.smallest_change(request.target)


def _place(field: str) -> str:
    return {"invoice_id": "invoice_ids[0]", "change": "change"}.get(field, f"change.{field}")


def comparison(compared: Compared, said: Said) -> dict[str, Any]:
    language = said["language"]
    changed = compared.change.named
    readings = ["expectation", *(["not_an_effect"] if set(changed) & set(CAUSAL) else [])]
    if {"more_days", "terms_days", "instalments"} & set(changed):
        readings.append("other_due_date")
    if changed and not compared.differences:
        readings.append("not_looked_at")
    return {
        "change": told_change(compared.change),
        "probabilities": {
            name: {"before": before, "after": after}
            for name, (before, after) in compared.probabilities.items()
        },
        "differences_for": compared.reasons_for,
        "differences": [
            {
                "feature_group": difference.feature_group,
                "text": cause_name(difference.feature_group, language),
                "before": difference.before,
                "after": difference.after,
                "points": difference.points,
            }
            for difference in compared.differences
        ],
        "invoices": [invoice_score(row, **said) for row in compared.after],
        "reading": [word("what_if", code, language) for code in readings],
    }


def _smallest(counterfactual: Counterfactual, said: Said) -> dict[str, Any]:
    found = counterfactual.found
    code = "none_found" if found is None else "found" if found.change.named else "on_time_already"
    return {
        "target": counterfactual.target,
        "tried": counterfactual.tried,
        "found": found is not None,
        "text": word("what_if", code, said["language"]),
        "comparison": found and comparison(found, said),
    }


def told_change(change: Change) -> dict[str, float | int | bool]:
    """The fields that change, in the request's words."""
    told = {f.name: getattr(change, f.name) for f in fields(change) if f.name in change.named}
    if "amount_cents" in told:
        told["amount"] = units(told.pop("amount_cents"))
    return told
