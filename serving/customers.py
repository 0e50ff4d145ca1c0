"""GET /v1/customers/{customer_id}: the last night's scores of one customer, together.

And below it, a draft of a message to this customer.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from serving.answers import JsonAnswer, StoredCustomer, customer_score
from serving.at_hand import AtHand
from serving.invoices import InLanguage
from serving.message_drafts import StoredDraft, draft_of
from serving.messages import ID_PATTERN
from serving.plan import NO_PLAN
from serving.problems import EVERY_ROUTE, Problem, declared
from serving.strict_requests import StrictRoute
from serving.worklist import ACTION_PATTERN

CustomerId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        pattern=ID_PATTERN,
        description="as the ledger names it; its slashes may stay",
        examples=["C-0042"],
    ),
]


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["last night's scores"], route_class=StrictRoute)

    @router.get(  # before the customer itself, whose id may have slashes
        "/v1/customers/{customer_id:path}/draft",
        summary="A draft of a message to a customer",
        response_model=StoredDraft,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE, 409),
    )
    async def get_draft(
        customer_id: CustomerId,
        action: Annotated[
            str,
            Query(
                pattern=ACTION_PATTERN,
                description="the action whose message is wanted",
                examples=["reminder_1"],
            ),
        ],
        lang: InLanguage = None,
    ) -> JsonAnswer:
        """For a person to read, change and send: Puntuale sends nothing."""
        snapshot = at_hand.scores()
        if not snapshot.has_plan:
            raise Problem("no-scores", NO_PLAN)
        planned = snapshot.get_contact(customer_id)
        if planned is None:
            raise Problem("not-found", "No customer with open invoices has this id.")
        draft = draft_of(snapshot, planned, action, **at_hand.said_in(lang, snapshot))
        return JsonAnswer({**at_hand.provenance(snapshot), "draft": draft})

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
