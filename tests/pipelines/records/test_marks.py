"""What was last done about a customer, on both databases."""

import json
from datetime import UTC, date, datetime

import databases
import pytest
import sqlalchemy as sa

from pipelines.records import audit, ledger_rows, marks
from pipelines.records.audit import Writer
from pipelines.records.database import make_engine, open_database, upgrade
from pipelines.records.row_check import check

WRITER = Writer("maria", datetime(2026, 7, 1, 8, tzinfo=UTC))
TODAY = date(2026, 7, 1)


@pytest.fixture(params=databases.BOTH)
def url(request, tmp_path):
    with databases.empty(request.param, tmp_path) as address:
        yield address


@pytest.fixture
def connection(url):
    database = open_database(url)
    with database.writing() as connection:
        yield connection
    database.close()


def mark(connection, kind, customer="C1", **given):
    usual = {"subject": "call", "made_on": TODAY, "until": None}
    marks.put(connection, customer, kind=kind, writer=WRITER, **usual | given)


@pytest.mark.parametrize(
    ("kind", "until", "last_day"),
    [
        ("done", None, TODAY),
        ("promised", date(2026, 7, 10), date(2026, 7, 10)),
        ("snoozed", date(2026, 7, 10), date(2026, 7, 9)),
    ],
)
def test_a_mark_stands_until_its_day(connection, kind, until, last_day):
    mark(connection, kind, until=until)
    assert marks.standing(connection, ["C1", "C2"], as_of=last_day)["C1"]["kind"] == kind
    assert (
        marks.standing(connection, ["C1"], as_of=date.fromordinal(last_day.toordinal() + 1)) == {}
    )


def test_the_last_mark_takes_the_place_of_the_one_before(connection):
    mark(connection, "done")
    marks.snooze(connection, "C1", until=date(2026, 7, 9), made_on=TODAY, writer=WRITER)
    assert marks.standing(connection, ["C1"], as_of=TODAY)["C1"]["kind"] == "snoozed"
    assert marks.clear(connection, "C1", writer=WRITER)
    assert not marks.clear(connection, "C1", writer=WRITER)
    assert marks.standing(connection, ["C1"], as_of=TODAY) == {}
    noted = connection.execute(sa.text("SELECT what FROM audit ORDER BY id")).scalars().all()
    assert noted == ["snooze", "unmark"]
    assert audit.first_broken(connection) is None


def test_many_customers_are_asked_at_once(connection):
    for number in range(7):
        mark(connection, "done", customer=f"C{number}")
    asked = [f"C{number}" for number in range(2000)]
    assert len(marks.standing(connection, asked, as_of=TODAY)) == 7


def test_one_bank_payment_may_settle_two_invoices(connection):
    rows = [
        {"payment_id": "P1", "invoice_id": invoice, "paid_on": "2026-06-25", "amount": "10.00"}
        for invoice in ("A", "B")
    ] + [{"payment_id": "P1", "paid_on": "2026-06-25", "amount": "1.00"}]
    for statuses in (["accepted"] * 3, ["unchanged"] * 3):
        verdicts = ledger_rows.put(connection, "payments", check("payments", rows), at=WRITER.at)
        assert [verdict.status for verdict in verdicts] == statuses
    assert ledger_rows.count(connection) == {"payments": 3}


def test_payments_of_an_earlier_version_are_known_again_by_their_new_name(url):
    engine = make_engine(url)
    upgrade(engine, to="0002")
    rows = [{"payment_id": "P1", "invoice_id": "A", "paid_on": "2026-06-25", "amount": "10.00"}]
    (checked,) = check("payments", rows)
    with engine.connect() as connection:
        insert = "INSERT INTO ledger_rows (ledger_table, row_key, revision, received_at, content)"
        values = "VALUES ('payments', 'P1', 1, '2026-06-26', :content)"
        connection.execute(sa.text(f"{insert} {values}"), {"content": checked.content})
        connection.commit()
    engine.dispose()

    database = open_database(url)
    with database.writing() as connection:
        (verdict,) = ledger_rows.put(connection, "payments", [checked], at=WRITER.at)
        assert verdict.status == "unchanged"
        kept = connection.scalar(sa.text("SELECT content FROM ledger_rows"))
        assert json.loads(kept)["invoice_id"] == "A"
    database.close()
