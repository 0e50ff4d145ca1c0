"""POST /v1/scores: invoices with their customer's history in the request, scored on the spot."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Body, Request

from models.bundle import Bundle
from pipelines.ledger import Ledger
from serving import quick_requests
from serving.answers import JsonAnswer, Scores, invoice_score
from serving.at_hand import AtHand
from serving.limits import INVOICES_PER_REQUEST
from serving.messages import EXAMPLE, ScoringRequest
from serving.problems import EVERY_ROUTE, Fault, Problem, counted, declared
from serving.quick_requests import PlainRequest
from serving.request_ledger import ledger_of
from serving.strict_requests import answered_quickly


def routes(at_hand: AtHand) -> APIRouter:
    async def quickly(http: Request) -> JsonAnswer | None:
        plain = quick_requests.read(await http.body(), currency=at_hand.settings.currency)
        return None if plain is None else await _answer(at_hand, plain, http)

    router = APIRouter(tags=["scores"], route_class=answered_quickly(quickly))

    @router.post(
        "/v1/scores",
        summary="Score invoices from the history in the request",
        response_model=Scores,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def post_scores(
        request: Annotated[
            ScoringRequest,
            Body(openapi_examples={"one invoice": {"value": EXAMPLE}}),
        ],
        http: Request,
    ) -> JsonAnswer:
        """Stateless: nothing of the request is kept. Send each customer with all you know of it."""
        at_hand.champion()  # without one nothing else is looked at
        ledger = ledger_of(request, currency=at_hand.settings.currency)
        asked = PlainRequest(ledger, request.as_of, request.language, request.invoice_ids)
        return await _answer(at_hand, asked, http)

    return router


async def _answer(at_hand: AtHand, request: PlainRequest, http: Request) -> JsonAnswer:
    model, ledger, asked = at_hand.champion(), request.ledger, request.invoice_ids
    as_of = request.as_of or at_hand.today()
    scored = await at_hand.places.run(
        lambda: _score(at_hand, ledger, as_of, model, asked),
        invoices=_about_open(ledger) if asked is None else len(asked),
        is_gone=http.is_disconnected,
    )
    rows = _in_order(scored, ledger, asked)
    said = at_hand.said_in(request.language)
    return JsonAnswer(
        {
            **at_hand.worked_out(as_of, model),
            "invoices": [invoice_score(row, **said) for row in rows],
        }
    )


def _about_open(ledger: Ledger) -> int:
    """How many invoices are about to be scored: those without any payment."""
    paid = len(ledger.payments["invoice_id"].unique())
    return max(1, int(ledger.invoices.num_rows) - paid)


def _score(
    at_hand: AtHand, ledger: Ledger, as_of: date, model: Bundle, asked: Sequence[str] | None
) -> pa.Table:
    day = int(np.datetime64(as_of).astype(int))
    return at_hand.score(ledger, day, model, invoices=asked)


def _in_order(
    scored: pa.Table, ledger: Ledger, asked: Sequence[str] | None
) -> list[dict[str, Any]]:
    """The scores in the order of the request; Problem where one that was asked for is not open."""
    if scored.num_rows > INVOICES_PER_REQUEST:
        expected = f"at most {INVOICES_PER_REQUEST} open invoices, or their choice in invoice_ids"
        fault = Fault("customers", "too_many_invoices", expected, f"{scored.num_rows} open")
        raise Problem("invalid-request", counted(1), faults=[fault])
    by_id = {row["invoice_id"]: row for row in scored.to_pylist()}
    if asked is None:
        return [by_id[i] for i in ledger.invoices["invoice_id"].to_pylist() if i in by_id]
    faults = [
        Fault(f"invoice_ids[{i}]", "not_open", "an invoice that is open as of the day", "another")
        for i, invoice_id in enumerate(asked)
        if invoice_id not in by_id
    ]
    if faults:
        raise Problem("invalid-request", counted(len(faults)), faults=faults)
    return [by_id[invoice_id] for invoice_id in asked]
