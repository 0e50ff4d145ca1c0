import pytest

from serving.answers import StoredCustomer, StoredScore, Worklist


def ids(answer):
    return [invoice["invoice_id"] for invoice in answer.json()["invoices"]]


def test_the_worklist_starts_with_the_action_worth_most(client):
    answer = client.get("/v1/worklist")
    assert answer.status_code == 200
    Worklist.model_validate_json(answer.content)
    assert ids(answer) == ["2026/000311", "INV-7", "2026/000312", "INV-9"]


def test_pages_follow_each_other_by_their_cursor(client):
    seen, cursor = [], "0"
    while cursor is not None:
        answer = client.get("/v1/worklist", params={"limit": 3, "cursor": cursor})
        assert answer.json()["total"] == 4
        seen += ids(answer)
        cursor = answer.json()["next_cursor"]
    assert seen == ids(client.get("/v1/worklist"))


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"band": "critical"}, ["INV-7"]),
        ({"action": "statement"}, ["2026/000312"]),
        ({"signal": "delay_drift"}, ["2026/000311", "INV-7"]),
        ({"signal": "delay_drift", "band": "high"}, ["2026/000311"]),
        ({"signal": "delay_drift", "action": "call"}, ["INV-7"]),
        ({"signal": "first_late"}, []),
        ({"band": "low", "action": "call"}, []),
    ],
)
def test_filters_leave_what_was_asked_for_in_the_same_order(client, filters, found):
    answer = client.get("/v1/worklist", params=filters)
    assert ids(answer) == found
    assert answer.json()["total"] == len(found)


def test_a_filtered_list_has_pages_too(client):
    first = client.get("/v1/worklist?signal=delay_drift&limit=1")
    second = client.get(f"/v1/worklist?signal=delay_drift&cursor={first.json()['next_cursor']}")
    assert ids(first) + ids(second) == ["2026/000311", "INV-7"]
    assert second.json()["next_cursor"] is None


@pytest.mark.parametrize(
    ("row", "query"),
    [
        ("B49", "limit=0"),
        ("B49", "limit=-1"),
        ("B49", "limit=1e9"),
        ("B49", "limit=201"),
        ("B49", "limit=5&limit=5"),
        ("B48", "limit=1.0"),
        ("B48", "limit=1_0"),
        ("B48", "limit=%D9%A1%D9%A2"),
        ("B48", "limit=0x10"),
        ("B48", "limit=%201"),
        ("B51", "cursor=;drop table"),
        ("B51", "cursor=-1"),
        ("B51", "cursor=99999999999999"),
        ("B51", "sort=;drop table"),
        ("B51", "action=x' or 1=1"),
        ("-", "band=dreadful"),
    ],
)
def test_a_query_that_means_nothing_is_refused(client, row, query):
    assert client.get(f"/v1/worklist?{query}").status_code == 422


def test_an_invoice_is_found_by_its_number_with_its_slash(client):
    for path in ("/v1/invoices/2026%2F000311", "/v1/invoices/2026/000311"):
        answer = client.get(path)
        assert StoredScore.model_validate_json(answer.content).invoice.invoice_id == "2026/000311"


def test_an_answer_from_the_night_says_so_and_that_no_model_is_there(client):
    """F15."""
    answer = client.get("/v1/invoices/INV-7").json()
    assert answer["score_source"] == "stored_score"
    assert answer["degraded"] is True
    assert answer["stale"] is False


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ("B23", "/v1/customers/..%2f..%2fetc%2fpasswd/scores"),
        ("B23", "/v1/customers/%252e%252e%252f"),
        ("B23", "/v1/customers/..%5C..%5C"),
        ("-", "/v1/invoices/NONE"),
    ],
)
def test_an_unknown_id_is_not_found(client, row, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("bad", ["%00", "a%09b", "a%E2%80%AEb", "%20a", "a" * 201])
def test_an_id_that_no_ledger_has_is_refused(client, bad):
    """B50."""
    assert client.get(f"/v1/invoices/{bad}").status_code == 422


def test_an_id_with_a_line_break_is_no_address_of_ours(client):
    """B50."""
    assert client.get("/v1/invoices/a%0Ab").status_code == 404


def test_a_customer_is_the_sum_of_its_invoices_weighted_by_what_is_open(client):
    answer = client.get("/v1/customers/C-0042?lang=en")
    customer = StoredCustomer.model_validate_json(answer.content).customer
    assert customer.n_invoices == 2
    assert customer.open_amount == 5235.0
    assert customer.overdue_amount == 4235.0
    assert customer.p_late_30 == pytest.approx((0.625 * 4235 + 0.125 * 1000) / 5235)
    assert customer.risk_band == "high"
    assert customer.signals == ["delay_drift"]


def test_a_customers_causes_are_the_points_of_what_is_open(client):
    answer = client.get("/v1/customers/C-0042?lang=en")
    first, rest = StoredCustomer.model_validate_json(answer.content).customer.causes
    assert (first.feature_group, first.text) == ("delay_level", "past delays")
    assert (first.amount, first.points) == (0.25 * 5235, 0.25)
    assert (rest.feature_group, rest.amount) == (
        "everything_else",
        pytest.approx(0.125 * 5235, abs=0.01),
    )


def test_without_scores_the_answer_says_what_to_do(scorer):
    answer = scorer.get("/v1/worklist")
    assert answer.status_code == 503
    assert "puntuale nightly" in answer.json()["detail"]
