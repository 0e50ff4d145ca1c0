"""GET /v1/customers/{customer_id}: the last night's scores of one customer, together."""

from typing import Annotated

from fastapi import APIRouter, Path

from serving.answers import JsonAnswer, StoredCustomer, customer_score
from serving.at_hand import AtHand
from serving.invoices import InLanguage
from serving.messages import ID_PATTERN
from serving.problems import EVERY_ROUTE, Problem, declared
from serving.strict_requests import StrictRoute

CustomerId = Annotated[
    str, Path(min_length=1, max_length=200, pattern=ID_PATTERN, examples=["C-0042"])
]


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["last night's scores"], route_class=StrictRoute)

    @router.get(
        "/v1/customers/{customer_id:path}",
        summary="One customer, all open invoices together",
        response_model=StoredCustomer,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_customer(customer_id: CustomerId, lang: InLanguage = None) -> JsonAnswer:
        """Sums, figures weighted by the open amount, and its open invoices."""
        snapshot = at_hand.scores()
        rows = snapshot.get_customer(customer_id)
        if not rows:
            raise Problem("not-found", "No customer with open invoices has this id.")
        customer = customer_score(rows, **at_hand.said_in(lang, snapshot))
        return JsonAnswer({**at_hand.provenance(snapshot), "customer": customer})

    return router
