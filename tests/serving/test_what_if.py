import copy
from typing import Any

import pytest

from serving.app import create_app
from serving.messages import EXAMPLE
from serving.what_if import WHAT_IF_EXAMPLE, WhatIf
from tests import small_company
from tests.small_company import AS_OF

pytestmark = small_company.QUIET_MLFLOW


@pytest.fixture(scope="module")
def served(tmp_path_factory, running_on):
    settings = small_company.settings(tmp_path_factory.mktemp("what-if"))
    small_company.crowned(settings)
    with running_on(create_app(settings, today=lambda: AS_OF)) as client:
        yield client


def request(**given: Any) -> dict[str, Any]:
    return copy.deepcopy(EXAMPLE) | given


def test_the_documented_example_is_answered_as_declared(served):
    answer = served.post("/v1/what-if", json=WHAT_IF_EXAMPLE)
    assert answer.status_code == 200, answer.text
    told = WhatIf.model_validate_json(answer.content)
    assert told.after.change == {"more_days": 15, "reminder_sent": True}
    assert told.counterfactual is not None
    assert len(told.after.reading) == 3


def test_without_a_change_the_answer_is_that_of_scores_twice(served):
    (scored,) = served.post("/v1/scores", json=request()).json()["invoices"]
    answer = served.post("/v1/what-if", json=request()).json()
    assert answer["before"] == scored
    assert answer["after"]["invoices"] == [scored]
    assert answer["after"]["differences"] == []
    assert answer["counterfactual"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"terms_days": 60},
        {"amount": 12_000.5},
        {"discount_pct": 2},
        {"instalments": 3},
        {"reminder_sent": True, "more_days": 20},
    ],
    ids=str,
)
def test_differences_add_up_to_the_difference_of_the_probability(served, change):
    after = served.post("/v1/what-if", json=request(change=change)).json()["after"]
    p = after["probabilities"][after["differences_for"]]
    told = sum(difference["points"] for difference in after["differences"])
    assert told == pytest.approx(p["after"] - p["before"], abs=1e-12)
    assert after["change"] == change
    assert len(after["invoices"]) == change.get("instalments", 1)


def test_it_says_that_an_expectation_is_not_an_effect(served):
    asked = request(language="en", change={"reminder_sent": True})
    reading = served.post("/v1/what-if", json=asked).json()["after"]["reading"]
    assert reading[0] == "What the model expects of an invoice with these facts."
    assert reading[1].startswith("Not the effect of a reminder")
    asked = request(language="en", change={"amount": 100})
    reading = served.post("/v1/what-if", json=asked).json()["after"]["reading"]
    assert not any(line.startswith("Not the effect") for line in reading)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_the_smallest_change_is_found_or_the_answer_says_that_none_is(served, target):
    asked = request(language="en", target=target)
    told = served.post("/v1/what-if", json=asked).json()["counterfactual"]
    assert told["found"] == (target == 1.0)
    assert (told["comparison"] is not None) == told["found"]
    assert told["text"].startswith("The probability is at" if told["found"] else "None of the")


def test_a_change_found_meets_the_target_when_it_is_asked_for(served):
    asked = request(change={"more_days": 60})
    p = served.post("/v1/what-if", json=asked).json()["after"]["probabilities"]["p_late_30"]
    told = served.post("/v1/what-if", json=request(target=p["after"])).json()["counterfactual"]
    assert told["found"]
    change = told["comparison"]["change"]
    again = served.post("/v1/what-if", json=request(change=change)).json()["after"]
    assert again["probabilities"]["p_late_30"]["after"] <= p["after"]


@pytest.mark.parametrize(
    ("given", "path", "rule"),
    [
        ({"change": {"dispute_solved": True}}, "change.dispute_solved", "cannot_change"),
        ({"invoice_ids": ["2026/000118"]}, "invoice_ids[0]", "cannot_change"),
        ({"invoice_ids": ["of nobody"]}, "invoice_ids[0]", "unknown_invoice"),
        ({"invoice_ids": []}, "invoice_ids", "too_short"),
        ({"change": {"amount": 0.5}}, "change", "cannot_change"),
        ({"change": {"instalments": 1}}, "change.instalments", "greater_than_equal"),
        ({"change": {"discount_pct": 100}}, "change.discount_pct", "less_than"),
        ({"change": {"interest": 1}}, "change.interest", "extra_forbidden"),
        ({"target": 2}, "target", "less_than_equal"),
    ],
    ids=str,
)
def test_a_request_that_cannot_be_answered_is_a_problem_that_says_where(served, given, path, rule):
    answer = served.post("/v1/what-if", json=request(**given))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert (error["path"], error["rule"]) == (path, rule)


def test_without_a_model_nothing_is_answered(client):
    answer = client.post("/v1/what-if", json=WHAT_IF_EXAMPLE)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:puntuale:problem:no-model")
