import pytest

from pipelines.records import ledger_rows
from pipelines.records.database import open_database

ACTION = {
    "customer_id": "C-0042",
    "invoice_id": "2026/000311",
    "action_code": "call",
    "channel": "phone",
    "performed_on": "2026-06-30",
}
PROMISE = {
    "invoice_id": "2026/000311",
    "made_on": "2026-06-30",
    "promised_date": "2026-07-10",
}


@pytest.fixture
def service(serve, row):
    return serve([row()])


@pytest.fixture
def kept(tmp_path):
    """The rows of a table that are in force."""

    def read(table):
        database = open_database(f"sqlite:///{tmp_path / 'records.db'}")
        with database.reading() as connection:
            found = ledger_rows.read_tables(connection)
        database.close()
        return found[table].table.to_pylist() if table in found else []

    return read


def test_what_was_done_is_kept_beside_what_was_recommended(service, kept):
    answer = service.post("/v1/actions", json=ACTION).json()
    assert answer["recommended_action"] == "reminder_1"
    assert answer["as_recommended"] is False
    (row,) = kept("actions")
    assert row["action_id"] == answer["id"]
    assert (row["action_code"], row["recommended_action"]) == ("call", "reminder_1")


def test_the_outcome_comes_later_under_the_same_id(service, kept):
    first = service.post("/v1/actions", json=ACTION).json()
    again = {**ACTION, "action_id": first["id"], "outcome_code": "promised"}
    assert service.post("/v1/actions", json=again).json()["status"] == "revised"
    (row,) = kept("actions")
    assert row["outcome_code"] == "promised"


def test_b54_sent_twice_with_one_idempotency_key_it_was_done_once(service, kept):
    headers = {"Idempotency-Key": "k1"}
    first = service.post("/v1/actions", json=ACTION, headers=headers)
    again = service.post("/v1/actions", json=ACTION, headers=headers)
    assert again.json() == first.json()
    assert len(kept("actions")) == 1


def test_b55_an_action_on_an_invoice_that_is_not_open_is_refused_with_the_reason(service, kept):
    answer = service.post("/v1/actions", json=ACTION | {"invoice_id": "PAID-1"})
    assert answer.status_code == 409
    assert "not among those open as of 2026-06-30" in answer.json()["detail"]
    assert kept("actions") == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"action_code": "shout"}, "action_code"),
        ({"customer_id": "C-0007"}, "invoice_id"),
        ({"performed_on": "2026-06-31"}, "performed_on"),
        ({"propensity": 2}, "propensity"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_action_that_cannot_be_is_refused_with_its_place(service, change, path):
    answer = service.post("/v1/actions", json=ACTION | change)
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == [path]


def test_a_promise_is_kept_as_open(service, kept):
    assert service.post("/v1/promises", json=PROMISE).json()["status"] == "accepted"
    (row,) = kept("promises")
    assert (row["status"], row["promised_date"]) == ("open", "2026-07-10")


def test_a_promise_for_a_day_before_it_was_made_is_refused(service):
    answer = service.post("/v1/promises", json=PROMISE | {"promised_date": "2026-06-29"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "promised_date"


def test_a_customer_is_put_off_until_a_day_and_taken_back_again(service):
    asked = {"customer_id": "C-0042", "until": "2026-07-07"}
    answer = service.post("/v1/snoozes", json=asked).json()
    assert (answer["kind"], answer["until"], answer["made_on"]) == (
        "snoozed",
        "2026-07-07",
        "2026-06-30",
    )
    ended = service.post("/v1/snoozes", json={**asked, "until": "2026-06-30"}).json()
    assert (ended["customer_id"], ended["kind"]) == ("C-0042", None)
    assert service.post("/v1/snoozes", json={**asked, "customer_id": "nobody"}).status_code == 404


def test_what_is_done_or_promised_marks_the_customer(service, tmp_path):
    from datetime import date

    from pipelines.records import marks

    def mark():
        database = open_database(f"sqlite:///{tmp_path / 'records.db'}")
        with database.reading() as connection:
            found = marks.standing(connection, ["C-0042"], as_of=date(2026, 6, 30))
        database.close()
        return found["C-0042"]

    service.post("/v1/actions", json=ACTION)
    assert (mark()["kind"], mark()["subject"]) == ("done", "call")
    service.post("/v1/promises", json=PROMISE)
    assert (mark()["kind"], mark()["until"]) == ("promised", "2026-07-10")
