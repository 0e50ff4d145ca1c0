"""The night's report as one page: no script, nothing to load, readable in print."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.catalogue import Catalogue
from models.wording import locale
from pipelines.kpis import BUCKETS
from pipelines.settings import Settings

FOLDER = Path(__file__).parent
WIDTH, HEIGHT = 720, 200  # of the forecast's picture, in its own units
_FOOT, _HEAD = 22, 14  # below the bars for their weeks, above them for the highest amount
Told = Mapping[str, Any]


def page(told: Told, settings: Settings) -> str:
    """The HTML of a night (`pipelines.night_report.tell`), in the installation's language."""
    language = settings.language
    words = words_of(language)
    facts = told["facts"]
    catalogue = Catalogue.load(settings.catalogue)
    actions = {a.code: a.it if language == "it" else a.en for a in catalogue.actions}
    at = datetime.fromisoformat(facts["computed_at"]).astimezone(ZoneInfo(settings.zone))
    return (
        _environment(language, facts["currency"])
        .get_template("night.html")
        .render(
            told=told,
            facts=facts,
            language=language,
            words=words,
            actions=actions,
            made_at=at.strftime("%Y-%m-%d %H:%M"),
            ageing=_ageing(facts),
            bars=_bars((facts.get("forecast") or {}).get("weeks", [])),
            width=WIDTH,
            height=HEIGHT,
            foot=HEIGHT - _FOOT,
        )
    )


@cache
def words_of(language: str) -> Mapping[str, Any]:
    """The words of the report in a language, one table of all."""
    told = tomllib.loads((FOLDER / "night_words.toml").read_text(encoding="utf-8"))
    found: Mapping[str, Any] = told[language]
    return found


def _ageing(facts: Told) -> list[dict[str, Any]]:
    """Each bucket with what is open, its share, and what is to be set aside for it."""
    if not facts.get("kpis"):
        return []
    opened = facts["kpis"]["now"]["ageing_cents"]
    whole = sum(opened.values())
    set_aside = {row["bucket"]: row for row in facts.get("provision", ())}
    return [
        {
            "bucket": bucket,
            "cents": opened[bucket],
            "share": opened[bucket] / whole if whole else 0.0,
            "provision": set_aside.get(bucket, {}).get("provision_cents"),
            "expected": set_aside.get(bucket, {}).get("expected_loss_cents"),
        }
        for bucket in BUCKETS
    ]


def _bars(weeks: Sequence[Told]) -> list[dict[str, Any]]:
    """The forecast's bars with their intervals, in the picture's units."""
    most = max((week["high_cents"] for week in weeks), default=0) or 1
    room = HEIGHT - _FOOT - _HEAD
    step = WIDTH / max(len(weeks), 1)

    def y(cents: int) -> float:
        return round(HEIGHT - _FOOT - room * max(cents, 0) / most, 1)

    return [
        {
            "begins": week["begins"],
            "x": round(step * at + step * 0.2, 1),
            "width": round(step * 0.6, 1),
            "middle": round(step * (at + 0.5), 1),
            **{name: y(week[f"{name}_cents"]) for name in ("expected", "low", "high")},
            "cents": week["expected_cents"],
        }
        for at, week in enumerate(weeks)
    ]


@cache
def _environment(language: str, currency: str) -> Environment:
    """Templates in which every value is escaped and none may be missing."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    here = locale(language)
    pattern = here.currency_formats["standard"].pattern.replace(".00", "")

    def money(cents: int | None) -> str:
        if cents is None:
            return "–"
        amount = cents / 100
        return str(format_currency(amount, currency, pattern, locale=here, currency_digits=False))

    def number(value: float | None, form: str = "#,##0") -> str:
        return "–" if value is None else str(format_decimal(value, form, locale=here))

    def percent(share: float | None) -> str:
        if share is None:
            return "–"
        form = "#,##0.#%" if 0 < share < 0.01 else "#,##0%"
        return str(format_percent(share, form, locale=here))

    def day(value: date | str, form: str = "d MMM y") -> str:
        read = date.fromisoformat(value) if isinstance(value, str) else value
        return str(format_date(read, form, locale=here))

    def signed(shown: str, value: float) -> str:
        return f"+{shown}" if value > 0 else shown

    environment.filters.update(
        money=money,
        number=number,
        percent=percent,
        day=day,
        change=lambda cents: signed(money(cents), cents),
        code=lambda code, named: named.get(code, code.replace("_", " ")),
    )
    return environment
