"""A verdict's sentences are recognised and told in another language, whatever fills them."""

import string
from dataclasses import replace

import pytest

from models import registry
from pipelines import verdict_words, version_history
from pipelines.contest import CHALLENGER, CHAMPION, decide
from pipelines.verdict_words import JOINED
from tests.pipelines.test_contest import contest

CODES = sorted(verdict_words._sentences("en"))
FILLED = {
    "other": "customer curve",
    "test": "issue",
    "horizon": "p_late_30",
    "why": verdict_words.say("later", version="v1", until="2026-01-01", begin="2025-10-01"),
}


def places(language: str, code: str) -> set[str]:
    sentence = verdict_words._sentences(language)[code]
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("code", CODES)
def test_every_sentence_is_recognised_and_has_its_italian(code):
    assert places("it", code) == places("en", code)
    values = {name: FILLED.get(name, f"<{name}>") for name in places("en", code)}
    kept = verdict_words.say(code, **values)
    assert verdict_words.told(kept, "en") == [kept.replace("p_late_30", "“over 30 days”")]
    (italian,) = verdict_words.told(kept, "it")
    assert italian != kept
    assert all(f"<{name}>" in italian for name in values if name not in FILLED)
    both = JOINED.join((kept, verdict_words.say("look")))
    assert verdict_words.told(both, "it") == [italian, verdict_words._sentences("it")["look"]]


def test_numbers_are_written_as_the_language_writes_them():
    kept = verdict_words.say("holds", other="champion", test="issue", worse="-0.0126", error="0.01")
    assert verdict_words.told(kept, "it")[0].endswith("log-loss -0,0126 ± 0,01")


def test_what_the_contest_decides_is_told_in_italian():
    close = contest(challenger=0, champion=0, customer_curve=0)
    leaked = {**close.said, CHALLENGER: 0.8 * close.said[CHALLENGER] + 0.2 * close.y}
    for judged in (
        close,
        contest(challenger=0.8, champion=0.8, customer_curve=0.0),
        replace(close, champion_is_recipe=True),
        replace(close, said=leaked),
        replace(close, y=close.y * 0),
    ):
        told = verdict_words.told(JOINED.join(decide(judged).why), "it")
        assert told is not None
        assert not any(word in " ".join(told) for word in (" the ", "lose", CHAMPION))


@pytest.mark.parametrize("other", ["something of another version", "loses to nobody", "x; y"])
def test_a_sentence_of_another_version_is_left_as_it_is(other):
    assert verdict_words.told(other, "it") is None
    assert verdict_words.told(f"{verdict_words.say('alike')}; {other}", "it") is None


def test_the_registered_name_is_the_registrys():
    assert version_history.REGISTERED == registry.NAME
