"""Phrases: the words of a language for a score's codes and figures, and for the page.

The words are data (`serving/phrases.toml`); the sentences of reasons come with the features.
"""

import math
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
from babel.dates import format_date, format_interval
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent

from models import actions as decisions
from models import reasons, signals, wording
from models.actions import Decisions
from models.catalogue import Catalogue
from models.wording import Wording, locale
from pipelines.features import BOOK

Words = Mapping[str, Mapping[str, str]]


@cache
def words(language: str) -> Words:
    """All words of a language, by what they name."""
    text = Path(__file__).with_name("phrases.toml").read_text(encoding="utf-8")
    found: Words = tomllib.loads(text)[language]
    return found


def word(kind: str, code: str, language: str) -> str:
    """The word for a code; a code without one is shown as it is, never hidden."""
    return words(language)[kind].get(code, code.replace("_", " "))


def cause_name(cause: str, language: str) -> str:
    """What a group of facts is called; one without a name is shown as it is."""
    named = reasons.CAUSES.get(cause)
    return named.in_language(language) if named else cause.replace("_", " ")


def actions(catalogue: Catalogue, language: str) -> dict[str, str]:
    """The names of the actions that may be advised, as this company's catalogue has them."""
    named = {a.code: a.it if language == "it" else a.en for a in catalogue.enabled}
    return {**words(language)["actions"], **{code: begun(name) for code, name in named.items()}}


def begun(text: str) -> str:
    """The text with a capital letter to begin with."""
    return text[:1].upper() + text[1:]


def action_text(
    action: Mapping[str, Any], *, catalogue: Catalogue, language: str, currency: str
) -> str:
    """The decision in a sentence; one that this catalogue does not know is told by its codes."""
    waits = action["code"] == decisions.WAIT
    whys = decisions.WAIT_SENTENCES if waits else get_args(decisions.Why)
    known = waits or action["code"] in {option.code for option in catalogue.actions}
    if not known or action["why"] not in whys:
        return begun(word("actions", action["code"], language))
    decided = Decisions(
        code=[action["code"]],
        channel=[action["channel"]],
        on=np.array([(action["on"] - date(1970, 1, 1)).days], np.int32),
        why=[action["why"]],
        expected_value_cents=np.array([action["expected_value_cents"]], np.int64),
        effect_days=np.array([_or_nan(action["effect_days"])]),
        effect_lo=np.array([_or_nan(action["effect_lo"])]),
        effect_hi=np.array([_or_nan(action["effect_hi"])]),
        effect_source=[action["effect_source"]],
        blocked_action=[""],  # scores keep what blocks, not whom: the blocks have their own place
        blocked_by=[action["blocked_by"] or []],
        alternatives=[[]],
        legal_basis=[action["legal_basis"]],
        missing_documents=[[]],
    )
    return begun(decisions.sentence(decided, 0, catalogue, language=language, currency=currency))


def block_text(block: str, language: str) -> str:
    """What stands in the way of an action; a block without words is shown as it is."""
    if block.partition(":")[0] not in decisions.BLOCK_SENTENCES:
        return block.replace("_", " ")
    return decisions.block_sentence(block, language)


@cache
def wordings() -> Mapping[str, Wording]:
    """The sentences of the features, by name."""
    return {name: Wording(f.cause, f.unit, f.it, f.en) for name, f in BOOK.items()}


def signal_text(signal: Mapping[str, Any], language: str, currency: str) -> str:
    """The warning in a sentence."""
    if signal["code"] not in {rule.code for rule in signals.default_rules()}:
        return word("signals", signal["code"], language)
    return signals.sentence(
        signal["code"],
        before=_or_nan(signal["before"]),
        now=_or_nan(signal["now"]),
        language=language,
        currency=currency,
    )


def reason_text(reason: Mapping[str, Any], language: str, currency: str) -> str:
    """The sentence of a reason, with its points."""
    return reasons.sentence(
        reason["feature_group"],
        reason["feature"],
        value=_or_nan(reason["value"]),
        usual=_or_nan(reason["usual_value"]),
        points=reason["points"],
        wordings=wordings(),
        language=language,
        currency=currency,
    )


def is_known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def money(amount: float, currency: str, language: str) -> str:
    return str(format_currency(amount, currency, locale=locale(language)))


def whole_money(amount: float, currency: str, language: str) -> str:
    """An amount without its cents, for tables that are scanned."""
    here = locale(language)
    pattern = here.currency_formats["standard"].pattern.replace(".00", "")
    return str(format_currency(amount, currency, pattern, locale=here, currency_digits=False))


def axis_amount(amount: float, language: str) -> str:
    """An amount beside a picture's line, short: from a million on in millions."""
    here = locale(language)
    if abs(amount) < 1_000_000:
        return str(format_decimal(amount, "#,##0", locale=here))
    return str(format_compact_decimal(amount, locale=here, fraction_digits=1))


def signed_money(amount: float, currency: str, language: str) -> str:
    """A whole amount with its sign; nothing is neither more nor less."""
    sign = "+" if round(amount) > 0 else "−" if round(amount) < 0 else ""
    return sign + whole_money(abs(amount), currency, language)


def change(amount: Mapping[str, float | None], currency: str, language: str) -> str:
    """How much an amount has moved since before; nothing where before is not known."""
    now, before = amount["now"], amount["before"]
    if now is None or before is None:
        return ""
    if round(now) == round(before):
        return words(language)["page"]["unchanged"]
    return signed_money(now - before, currency, language)


def percent(share: float, language: str) -> str:
    """A probability as a person says it: never 0 % or 100 % for what may still be otherwise."""
    sign = "< " if 0 < share < 0.01 else "> " if 0.99 < share < 1 else ""
    shown = min(max(share, 0.01), 0.99) if sign else share
    return sign + str(format_percent(shown, locale=locale(language)))


def points(share: float, language: str) -> str:
    """A contribution in points of a hundred, with its sign."""
    sign = "+" if share > 0 else "−" if share < 0 else ""
    return sign + str(format_decimal(abs(share) * 100, "0.0", locale=locale(language)))


def without_points(text: str, share: float, language: str) -> str:
    """A reason's sentence where its points stand in a column of their own."""
    return text.removesuffix(": " + wording.points(share, language))


def decimal(value: float, language: str) -> str:
    return str(format_decimal(value, "#,##0.#", locale=locale(language)))


def one(value: float, language: str) -> str:
    """A figure with one decimal, as points are told: what adds up is seen to."""
    return str(format_decimal(value, "0.0", locale=locale(language)))


def three(value: float, language: str) -> str:
    """A figure with three decimals, as they are compared."""
    return str(format_decimal(value, "0.000", locale=locale(language)))


def times(value: float, language: str) -> str:
    """A factor: ×1.35."""
    return "×" + str(format_decimal(value, "#,##0.00", locale=locale(language)))


def day(value: date, language: str, *, long: bool = False) -> str:
    return str(format_date(value, "d MMMM y" if long else "d MMM y", locale=locale(language)))


def short_day(value: date, language: str) -> str:
    """A day without its year, for the foot of a picture."""
    return str(format_date(value, "d MMM", locale=locale(language)))


def month(value: date, language: str) -> str:
    """A month, with its year where the year begins."""
    form = "LLL y" if value.month == 1 else "LLL"
    return str(format_date(value, form, locale=locale(language)))


def between(first: date, last: date, language: str) -> str:
    """The span of two days, without what they have in common said twice."""
    return str(format_interval(first, last, "yMMMd", locale=locale(language)))
