"""GET /v1/invoices/{invoice_id}: the last night's score of one invoice."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from serving.answers import JsonAnswer, StoredScore, invoice_score
from serving.at_hand import AtHand
from serving.messages import ID_PATTERN, Language
from serving.problems import EVERY_ROUTE, Problem, declared
from serving.strict_requests import StrictRoute

InvoiceId = Annotated[
    str, Path(min_length=1, max_length=200, pattern=ID_PATTERN, examples=["2026/000311"])
]
InLanguage = Annotated[Language | None, Query(description="of the texts in the answer")]


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["last night's scores"], route_class=StrictRoute)

    @router.get(
        "/v1/invoices/{invoice_id:path}",  # invoice numbers have slashes
        summary="One open invoice",
        response_model=StoredScore,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_invoice(invoice_id: InvoiceId, lang: InLanguage = None) -> JsonAnswer:
        """How late it will be, why, and what to do."""
        snapshot = at_hand.scores()
        row = snapshot.get_invoice(invoice_id)
        if row is None:
            raise Problem("not-found", "No open invoice has this id in the last scores.")
        invoice = invoice_score(row, **at_hand.said_in(lang, snapshot))
        return JsonAnswer({**at_hand.provenance(snapshot), "invoice": invoice})

    return router
