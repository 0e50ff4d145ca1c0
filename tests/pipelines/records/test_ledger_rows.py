from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import databases
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.records import ledger_rows
from pipelines.records.database import open_database
from pipelines.records.row_check import KEYS, check
from pipelines.tables import TABLES

AT = datetime(2026, 7, 1, 8, tzinfo=UTC)
INVOICE = {
    "invoice_id": "F1",
    "customer_id": "C1",
    "issue_date": "2026-01-01",
    "due_date": "2026-01-31",
    "amount": Decimal("100.10"),
    "has_contract": True,
    "terms_days": 30,
}


@pytest.fixture(params=databases.BOTH)
def database(request, tmp_path):
    with databases.empty(request.param, tmp_path) as url:
        database = open_database(url)
        yield database
        database.close()


def put(database, table, *rows, at=AT):
    with database.writing() as connection:
        return ledger_rows.put(connection, table, check(table, rows), at=at)


def in_force(database, **options):
    with database.reading() as connection:
        tables = ledger_rows.read_tables(connection, **options)
    return {name: raw.table.to_pylist() for name, raw in tables.items()}


def statuses(verdicts):
    return [verdict.status for verdict in verdicts]


def test_a_row_that_was_put_is_read_as_it_was_written(database):
    assert statuses(put(database, "invoices", INVOICE)) == ["accepted"]
    assert in_force(database) == {
        "invoices": [
            {
                "invoice_id": "F1",
                "customer_id": "C1",
                "due_date": "2026-01-31",
                "issue_date": "2026-01-01",
                "amount": "100.10",
                "terms_days": "30",
                "has_contract": "true",
            }
        ]
    }


def test_a_row_put_twice_counts_once(database):
    put(database, "invoices", INVOICE)
    assert statuses(put(database, "invoices", INVOICE, INVOICE)) == ["unchanged", "unchanged"]
    assert len(in_force(database)["invoices"]) == 1


def test_a83_a_changed_row_is_a_revision_and_the_one_before_is_what_was_known(database):
    put(database, "invoices", INVOICE)
    later = AT + timedelta(days=10)
    changed = INVOICE | {"amount": 90}
    assert statuses(put(database, "invoices", changed, at=later)) == ["revised"]
    amounts = {
        day: in_force(database, as_of=day)["invoices"][0]["amount"]
        for day in (date(2026, 1, 1), date(2026, 7, 11), date(2026, 7, 12))
    }
    assert amounts == {
        date(2026, 1, 1): "100.10",
        date(2026, 7, 11): "100.10",
        date(2026, 7, 12): "90",
    }
    assert in_force(database)["invoices"][0]["amount"] == "90"


def test_of_one_key_twice_in_a_request_the_last_row_stands(database):
    verdicts = put(database, "invoices", INVOICE, INVOICE | {"amount": 90})
    assert statuses(verdicts) == ["accepted", "revised"]
    assert in_force(database)["invoices"][0]["amount"] == "90"


def test_a_row_with_faults_is_held_with_all_of_them_and_the_others_go_on(database):
    bad = INVOICE | {"invoice_id": "F2", "due_date": "2026-02-31", "amount": "ten"}
    verdicts = put(database, "invoices", bad, INVOICE)
    assert statuses(verdicts) == ["held", "accepted"]
    assert {(f.column, f.rule) for f in verdicts[0].faults} == {
        ("due_date", "unreadable_date"),
        ("amount", "unreadable_amount"),
    }
    with database.reading() as connection:
        (held,) = ledger_rows.waiting(connection)
    assert held["content"]["due_date"] == "2026-02-31"
    assert len(held["faults"]) == 2


def test_a_held_row_that_comes_right_is_held_no_longer(database):
    put(database, "invoices", INVOICE | {"due_date": "2026-02-31"})
    put(database, "invoices", INVOICE)
    with database.reading() as connection:
        assert ledger_rows.waiting(connection) == []


def test_a_row_that_nothing_names_is_held(database):
    (verdict,) = put(
        database, "payments", {"invoice_id": "F1", "paid_on": "2026-02-01", "amount": 1}
    )
    assert verdict.status == "held"
    assert [(f.column, f.rule) for f in verdict.faults] == [("payment_id", "missing_key")]


def test_text_that_no_database_keeps_is_a_fault_of_its_row(database):
    verdicts = put(
        database, "customers", {"customer_id": "C\0"}, {"customer_id": "C", "name": "\ud800"}
    )
    assert [v.faults[0].rule for v in verdicts] == ["unreadable_text", "unreadable_text"]


def test_every_table_names_its_rows_by_columns_that_it_has():
    for name, table in TABLES.items():
        assert set(KEYS[name]) <= {column.name for column in table.columns}


cells = st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=12)
rows = st.dictionaries(st.sampled_from([c.name for c in TABLES["payments"].columns]), cells)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(rows, max_size=6))
def test_whatever_is_sent_every_row_gets_a_verdict_and_none_is_lost(sqlite, sent):
    before = stored(sqlite)
    verdicts = put(sqlite, "payments", *sent)
    kept, held = (now - then for now, then in zip(stored(sqlite), before, strict=True))
    assert len(verdicts) == len(sent)
    assert kept == sum(status in ("accepted", "revised") for status in statuses(verdicts))
    assert held == statuses(verdicts).count("held")


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory):
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('records') / 'records.db'}")
    yield database
    database.close()


def stored(database):
    with database.reading() as connection:
        return [
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for table in ("ledger_rows", "held_rows")
        ]
