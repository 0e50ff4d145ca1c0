"""How a quantity is said to a person, in Italian and in English."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache, lru_cache, partial

from babel import Locale
from babel.dates import format_date, get_day_names, get_month_names
from babel.numbers import format_currency, format_decimal, format_percent

from models import movements

LANGUAGES = ("it", "en")


@dataclass(frozen=True)
class Wording:
    """What one value says: its sentence in each language, with places for {value} and {usual}.

    A part in round brackets that holds {usual} is left out where the usual value is not known. A
    place may bring its noun, in the singular and the plural: {value:invoice/invoices}.
    """

    cause: str
    unit: str
    it: str
    en: str

    def in_language(self, language: str) -> str:
        return self.it if checked(language) == "it" else self.en


def checked(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}, got: {language}")
    return language


@cache
def locale(language: str) -> Locale:
    return Locale.parse({"it": "it_IT", "en": "en_GB"}[checked(language)])


KEPT = 1 << 14  # texts; a locale takes its time over each, and figures rounded for reading recur


@lru_cache(KEPT)
def counted(number: Decimal, one: str, other: str, language: str) -> str:
    """The number with the noun in the form that the language wants: 1 giorno, 2 giorni."""
    form = one if locale(language).plural_form(abs(number)) == "one" else other
    return f"{_written(number, language)} {form}"


def _decimal(value: float, places: int = 0) -> Decimal:
    """The value rounded for reading."""
    return _plain(Decimal(f"{value:.{places}f}"))


def _plain(number: Decimal) -> Decimal:
    """The number without zeros at its end, and without a minus before zero."""
    rounded = number.normalize() + 0
    return rounded.quantize(Decimal(1)) if rounded == rounded.to_integral() else rounded


def _days(value: float, language: str) -> str:
    places = 1 if abs(value) < 2 else 0  # half a day matters only beside one
    one, other = ("giorno", "giorni") if language == "it" else ("day", "days")
    return counted(_decimal(value, places), one, other, language)


def _days_late(value: float, language: str) -> str:
    """Days from the due date, said by which side of it they lie."""
    if round(value) == 0:
        return "alla scadenza" if language == "it" else "on the due date"
    side = "dopo" if value > 0 else "prima"
    if language == "it":
        article = "della" if side == "prima" else "la"
        return f"{_days(abs(round(value)), language)} {side} {article} scadenza"
    return f"{_days(abs(round(value)), language)} {'after' if value > 0 else 'before'} the due date"


@lru_cache(KEPT)
def _share(value: float, language: str) -> str:
    places = "#,##0.#%" if 0 < abs(value) < 0.01 else "#,##0%"
    return str(format_percent(value + 0.0, format=places, locale=locale(language)))


def _date(value: float, language: str) -> str:
    day = date(1970, 1, 1) + timedelta(days=int(value))
    return str(format_date(day, format="long", locale=locale(language)))


def _number(value: float, language: str) -> str:
    return _written(_decimal(value, 2), language)


@lru_cache(KEPT)
def _written(number: Decimal, language: str) -> str:
    return str(format_decimal(number, format="#,##0.##", locale=locale(language)))


def _yes(value: float, language: str) -> str:
    return ({"it": "sì", "en": "yes"} if value else {"it": "no", "en": "no"})[language]


UNITS: dict[str, Callable[[float, str], str]] = {
    "days": _days,
    "days_late": _days_late,
    "share": _share,
    "unpaid_share": lambda value, language: _share(max(value, 0.0), language),  # or paid too much
    "count": lambda value, language: _number(round(value), language),
    "number": _number,
    "tenths": lambda value, language: _number(round(value, 1), language),
    "ratio": lambda value, language: f"{_number(value, language)}×",
    "date": _date,
    "weekday": lambda value, language: get_day_names("wide", locale=locale(language))[int(value)],
    "month": lambda value, language: get_month_names("wide", locale=locale(language))[int(value)],
    "flag": _yes,
}
MONEY_UNITS = {"eur": 1, "cents": 100}  # in the ledger's currency, whole or in hundredths


@lru_cache(KEPT)
def quantity(value: float, unit: str, language: str, *, currency: str = "EUR") -> str:
    """A value in its unit, as this language writes it."""
    checked(language)
    if not math.isfinite(value):
        return "non noto" if language == "it" else "not known"
    if unit in MONEY_UNITS:
        amount = _decimal(value / MONEY_UNITS[unit], 2)
        return str(format_currency(amount, currency, locale=locale(language)))
    if unit == "ln_cents":  # a logarithm is no amount to a person
        amount = _decimal(math.exp(value) / MONEY_UNITS["cents"])
        here = locale(language)
        pattern = here.currency_formats["standard"].pattern.replace(".00", "")
        return str(format_currency(amount, currency, pattern, locale=here, currency_digits=False))
    if unit in movements.MOVEMENTS:
        return movements.said(value, unit, language, size=partial(quantity, currency=currency))
    if unit not in UNITS:
        known = ", ".join([*UNITS, *MONEY_UNITS, "ln_cents", *movements.MOVEMENTS])
        raise ValueError(f"unit must be one of {known}, got: {unit}")
    return UNITS[unit](value, language)


def points(value: float, language: str) -> str:
    """A share of probability as signed points of a hundred: +11 punti, −1 point, +0.4 points."""
    places = 0 if abs(value) >= 0.0095 else 1
    return _points(f"{100 * value:.{places}f}", language)


@lru_cache(KEPT)
def _points(rounded: str, language: str) -> str:
    number = _plain(Decimal(rounded))
    one, other = ("punto", "punti") if checked(language) == "it" else ("point", "points")
    sign = "+" if number > 0 else ""
    return sign + counted(number, one, other, language)


_PLACE = re.compile(r"\{(\w+)(?::([^/{}]*)/([^/{}]*))?\}")
_ARTICLE = re.compile(r"\b(il|del|al|nel|dal|sul) (?=(\d[\d.]*)(?:,\d+)?%)")
_VOWELS = {"1", "11", "11000"}  # uno, undici; otto, ottanta and their like are told by their 8


def fill(template: str, **quantities: str | None) -> str:
    """The template with its places filled; a bracketed part whose quantity is None is left out."""
    for name, said in quantities.items():
        place = "{" + name + "}"
        while said is None and place in template:
            at = template.index(place)
            start, end = template.rfind("(", 0, at), template.find(")", at)
            if start < 0 or end < 0:
                raise ValueError(f"a place that may be empty must stand in brackets: {template!r}")
            template = f"{template[:start].rstrip()}{template[end + 1 :]}"

    def filled(found: re.Match[str]) -> str:
        name, one, other = found.groups()
        said = quantities.get(name)
        if said is None:
            return found[0]
        return said if one is None else f"{said} {one if said == '1' else other}"

    return _PLACE.sub(filled, template)


def elided(text: str, language: str) -> str:
    """Italian with the articles that a number wants: l'8%, dell'11%, lo 0%."""

    def with_article(found: re.Match[str]) -> str:
        article, number = found[1], found[2].replace(".", "")
        stem = "" if article == "il" else article
        if number == "0":
            return f"{stem}lo "
        if number[0] == "8" or number in _VOWELS:
            return f"{stem}l'"
        return found[0]

    return _ARTICLE.sub(with_article, text) if language == "it" else text
