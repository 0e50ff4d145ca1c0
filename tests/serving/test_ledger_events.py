import json

import pytest

from pipelines.records import audit
from pipelines.records.database import open_database

INVOICE = {
    "invoice_id": "F1",
    "customer_id": "C1",
    "issue_date": "2026-05-01",
    "due_date": "2026-05-31",
    "amount": 100.10,
}


@pytest.fixture
def service(serve):
    return serve()


def put(service, table, rows, **headers):
    return service("PUT", f"/v1/ledger/{table}", json={"rows": rows}, headers=headers)


def test_rows_are_taken_once_and_a_second_time_change_nothing(service):
    first = put(service, "invoices", [INVOICE]).json()
    again = put(service, "invoices", [INVOICE]).json()
    assert (first["accepted"], first["already_imported"]) == (1, False)
    assert (again["unchanged"], again["already_imported"]) == (1, True)


def test_a84_the_same_file_twice_is_already_imported(service):
    content = b"customer_id,name\nC1,Rossi\nC2,Bianchi\n"
    headers = {"Content-Type": "text/csv"}
    url = "/v1/ledger/customers"
    assert service("PUT", url, content=content, headers=headers).json()["accepted"] == 2
    again = service("PUT", url, content=content, headers=headers)
    assert again.status_code == 200
    assert again.json()["already_imported"] is True


def test_lines_of_json_are_rows_too(service):
    lines = b'{"customer_id": "C1"}\n\n{"customer_id": "C2"}\n'
    headers = {"Content-Type": "application/x-ndjson"}
    assert (
        service("POST", "/v1/ledger/customers", content=lines, headers=headers).json()["accepted"]
        == 2
    )


def test_a_wrong_row_is_held_with_its_faults_and_the_right_one_goes_on(service):
    wrong = INVOICE | {"invoice_id": "F2", "due_date": "2026-02-31"}
    answer = put(service, "invoices", [wrong, INVOICE]).json()
    assert [row["status"] for row in answer["rows"]] == ["held", "accepted"]
    (held,) = service.get("/v1/quarantine").json()["rows"]
    assert held["key"] == ["F2", ""]
    assert held["faults"][0]["column"] == "due_date"
    put(service, "invoices", [INVOICE | {"invoice_id": "F2"}])
    assert service.get("/v1/quarantine").json()["rows"] == []


def test_all_or_nothing_writes_nothing_when_one_row_is_wrong(service):
    wrong = INVOICE | {"invoice_id": "F2", "amount": -5}
    url = "/v1/ledger/invoices?all_or_nothing=true"
    answer = service("PUT", url, json={"rows": [INVOICE, wrong]})
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == ["rows[1].amount"]
    assert put(service, "invoices", [INVOICE]).json()["accepted"] == 1, "it was not kept before"


def test_a_column_that_a_ledger_does_not_know_is_left_aside_and_named(service):
    answer = put(service, "customers", [{"customer_id": "C1", "colour": "red"}]).json()
    assert answer["ignored_columns"] == ["colour"]
    assert answer["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 422),
        (b'{"rows": []}', 422),
        (b'{"rows": [1]}', 422),
        (b'{"rows": [{"customer_id": ["C1"]}]}', 422),
        (b'{"rows": [{"customer_id": "C1", "customer_id": "C2"}]}', 400),
        (b'{"rows": [{"customer_id": "C1"}], "more": 1}', 422),
        (b'{"rows": [{"score": NaN}]}', 422),
    ],
)
def test_a_body_that_is_no_rows_is_refused(service, body, status):
    headers = {"Content-Type": "application/json"}
    answer = service("PUT", "/v1/ledger/customers", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_csv_with_uneven_lines_is_refused_with_the_lines(service):
    headers = {"Content-Type": "text/csv"}
    content = b"customer_id,name\nC1,Rossi\nC2\n"
    answer = service("PUT", "/v1/ledger/customers", content=content, headers=headers)
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == ["rows[1]"]


@pytest.mark.parametrize("table", ["users", "ledger_rows", "invoices;drop", "%2e%2e"])
def test_only_tables_of_the_ledger_are_taken(service, table):
    assert put(service, table, [{}]).status_code in (404, 422)


def test_b52_the_same_idempotency_key_is_answered_as_before(service):
    first = put(service, "invoices", [INVOICE], **{"Idempotency-Key": "k1"})
    again = put(service, "invoices", [INVOICE], **{"Idempotency-Key": "k1"})
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    other = put(service, "invoices", [INVOICE | {"amount": 1}], **{"Idempotency-Key": "k1"})
    assert other.status_code == 409


@pytest.mark.parametrize("key", [b"", b"k" * 256, "clé".encode(), b"a b"])
def test_b53_an_idempotency_key_that_is_none_is_refused(service, key):
    headers = [(b"Idempotency-Key", key), (b"Content-Type", b"application/json")]
    body = json.dumps({"rows": [INVOICE]}).encode()
    answer = service("PUT", "/v1/ledger/invoices", content=body, headers=headers)
    assert answer.status_code == 400


def test_every_write_is_in_the_audit_log_without_anybodys_name(serve, tmp_path):
    service = serve()
    put(service, "customers", [{"customer_id": "C1", "name": "Maria Rossi"}])
    database = open_database(f"sqlite:///{tmp_path / 'records.db'}")
    with database.reading() as connection:
        lines = connection.exec_driver_sql("SELECT * FROM audit").mappings().all()
        assert audit.first_broken(connection) is None
    database.close()
    assert [line["what"] for line in lines] == ["ledger rows"]
    assert "Rossi" not in str(lines)


def test_while_the_database_is_away_nothing_is_written_and_reads_go_on(serve, row, tmp_path):
    service = serve(
        [row()], api_keys=("a-key",), database_url="postgresql://nobody@127.0.0.1:1/none"
    )
    headers = {"X-API-Key": "a-key"}
    answer = put(service, "invoices", [INVOICE], **headers)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert service.get("/v1/worklist", headers=headers).status_code == 200
