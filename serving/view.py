"""A view: one page for one reader, in the language, the currency and the state of the service."""

import uuid
from collections.abc import Mapping
from datetime import date
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import Headers
from starlette.types import Scope

from models.bundle import SHARED_PRIOR
from models.wording import LANGUAGES
from serving import phrases
from serving.answers import BANDS
from serving.at_hand import NO_SCORES, AtHand


class View:
    """One answer to one reader."""

    def __init__(self, at_hand: AtHand, request: Request) -> None:
        self.at_hand = at_hand
        self.snapshot = at_hand.snapshot()
        self.here, self.query_text = request.url.path, request.url.query
        asked = request.query_params.get("lang")
        self.asked = asked if asked in LANGUAGES else None
        self.language = language_asked(request.scope, default=at_hand.settings.language)
        self.said = at_hand.said_in(self.language, self.snapshot)
        self.actions = phrases.actions(at_hand.catalogue, self.language)

    def query(self, **wanted: object) -> str:
        """The query of a link, in the language that was asked for; what is None is left out."""
        given = {name: value for name, value in wanted.items() if value is not None}
        if self.asked:
            given["lang"] = self.asked
        return f"?{urlencode(given)}" if given else ""

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
                asked_query=self.query_text,
                other_language=_in_other_language(self.query_text, self.language),
                query=self.query,
                form_key=lambda: uuid.uuid4().hex,
                actions=self.actions,
                snapshot=snapshot,
                age_days=self.at_hand.age_days(snapshot) if snapshot else 0,
                is_stale=snapshot is not None and self.at_hand.is_stale(snapshot),
                is_invented=snapshot is not None and self.at_hand.is_invented(snapshot),
                is_prior=snapshot is not None and self.at_hand.source_of(snapshot) == SHARED_PRIOR,
                is_degraded=self.at_hand.model is None,
                lost_inputs=len(self.at_hand.lost_inputs),
                is_damaged=self.at_hand.scores_missing != NO_SCORES,
                **context,
            )
        )
        headers = {"Content-Language": self.language, "Vary": "Accept-Language"}
        return HTMLResponse(text, status, headers)


def bare_page(template: str, language: str, *, asked: str | None, **context: Any) -> str:
    """A page that knows of no ledger: nothing but the frame and what is given.

    Its links stay in the language that was asked for.
    """
    page = _environment(language, "EUR").get_template(template)
    return page.render(
        language=language,
        lang_asked=asked,
        other_language=_in_other_language("", language),
        snapshot=None,
        **context,
    )


def _in_other_language(query_text: str, language: str) -> str:
    """The query of the same page in the other language."""
    kept = [(name, value) for name, value in parse_qsl(query_text) if name != "lang"]
    return urlencode([*kept, ("lang", next(each for each in LANGUAGES if each != language))])


def language_asked(scope: Scope, *, default: str) -> str:
    """The language that the address names, else the one that the browser likes best."""
    accepted = Headers(scope=scope).get("accept-language", "")
    return language_named(scope) or preferred_language(accepted, default=default)


def language_named(scope: Scope) -> str | None:
    """The language that the address names."""
    (asked,) = parse_qs(scope["query_string"].decode("latin-1")).get("lang", [""])[:1]
    return asked if asked in LANGUAGES else None


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
        axis_amount=partial(phrases.axis_amount, language=language),
        signed_money=partial(phrases.signed_money, currency=currency, language=language),
        change=partial(phrases.change, currency=currency, language=language),
        points=partial(phrases.points, language=language),
        one=partial(phrases.one, language=language),
        three=partial(phrases.three, language=language),
        times=partial(phrases.times, language=language),
        begun=phrases.begun,
        twice=lambda value: (value, value),
        block=partial(phrases.block_text, language=language),
        without_points=partial(phrases.without_points, language=language),
        decimal=partial(phrases.decimal, language=language),
        day=partial(phrases.day, language=language),
        iso_day=lambda text: phrases.day(_as_day(text), language, long=True),
        month=partial(phrases.month, language=language),
        iso_short=lambda text: phrases.short_day(_as_day(text), language),
        until=partial(phrases.between, language=language),
        due_words=partial(_due_words, text=words["page"]),
    )
    return environment


def _as_day(told: str | date) -> date:
    return told if isinstance(told, date) else date.fromisoformat(told)


def _due_words(days_past_due: int, *, text: Mapping[str, str]) -> str:
    """Where an invoice stands to its due date, as a person says it."""
    if days_past_due == 0:
        return text["due_today"]
    which = "past_due" if days_past_due > 0 else "due_in"
    return text[f"{which}_one" if abs(days_past_due) == 1 else which].format(
        days=abs(days_past_due)
    )
