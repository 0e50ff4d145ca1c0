"""The pages for people: worklist, customer, portfolio, model, alerts and quarantine.

Plain HTML that needs no script. It shows what the API answers, in the reader's language.
"""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from serving import (
    alert_pages,
    customer_page,
    model_page,
    page_forms,
    portfolio_page,
    worklist_page,
)
from serving.at_hand import AtHand
from serving.model_info import Kept
from serving.portfolio import Risks
from serving.view import View


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    risks, kept = Risks(), Kept(at_hand)

    @router.get("/")
    def worklist(request: Request) -> HTMLResponse:
        return worklist_page.answer(View(at_hand, request), request.query_params)

    @router.get("/customers/{customer_id:path}")
    def customer(request: Request, customer_id: str) -> HTMLResponse:
        return customer_page.answer(View(at_hand, request), customer_id, request.query_params)

    @router.get("/portfolio")
    def portfolio(request: Request) -> HTMLResponse:
        return portfolio_page.answer(View(at_hand, request), risks)

    @router.get("/alerts")
    def alerts(request: Request) -> HTMLResponse:
        return alert_pages.alerts(View(at_hand, request), request.query_params)

    @router.get("/quarantine")
    def quarantine(request: Request) -> HTMLResponse:
        return alert_pages.quarantine(View(at_hand, request))

    @router.get("/model")
    def model(request: Request) -> HTMLResponse:
        view = View(at_hand, request)
        if at_hand.model is None:
            return view.message("no_model_title", "no_model_text", status=503)
        return model_page.answer(view, at_hand.model, kept, risks)

    @router.get("/model/card")
    def card(request: Request) -> HTMLResponse:
        view = View(at_hand, request)
        text = kept.card(at_hand.model) if at_hand.model else None
        if text is None:
            return view.message("card", "no_card_text", status=404)
        return view.render("card.html", card=text)

    page_forms.add(router, at_hand)
    return router
