"""The pages for people: worklist, customer, portfolio and model.

Plain HTML that needs no script. It shows what the API answers, in the reader's language.
"""

from collections.abc import Container, Mapping
from dataclasses import asdict
from datetime import date
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.bundle import Bundle
from models.drafts import MESSAGE_CODES
from models.wording import LANGUAGES
from pipelines.snapshot import Snapshot
from serving import phrases, pictures, plan
from serving.answers import BANDS, customer_score, invoice_score, units
from serving.at_hand import NO_SCORES, AtHand
from serving.message_drafts import draft_of
from serving.model_info import Kept, told
from serving.portfolio import Risks, portfolio_risk
from serving.problems import Problem
from serving.worklist import Filters, Page, page

ROWS = 50


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    risks, kept = Risks(), Kept(at_hand)

    @router.get("/")
    async def worklist(request: Request) -> HTMLResponse:
        view = _View(at_hand, request)
        filters, start = _filters(request.query_params, view.actions)
        if filters is None:
            return view.message("bad_title", "bad_text", status=422)
        return _worklist(view, request.query_params, filters, start)

    @router.get("/customers/{customer_id:path}")
    async def customer(request: Request, customer_id: str) -> HTMLResponse:
        view = _View(at_hand, request)
        snapshot = view.snapshot
        rows = snapshot.get_customer(customer_id) if snapshot is not None else []
        if not rows:
            return view.message("problem_title", "problem_text", status=404)
        asked = request.query_params.get("draft")
        return view.render(
            "customer.html",
            customer=customer_score(rows, **view.said),
            **_contact(view, customer_id, asked),
        )

    @router.get("/portfolio")
    async def portfolio(request: Request) -> HTMLResponse:
        view = _View(at_hand, request)
        if view.snapshot is None:
            return view.render("empty.html")
        found = portfolio_risk(view.snapshot, risks, view.language)
        return view.render("portfolio.html", risk=found)

    @router.get("/model")
    async def model(request: Request) -> HTMLResponse:
        view = _View(at_hand, request)
        if at_hand.model is None:
            return view.message("no_model_title", "no_model_text", status=503)
        return view.render("model.html", **_model(at_hand, at_hand.model, kept, view))

    @router.get("/model/card")
    async def card(request: Request) -> HTMLResponse:
        view = _View(at_hand, request)
        text = kept.card(at_hand.model) if at_hand.model else None
        if text is None:
            return view.message("card", "no_card_text", status=404)
        return view.render("card.html", card=text)

    return router


def _worklist(
    view: "_View", query: Mapping[str, str], filters: Filters, start: int
) -> HTMLResponse:
    """The day's plan by customer, or the list by invoice."""
    snapshot = view.snapshot
    if snapshot is None:
        return view.render("empty.html")
    if _by_invoice(snapshot, query):
        return view.render("worklist.html", **_invoices(view, snapshot, filters, start))
    return view.render("plan.html", **_day_plan(view, snapshot, start))


def _by_invoice(snapshot: Snapshot, query: Mapping[str, str]) -> bool:
    """Whether the list by invoice is shown: it or one of its filters is wanted, or all there is."""
    filtered = any(query.get(name) for name in ("band", "signal", "action"))
    return filtered or query.get("view") == "invoices" or not snapshot.has_plan


def _invoices(view: "_View", snapshot: Snapshot, filters: Filters, start: int) -> dict[str, Any]:
    """What the page of the list by invoice shows."""
    found = page(snapshot, filters, start=start, limit=ROWS)
    return {
        "invoices": [invoice_score(row, **view.said) for row in found.rows],
        "page": found,
        "filters": {name: value for name, value in asdict(filters).items() if value},
        "sums": {name: units(cents) for name, cents in snapshot.manifest["sums"].items()},
    }


def _day_plan(view: "_View", snapshot: Snapshot, start: int) -> dict[str, Any]:
    """What the page of the day's plan shows."""
    rows, total = snapshot.plan(limit=ROWS, offset=start), snapshot.count_plan()
    end = start + len(rows)
    return {
        "contacts": [plan.contact(row, **view.said) for row in rows],
        "page": Page(rows, total, start, end if rows and end < total else None),
        "summary": plan.summary(snapshot),
        "filters": {},
    }


def _contact(view: "_View", customer_id: str, asked: str | None) -> dict[str, Any]:
    """What the plan has for a customer, and the draft that was asked for or that goes with it."""
    snapshot = view.snapshot
    planned = snapshot.get_contact(customer_id) if snapshot else None
    if snapshot is None or planned is None:
        return {"contact": None, "draft": None, "no_draft": None, "drafts": ()}
    draft, why = None, None
    action = asked or planned["code"]
    if action in MESSAGE_CODES:
        try:
            draft = draft_of(snapshot, planned, action, **view.said)
        except Problem:
            block = "do_not_contact" if planned["do_not_contact"] else "dispute"
            why = phrases.block_text(block, view.language)
    return {
        "contact": plan.contact(planned, **view.said),
        "draft": draft,
        "no_draft": why,
        "drafts": () if planned["do_not_contact"] else MESSAGE_CODES,
    }


def _model(at_hand: AtHand, model: Bundle, kept: Kept, view: "_View") -> dict[str, Any]:
    """What the page of a model shows."""
    drawn = kept.looked_at(model)
    judged = pictures.contenders(model.manifest.facts.get("metrics", {}))
    return {
        "model": told(at_hand, kept, model, view.language),
        "judged": judged,
        "contenders": [
            who for who in pictures.CONTENDERS if any(who in row["who"] for row in judged)
        ],
        "reliability": pictures.reliability(drawn),
        "summary": pictures.summary(drawn, view.language),
        "dependence": pictures.dependence(drawn, view.language, view.said["currency"]),
    }


class _View:
    """One answer to one reader."""

    def __init__(self, at_hand: AtHand, request: Request) -> None:
        self.at_hand = at_hand
        self.snapshot = at_hand.snapshot()
        self.here = request.url.path
        asked = request.query_params.get("lang")
        self.asked = asked if asked in LANGUAGES else None
        self.language = self.asked or preferred_language(
            request.headers.get("accept-language", ""), default=at_hand.settings.language
        )

        self.said = at_hand.said_in(self.language, self.snapshot)
        self.actions = phrases.actions(at_hand.catalogue, self.language)

    def message(self, title: str, text: str, *, status: int) -> HTMLResponse:
        """A page that says one thing."""
        return self.render("message.html", status=status, title=title, text_key=text)

    def render(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        snapshot = self.snapshot
        text = (
            _environment(self.language, self.said["currency"])
            .get_template(template)
            .render(
                language=self.language,
                lang_asked=self.asked,
                here=self.here,
                actions=self.actions,
                snapshot=snapshot,
                age_days=self.at_hand.age_days(snapshot) if snapshot else 0,
                is_stale=snapshot is not None and self.at_hand.is_stale(snapshot),
                is_invented=snapshot is not None and self.at_hand.is_invented(snapshot),
                is_degraded=self.at_hand.model is None,
                lost_inputs=len(self.at_hand.lost_inputs),
                is_damaged=self.at_hand.scores_missing != NO_SCORES,
                **context,
            )
        )
        headers = {"Content-Language": self.language, "Vary": "Accept-Language"}
        return HTMLResponse(text, status, headers)


def preferred_language(accept: str, *, default: str) -> str:
    """The language of ours that a browser likes best, by Accept-Language."""
    best, best_weight = default, 0.0
    for choice in accept.split(","):
        name, _, weight_text = choice.strip().partition(";q=")
        language = name.strip().lower().split("-")[0]
        try:
            weight = float(weight_text or 1)
        except ValueError:
            continue
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _filters(query: Mapping[str, str], actions: Container[str]) -> tuple[Filters | None, int]:
    """What the address asks for, None where it asks for what there is not."""
    band, signal, action = (query.get(name) or None for name in ("band", "signal", "action"))
    start = query.get("from", "0")
    known = (
        (band is None or band in BANDS)
        and (signal is None or signal in phrases.words("en")["signals"])
        and (action is None or action in actions)
        and start.isascii()
        and start.isdecimal()
        and len(start) <= 9
    )
    return (Filters(band, signal, action), int(start)) if known else (None, 0)


@cache
def _environment(language: str, currency: str) -> Environment:
    """Templates that speak one language; every value is escaped, none may be undefined."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = phrases.words(language)
    environment.globals.update(
        words=words,
        text=SimpleNamespace(**words["page"]),  # in a dict, `text.clear` would be its method
        bands=BANDS,
        word=partial(phrases.word, language=language),
    )
    environment.filters.update(
        money=partial(phrases.money, currency=currency, language=language),
        whole_money=partial(phrases.whole_money, currency=currency, language=language),
        percent=partial(phrases.percent, language=language),
        signed_money=partial(phrases.signed_money, currency=currency, language=language),
        change=partial(phrases.change, currency=currency, language=language),
        points=partial(phrases.points, language=language),
        three=partial(phrases.three, language=language),
        times=partial(phrases.times, language=language),
        begun=phrases.begun,
        block=partial(phrases.block_text, language=language),
        without_points=partial(phrases.without_points, language=language),
        decimal=partial(phrases.decimal, language=language),
        day=partial(phrases.day, language=language),
        iso_day=lambda text: phrases.day(date.fromisoformat(text), language, long=True),
        until=partial(phrases.between, language=language),
        due_words=partial(_due_words, text=words["page"]),
    )
    return environment


def _due_words(days_past_due: int, *, text: Mapping[str, str]) -> str:
    """Where an invoice stands to its due date, as a person says it."""
    if days_past_due == 0:
        return text["due_today"]
    which = "past_due" if days_past_due > 0 else "due_in"
    return text[f"{which}_one" if abs(days_past_due) == 1 else which].format(
        days=abs(days_past_due)
    )
