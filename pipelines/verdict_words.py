"""The sentences of a verdict: kept in English, told in the language of who reads them."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

JOINED = "; "
Sentences = Mapping[str, str]


def say(code: str, **values: str) -> str:
    """The sentence in English, as it is kept."""
    return _sentences("en")[code].format(**values)


def told(kept: str, language: str) -> list[str] | None:
    """Kept sentences, joined or alone, one by one in a language; None where one is not known."""
    found, rest = [], kept
    while rest:
        known = _recognised(rest)
        if known is None:
            return None
        code, values, rest = known
        found.append(_in_language(code, values, language))
    return found


def _recognised(text: str) -> tuple[str, dict[str, str], str] | None:
    """The code of the sentence that a text begins with, what fills it, and what comes after."""
    for code, pattern in _patterns().items():
        if match := pattern.match(text):
            return code, match.groupdict(), text[match.end() :].removeprefix(JOINED)
    return None


def _in_language(code: str, values: dict[str, str], language: str) -> str:
    if "why" in values and (reason := _recognised(values["why"])):
        values = values | {"why": _in_language(reason[0], reason[1], language)}
    words = _filled(language)
    filled = {name: words.get(value, _number(value, language)) for name, value in values.items()}
    return _sentences(language)[code].format(**filled)


def _number(value: str, language: str) -> str:
    is_number = re.fullmatch(r"[+-]?\d+\.\d+", value) is not None
    return value.replace(".", ",") if is_number and language == "it" else value


@cache
def _patterns() -> Mapping[str, re.Pattern[str]]:
    """What each English sentence looks like, up to its end or the next one's beginning."""
    return {code: _pattern(sentence) for code, sentence in _sentences("en").items()}


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", sentence)
    told = "".join(
        f"(?P<{part}>[^;]+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)
    )
    return re.compile(rf"{told}(?={JOINED}|$)")


@cache
def _sentences(language: str) -> Sentences:
    words = _words()[language]
    return {**words["sentences"], **words["why"]}


@cache
def _filled(language: str) -> Sentences:
    return _words()[language]["filled"]


@cache
def _words() -> Mapping[str, Mapping[str, Sentences]]:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
