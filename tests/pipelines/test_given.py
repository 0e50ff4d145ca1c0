"""Given features: scored without the ledger, with the bits that the ledger gives."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, askable, ledger_rows, to_ledger

from pipelines import given as given_features
from pipelines import scoring
from pipelines.given import GIVEN_SCHEMA
from tests.trained import small

OF_THE_HISTORY = ["signals"]  # since when they stand


def same_bits(ledger, as_of, model, asked=None):
    """Whether the scores are those of what was looked at, by way of JSON."""
    expected = scoring.score(ledger, as_of, model, invoices=asked).select(GIVEN_SCHEMA.names)
    looked = given_features.looked_at(ledger, as_of, model, invoices=asked)
    rows = json.loads(json.dumps(looked, allow_nan=False))
    found = given_features.score(rows, as_of, model)
    return found.drop_columns(OF_THE_HISTORY).equals(expected.drop_columns(OF_THE_HISTORY))


def test_a_company_gets_the_bits_that_its_ledger_gives():
    trained = small()
    assert same_bits(trained.ledger, trained.as_of, trained.bundle)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ledger_rows(), as_of=st.integers(BASE + 20, BASE + 500))
def test_any_ledger_gets_the_bits_that_it_gives_itself(rows, as_of):
    assert same_bits(to_ledger(rows), as_of, small().bundle, list(askable(rows, as_of)))


def test_only_signals_that_begin_are_told_and_without_a_day():
    trained = small()
    rows = given_features.looked_at(trained.ledger, trained.as_of, trained.bundle)
    told = given_features.score(rows, trained.as_of, trained.bundle)["signals"].to_pylist()
    whole = scoring.score(trained.ledger, trained.as_of, trained.bundle)["signals"].to_pylist()
    assert any(told)
    for of_features, of_history in zip(told, whole, strict=True):
        assert {s["code"] for s in of_features} <= {s["code"] for s in of_history}


@pytest.mark.parametrize("name", ["features", "record", "weekday_payments"])
def test_each_part_of_what_is_given_counts(name):
    trained = small()
    rows = given_features.looked_at(trained.ledger, trained.as_of, trained.bundle)
    other = {
        "features": dict.fromkeys(rows[0]["features"]),
        "record": {part: [] for part in rows[0]["record"]},
        "weekday_payments": [0] * 4 + [400, 0, 0],
    }
    before = given_features.score(rows, trained.as_of, trained.bundle)
    changed = [{**row, name: other[name]} for row in rows]
    after = given_features.score(changed, trained.as_of, trained.bundle)
    assert not after.equals(before)
