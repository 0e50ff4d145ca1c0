import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.ledger import Ledger
from serving import quick_requests
from serving.messages import EXAMPLE, ScoringRequest
from serving.problems import Problem
from serving.request_ledger import ledger_of
from serving.strict_requests import parse_json

WHOLE: dict[str, Any] = copy.deepcopy(EXAMPLE)
WHOLE["customers"][0] |= {
    "is_public_body": False,
    "credit_notes": [{"issued_on": "2026-03-01", "amount": 10.25, "invoice_id": "2026/000118"}],
    "disputes": [{"invoice_id": "2026/000311", "opened_on": "2026-06-12", "reason_code": "price"}],
    "promises": [{"invoice_id": "2026/000311", "made_on": "2026-06-12", "amount": 5}],
    "credit_limits": [{"amount": 5000, "valid_from": "2026-01-01"}],
    "external_ratings": [{"rated_on": "2026-01-01", "score": 3.25, "higher_is_safer": True}],
    "actions": [{"action_code": "reminder_1", "performed_on": "2026-06-15", "cost": None}],
    "legal_events": [{"kind": "protest", "dated_on": "2025-06-15"}],
}
WHOLE["customers"].append({"customer_id": "C 2", "invoices": WHOLE["customers"][0]["invoices"][:1]})
WHOLE["customers"][1] = json.loads(
    json.dumps(WHOLE["customers"][1]).replace("2026/000118", "è questa")
)
ODD = (
    *(
        None,
        True,
        0,
        -1,
        -0.0,
        1.5,
        0.1 + 0.2,
        1e300,
        10**30,
        99_999_999_999.99,
        100_000_000_000.01,
    ),
    *(
        "",
        " ",
        "x",
        "x\n",
        "\u200b",
        "2026/000118",
        "C 2",
        "EUR",
        "USD",
        "2026-06-30",
        "2026-02-30",
    ),
    *("1989-12-31", "x" * 201, "x" * 501, [], {}, [1], ["2026/000118"], [{}], 32_768, -40_000),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if not isinstance(value, dict | list):
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from places(inner, (*path, key))


PLACES = [path for path in places(WHOLE) if path]


def changed(path: tuple[Any, ...], name: str | None, value: Any) -> dict[str, Any]:
    """The request with one value in the place of another, or beside it under a name."""
    request = copy.deepcopy(WHOLE)
    within: Any = request
    for key in path[:-1]:
        within = within[key]
    within[name if name is not None and isinstance(within, dict) else path[-1]] = value
    return request


def usual(body: bytes) -> tuple[ScoringRequest, Ledger] | None:
    try:
        request = ScoringRequest.model_validate(parse_json(body))
        return request, ledger_of(request, currency="EUR")
    except (ValidationError, Problem):
        return None


def assert_same(body: bytes) -> None:
    plain, read = quick_requests.read(body, currency="EUR"), usual(body)
    if plain is not None:
        assert read is not None
        request, ledger = read
        assert plain.ledger == ledger
        told = (plain.as_of, plain.language, plain.invoice_ids)
        assert told == (request.as_of, request.language, request.invoice_ids)


@given(
    st.sampled_from(PLACES),
    st.none() | st.sampled_from(["amount", "currency", "due_date", "invoice_id", "other"]),
    st.sampled_from(ODD) | st.integers(0, 10**6).map(lambda n: n / 1000),
)
@example(("language",), None, "de")
@example(("invoice_ids", 0), None, "2026/000118")
@example(("customers", 0, "invoices", 1, "invoice_id"), None, "2026/000118")
@example(("customers", 0, "payments", 0, "invoice_id"), None, "è questa")
def test_a_request_read_by_columns_is_what_its_messages_say(path, name, value):
    assert_same(json.dumps(changed(path, name, value), ensure_ascii=False).encode())


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("1830.5,", "1830.50000000000001,"),
        ("1830.5,", "18305e-1,"),
        ("1830.5,", "NaN,"),
        ("1830.5,", '1830.5, "amount": 1,'),
        ("1830.5,", '1830.5, "amount" : 1,'),
        ('"language"', '"languag\\u0065"'),
        ('"language"', '"as_of": "2026-06-30", "language"'),
        ("2026/000207", "2026/00\\u0030207"),
        ("}", "}}"),
        ("2026-01-15", "２０２６-01-15"),
    ],
)
def test_what_a_text_writes_unusually_is_read_the_usual_way_or_alike(written, instead):
    text = json.dumps(WHOLE, ensure_ascii=False)
    assert written in text
    assert_same(text.replace(written, instead, 1).encode())
    assert_same(json.dumps(WHOLE, ensure_ascii=False, indent=1).replace(written, instead).encode())


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}])
def test_a_plainly_valid_request_is_read_by_columns(layout):
    assert quick_requests.read(json.dumps(EXAMPLE, **layout).encode(), currency="EUR") is not None


def test_ids_with_letters_and_digits_are_no_long_numbers():
    text = json.dumps(EXAMPLE).replace("2026/000311", "3e5f0e12345678901234567890")
    assert quick_requests.read(text.encode(), currency="EUR") is not None
