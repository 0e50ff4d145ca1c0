import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from serving.answers import Scores
from serving.messages import EXAMPLE, ScoringRequest
from serving.strict_requests import parse_json


def request(**given: Any) -> dict[str, Any]:
    return copy.deepcopy(EXAMPLE) | given


def two_customers() -> dict[str, Any]:
    first = copy.deepcopy(EXAMPLE["customers"][0])
    second = {
        "customer_id": "C-2",
        "invoices": [
            {"invoice_id": "B-1", "due_date": "2026-06-20", "amount": 100},
            {"invoice_id": "B-2", "due_date": "2026-07-20", "amount": 200.01},
        ],
    }
    return request(customers=[first, second], invoice_ids=None)


def test_the_documented_example_is_a_valid_request(scorer):
    ScoringRequest.model_validate(parse_json(json.dumps(EXAMPLE).encode()))
    answer = scorer.post("/v1/scores", json=EXAMPLE)
    assert answer.status_code == 200
    scores = Scores.model_validate_json(answer.content)
    assert [invoice.invoice_id for invoice in scores.invoices] == EXAMPLE["invoice_ids"]
    assert str(scores.as_of) == EXAMPLE["as_of"]
    assert scores.score_source == "model"
    assert abs((datetime.now(UTC) - scores.computed_at).total_seconds()) < 60


def test_without_a_choice_every_open_invoice_is_scored_in_the_order_of_the_request(scorer):
    answer = scorer.post("/v1/scores", json=two_customers()).json()
    assert [invoice["invoice_id"] for invoice in answer["invoices"]] == [
        "2026/000311",
        "B-1",
        "B-2",
    ]


def test_amounts_arrive_and_leave_to_the_cent(scorer):
    answer = scorer.post("/v1/scores", json=two_customers() | {"invoice_ids": ["B-2"]})
    assert '"open_amount":200.01,' in answer.text


def test_today_is_the_day_where_the_request_names_none(scorer):
    asked = request()
    del asked["as_of"]
    assert scorer.post("/v1/scores", json=asked).json()["as_of"] == "2026-06-30"


@pytest.mark.parametrize(
    ("language", "words"), [("it", "prima"), ("en", "before")], ids=["Italian", "English"]
)
def test_texts_are_in_the_language_asked_for(scorer, language, words):
    answer = scorer.post("/v1/scores", json=request(language=language)).json()
    assert words in answer["invoices"][0]["signals"][0]["text"]


def test_a_large_batch_is_scored_off_the_event_loop_with_the_same_answer(scorer):
    customers = [
        {
            "customer_id": f"C-{i}",
            "invoices": [{"invoice_id": f"I-{i}", "due_date": "2026-06-20", "amount": i}],
        }
        for i in range(1, 80)
    ]
    answer = scorer.post("/v1/scores", json={"as_of": "2026-06-30", "customers": customers}).json()
    assert [invoice["open_amount"] for invoice in answer["invoices"]] == list(range(1, 80))


def test_more_open_invoices_than_one_request_scores_are_refused_with_the_limit_named(scorer):
    """B30."""
    invoices = [
        {"invoice_id": f"I-{i}", "due_date": "2026-06-20", "amount": 1} for i in range(1_001)
    ]
    asked = {"customers": [{"customer_id": "C-1", "invoices": invoices}]}
    answer = scorer.post("/v1/scores", json=asked)
    assert answer.status_code == 422
    assert "1000" in answer.json()["errors"][0]["expected"]


def broken(change: str) -> bytes:
    """The example with one thing wrong in its text."""
    return {
        "a number in quotes": json.dumps(EXAMPLE).replace("4235", '"4235"'),
        "a flag for a number": json.dumps(EXAMPLE).replace("4235", "true"),
        "a number for a text": json.dumps(EXAMPLE).replace('"C-0042"', "42"),
        "three decimals": json.dumps(EXAMPLE).replace("4235", "4235.001"),
        "more digits than a float has": json.dumps(EXAMPLE).replace("4235", "1." + "9" * 40),
        "too large an amount": json.dumps(EXAMPLE).replace("4235", str(10**15)),
        "an unknown field": json.dumps(EXAMPLE).replace('"terms_days"', '"is_admin"'),
        "a dunder field": json.dumps(EXAMPLE).replace('"terms_days"', '"__class__"'),
        "a misspelt field": json.dumps(EXAMPLE).replace('"terms_days"', '"term_days"'),
        "a day that is none": json.dumps(EXAMPLE).replace("2026-06-10", "2026-02-30"),
        "a day of another calendar": json.dumps(EXAMPLE).replace("2026-06-10", "10/06/2026"),
        "the last day of all": json.dumps(EXAMPLE).replace("2026-06-10", "9999-12-31"),
        "a space before an id": json.dumps(EXAMPLE).replace('"C-0042"', '" C-0042"'),
        "a new line in an id": json.dumps(EXAMPLE).replace('"C-0042"', '"C\\n0042"'),
        "a NUL in an id": json.dumps(EXAMPLE).replace('"C-0042"', '"C\\u00000042"'),
        "a reversed id": json.dumps(EXAMPLE).replace('"C-0042"', '"C\\u202e0042"'),
        "an endless id": json.dumps(EXAMPLE).replace('"C-0042"', f'"{"C" * 100_000}"'),
        "a lone surrogate": json.dumps(EXAMPLE).replace('"MI"', '"\\ud800"'),
        "a lone surrogate as a key": json.dumps(EXAMPLE).replace('"province"', '"\\ud800"'),
        "an unknown language": json.dumps(EXAMPLE).replace('"it"', '"fr"'),
    }[change].encode()


@pytest.mark.parametrize(
    ("row", "change", "path"),
    [
        ("B41", "a number in quotes", "customers[0].invoices[2].amount"),
        ("B41", "a flag for a number", "customers[0].invoices[2].amount"),
        ("B41", "a number for a text", "customers[0].customer_id"),
        ("A72", "three decimals", "customers[0].invoices[2].amount"),
        ("A72", "more digits than a float has", "customers[0].invoices[2].amount"),
        ("B34", "too large an amount", "customers[0].invoices[2].amount"),
        ("B42", "an unknown field", "customers[0].invoices[0].is_admin"),
        ("B42", "a dunder field", "customers[0].invoices[0].__class__"),
        ("B43", "a misspelt field", "customers[0].invoices[0].term_days"),
        ("A61", "a day that is none", "customers[0].invoices[2].due_date"),
        ("A62", "a day of another calendar", "customers[0].invoices[2].due_date"),
        ("A60", "the last day of all", "customers[0].invoices[2].due_date"),
        ("B48", "a space before an id", "customers[0].customer_id"),
        ("B50", "a new line in an id", "customers[0].customer_id"),
        ("B50", "a NUL in an id", "customers[0].customer_id"),
        ("B50", "a reversed id", "customers[0].customer_id"),
        ("B50", "an endless id", "customers[0].customer_id"),
        ("B36", "a lone surrogate", "customers[0].province"),
        ("B36", "a lone surrogate as a key", "customers[0]"),
        ("-", "an unknown language", "language"),
    ],
)
def test_a_value_that_the_schema_does_not_have_is_refused_at_its_place(scorer, row, change, path):
    answer = scorer.post(
        "/v1/scores", content=broken(change), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert path in [error["path"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("row", "body", "status"),
    [
        ("B28", b"", 422),
        ("B28", b"null", 422),
        ("B28", b"[]", 422),
        ("B28", b'"x"', 422),
        ("B29", b'{"customers":[]}', 422),
        ("B31", b'{"customers":[NaN]}', 422),
        ("B31", b'{"customers":[-Infinity]}', 422),
        ("B32", b'{"customers":[1e400]}', 422),
        ("B32", b'{"customers":[1e99999999999999999999]}', 422),
        ("B33", b'{"customers":[' + b"1" * 5_000 + b"]}", 400),
        ("B35", b"[" * 100_000 + b"]" * 100_000, 400),
        ("B35", b'{"a":' * 100_000, 400),
        ("B37", b'{"as_of":"\xff"}', 400),
        ("B38", '{"customers":[]}'.encode("utf-16"), 400),
        ("B39", b'\xef\xbb\xbf{"customers":[]}', 400),
        ("B40", b'{"as_of":"2026-01-01","as_of":"2026-01-02"}', 400),
        ("-", b'{"as_of":', 400),
    ],
)
def test_a_body_that_is_no_request_is_refused_and_never_breaks_us(scorer, row, body, status):
    answer = scorer.post("/v1/scores", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text


def test_an_id_given_twice_is_refused(scorer):
    """B45."""
    asked = two_customers()
    asked["customers"][1]["invoices"][0]["invoice_id"] = "2026/000311"
    (error,) = scorer.post("/v1/scores", json=asked).json()["errors"]
    assert error["rule"] == "duplicate_id"
    assert error["path"] == "customers[1].invoices[0].invoice_id"


def test_the_order_of_customers_changes_no_score(scorer):
    """B46."""
    asked = two_customers()
    straight = scorer.post("/v1/scores", json=asked).json()["invoices"]
    turned = asked | {"customers": asked["customers"][::-1]}
    again = scorer.post("/v1/scores", json=turned).json()["invoices"]
    assert sorted(map(json.dumps, straight)) == sorted(map(json.dumps, again))


@pytest.mark.parametrize(
    ("change", "rule", "path"),
    [
        ({"issue_date": "2026-07-10"}, "due_before_issue", "customers[1].invoices[0].due_date"),
        ({"currency": "USD"}, "foreign_currency", "customers[1].invoices[0].currency"),
        ({"terms_days": -1}, "implausible_terms", "customers[1].invoices[0].terms_days"),
    ],
)
def test_a_row_that_breaks_a_rule_of_the_ledger_is_refused_by_the_rules_name(
    scorer, change, rule, path
):
    """A57, A70."""
    asked = two_customers()
    asked["customers"][1]["invoices"][0] |= change
    errors = scorer.post("/v1/scores", json=asked).json()["errors"]
    assert (rule, path) in [(error["rule"], error["path"]) for error in errors]


def test_a_payment_of_somebody_elses_invoice_is_refused(scorer):
    asked = two_customers()
    asked["customers"][1]["payments"] = [
        {"invoice_id": "2026/000311", "paid_on": "2026-06-01", "amount": 1}
    ]
    (error,) = scorer.post("/v1/scores", json=asked).json()["errors"]
    assert error["rule"] == "unknown_invoice"
    assert error["path"] == "customers[1].payments[0].invoice_id"


def test_an_invoice_that_is_not_open_cannot_be_asked_for(scorer):
    """B55's twin: there is nothing to predict about a paid invoice."""
    (error,) = scorer.post("/v1/scores", json=request(invoice_ids=["2026/000118"])).json()["errors"]
    assert error["rule"] == "not_open"


def test_all_faults_are_told_at_once(scorer):
    asked = two_customers()
    for invoice in asked["customers"][1]["invoices"]:
        invoice |= {"amount": "1", "due_date": "soon"}
    answer = scorer.post("/v1/scores", json=asked).json()
    assert len(answer["errors"]) == 4
    assert answer["detail"] == "4 faults found"


def test_without_a_model_the_answer_says_what_to_do(client):
    """F15."""
    answer = client.post("/v1/scores", json=EXAMPLE)
    assert answer.status_code == 503
    assert "puntuale train" in answer.json()["detail"]
