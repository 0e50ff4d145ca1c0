from datetime import date

import pytest

from models import signals
from models.horizons import PROBABILITY_COLUMNS
from pipelines.rules import RULES
from serving.phrases import between, day, money, percent, points, whole_money, word, words
from serving.worklist import Signal


def test_both_languages_have_the_same_words():
    italian, english = words("it"), words("en")
    assert {kind: set(italian[kind]) for kind in italian} == {
        kind: set(english[kind]) for kind in english
    }


@pytest.mark.parametrize("language", ["it", "en"])
def test_every_signal_and_probability_has_a_word(language):
    known = words(language)
    assert {rule.code for rule in signals.default_rules()} <= known["signals"].keys()
    assert set(Signal.__args__) == known["signals"].keys()
    assert set(PROBABILITY_COLUMNS) == known["probabilities"].keys()


def test_a_code_without_a_word_is_shown_as_it_is():
    assert word("actions", "send_flowers", "it") == "send flowers"


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "0%"), (0.004, "< 1%"), (0.42, "42%"), (0.996, "> 99%"), (1.0, "100%")],
)
def test_a_probability_is_certain_only_where_it_is(share, said):
    assert percent(share, "en") == said


def test_figures_are_written_as_the_language_writes_them():
    assert money(1234.5, "EUR", "it") == "1.234,50\xa0€"
    assert money(1234.5, "EUR", "en") == "€1,234.50"
    assert whole_money(1234567.5, "EUR", "it") == "1.234.568\xa0€"
    assert points(-0.125, "it") == "−12,5"
    assert day(date(2026, 7, 1), "it", long=True) == "1 luglio 2026"
    assert "2026" in between(date(2026, 7, 1), date(2026, 9, 1), "en")


@pytest.mark.parametrize("language", ["it", "en"])
def test_every_rule_of_a_row_has_words(language):
    rules = {rule.name for of_table in RULES.values() for rule in of_table}
    assert rules - words(language)["rules"].keys() == set()
