"""What changes in a database comes into the records once, however often it is pulled."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import databases
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from pipelines import pulling
from pipelines.intake.files import IntakeRefused
from pipelines.records import audit, ledger_rows, tables
from pipelines.records.database import open_database
from pipelines.records.row_check import check
from pipelines.records.tables import watermarks
from pipelines.settings import Settings

AT = datetime(2026, 7, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
SENT = check("customers", [{"customer_id": "C2", "name": "sent in"}])
MAPPING = '[watermark]\ninvoices = "updated_at"\n'


class Erp:
    """A company's database with one table that says when a row changed, and one that does not."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.engine = url, sa.create_engine(url)
        records = url if self.engine.dialect.name == "postgresql" else None
        self.settings = Settings(_env_file=None, home=folder / "home", database_url=records)
        self.mapping = folder / "erp.toml"
        self.mapping.write_text(MAPPING, encoding="utf-8")
        self.run(
            "CREATE TABLE invoices (invoice_id TEXT, customer_id TEXT, issue_date DATE, "
            "due_date TEXT, amount NUMERIC(12, 2), updated_at TIMESTAMP)"
        )
        self.run("CREATE TABLE customers (customer_id TEXT, name TEXT)")
        self.run("INSERT INTO customers VALUES ('C1', 'NA')")

    def run(self, statement: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def write(self, number: int, amount: object, at: datetime | None, due="2026-07-31") -> None:
        """An invoice as it is from a moment on."""
        moment = at and at.replace(tzinfo=None).isoformat(" ")
        self.run("DELETE FROM invoices WHERE invoice_id = :id", id=f"F{number}")
        self.run(
            "INSERT INTO invoices VALUES (:id, 'C1', '2026-06-01', :due, :amount, "
            "CAST(:at AS TIMESTAMP))"
            if self.engine.dialect.name == "postgresql"
            else "INSERT INTO invoices VALUES (:id, 'C1', '2026-06-01', :due, :amount, :at)",
            id=f"F{number}",
            due=due,
            amount=amount,
            at=moment,
        )

    def pull(self, at: datetime = AT, **options: object) -> dict[str, dict[str, object]]:
        mapping = str(self.mapping)
        pulled = pulling.pull(self.settings, self.url, mapping=mapping, at=at, **options)
        return {str(row["table"]): row for row in pulled.rows()}

    def kept(self) -> dict[str, list[dict[str, object]]]:
        with self.records() as connection:
            found = ledger_rows.read_tables(connection)
        return {name: raw.table.to_pylist() for name, raw in found.items()}

    def amounts(self) -> dict[str, str]:
        return {row["invoice_id"]: row["amount"] for row in self.kept().get("invoices", [])}

    def forget(self) -> None:
        """The records as if nothing had ever been pulled."""
        with self.records() as connection:
            connection.execute(watermarks.delete())
            connection.execute(tables.ledger_rows.delete())

    @contextmanager
    def records(self) -> Iterator[sa.Connection]:
        database = open_database(self.settings.records_url)
        with database.writing() as connection:
            yield connection
        database.close()

    def marked(self) -> list[str]:
        """The tables that have a watermark."""
        with self.records() as connection:
            found = connection.execute(sa.select(watermarks.c.source_table))
            return list(found.scalars())


@pytest.fixture(params=databases.BOTH)
def erp(request, tmp_path) -> Iterator[Erp]:
    (tmp_path / "erp").mkdir()
    with databases.empty(request.param, tmp_path / "erp") as url:
        erp = Erp(url, tmp_path)
        yield erp
        erp.engine.dispose()


def fates(row: dict[str, object]) -> dict[str, object]:
    return {name: count for name, count in row.items() if count and name != "table"}


def test_only_what_changed_since_the_watermark_is_pulled(erp):
    erp.write(1, 100, AT - 10 * DAY)
    erp.write(2, 50, AT - 3 * DAY)
    assert fates(erp.pull()["invoices"]) == {"pulled": 2, "accepted": 2}
    erp.write(2, 45, AT)
    erp.write(3, 30, AT)
    told = erp.pull(AT + DAY)
    assert fates(told["invoices"]) == {"pulled": 2, "accepted": 1, "revised": 1}
    assert fates(told["customers"]) == {"pulled": 1, "unchanged": 1}, "no watermark: read whole"
    assert erp.amounts() == {"F1": "100.00", "F2": "45.00", "F3": "30.00"}
    assert erp.kept()["customers"] == [{"customer_id": "C1", "name": "NA"}]


def test_a_rehearsal_tells_what_a_pull_would_bring_and_moves_nothing(erp):
    given = {"pull_from": erp.url, "mapping": str(erp.mapping)}
    settings = erp.settings.model_copy(update=given)

    def would_bring() -> list[dict[str, object]]:
        told = pulling.would_bring(settings, at=AT)
        return [] if told is None else told.rows()

    assert pulling.would_bring(erp.settings, at=AT) is None
    for number in (1, 2):
        erp.write(number, 100, AT)
    expected = would_bring()
    assert expected == would_bring()
    is_sqlite = erp.engine.dialect.name == "sqlite"
    assert erp.settings.records_file.exists() is False or not is_sqlite
    assert list(erp.pull().values()) == expected
    erp.write(2, 120, AT)
    (changed,) = [row for row in would_bring() if row["table"] == "invoices"]
    assert (changed["revised"], changed["unchanged"]) == (1, 1)
    assert erp.amounts() == {"F1": "100.00", "F2": "100.00"}


def test_a_row_that_was_written_late_with_an_earlier_moment_is_seen_by_the_overlap(erp):
    erp.write(1, 100, AT)
    erp.pull()
    erp.write(2, 50, AT - timedelta(hours=20))  # its transaction was open for long
    assert fates(erp.pull(AT + DAY)["invoices"]) == {"pulled": 2, "accepted": 1, "unchanged": 1}


def test_a_row_without_a_moment_is_pulled_each_time(erp):
    erp.write(1, 100, AT)
    erp.pull()
    erp.write(2, 50, None)
    erp.pull(AT + 5 * DAY)
    assert set(erp.amounts()) == {"F1", "F2"}


def test_a_row_dated_into_the_future_hides_nothing_that_changes_before(erp):
    erp.write(1, 100, AT + 4000 * DAY)
    erp.pull()
    erp.write(2, 50, AT + DAY)
    erp.pull(AT + 2 * DAY)
    assert set(erp.amounts()) == {"F1", "F2"}


def test_a_row_that_breaks_a_rule_is_held_once_with_its_reason_and_comes_right_later(erp):
    erp.write(1, 100, AT, due="2026-02-31")
    assert fates(erp.pull()["invoices"]) == {"pulled": 1, "held": 1}
    erp.pull(AT + timedelta(hours=1))
    with erp.records() as connection:
        (held,) = ledger_rows.waiting(connection)
    assert [(f["column"], f["rule"]) for f in held["faults"]] == [("due_date", "unreadable_date")]
    erp.write(1, 100, AT + DAY)
    assert fates(erp.pull(AT + DAY)["invoices"]) == {"pulled": 1, "accepted": 1}
    with erp.records() as connection:
        assert ledger_rows.waiting(connection) == []


def test_a_deleted_row_is_seen_by_a_whole_pull_alone_and_may_come_again(erp):
    for number in range(5):
        erp.write(number, 100, AT - 9 * DAY)
    erp.pull()
    with erp.records() as connection:
        sent = ledger_rows.put(connection, "customers", SENT, at=AT)
    erp.run("DELETE FROM invoices WHERE invoice_id = 'F3'")
    erp.pull(AT + DAY)
    assert len(erp.amounts()) == 5
    assert fates(erp.pull(AT + DAY, whole=True)["invoices"]) == {
        "pulled": 4,
        "unchanged": 4,
        "removed": 1,
    }
    assert len(erp.amounts()) == 4
    assert sent[0].status == "accepted"
    assert len(erp.kept()["customers"]) == 2, "what somebody sent in is not the source's to end"
    erp.write(3, 90, AT + 2 * DAY)
    assert fates(erp.pull(AT + 3 * DAY)["invoices"])["accepted"] == 1
    assert erp.amounts()["F3"] == "90.00"


def test_a_whole_pull_of_half_a_table_ends_nothing(erp):
    for number in range(4):
        erp.write(number, 100, AT)
    erp.pull()
    erp.run("DELETE FROM invoices WHERE invoice_id IN ('F1', 'F2')")
    with pytest.raises(IntakeRefused, match="invoices: 2 of 4 rows are not in the source any more"):
        erp.pull(AT + DAY, whole=True)
    assert len(erp.amounts()) == 4


class PowerCut(BaseException):
    """What nobody catches."""


@pytest.mark.parametrize("moment", range(4))
def test_a_pull_that_is_cut_off_is_made_again_without_duplicates(erp, monkeypatch, moment):
    for number in range(5):
        erp.write(number, 100 + number, AT)
    monkeypatch.setattr(pulling, "ROWS_AT_ONCE", 2)  # customers and F0, F1 and F2, F3 and F4
    target, name = (audit, "note") if moment == 3 else (ledger_rows, "put")
    real, calls = getattr(target, name), iter(range(100))

    def cut(*given, **options):
        told = real(*given, **options)
        if moment == 3 or next(calls) == moment:
            raise PowerCut
        return told

    with monkeypatch.context() as patched:
        patched.setattr(target, name, cut)
        with pytest.raises(PowerCut):
            erp.pull()
    assert erp.marked() == []
    erp.pull()
    assert erp.amounts() == {f"F{n}": f"{100 + n}.00" for n in range(5)}
    with erp.records() as connection:
        stored = connection.execute(sa.text("SELECT count(*) FROM ledger_rows")).scalar()
    assert erp.marked() == ["invoices"]
    assert stored == 6


changes = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.booleans()), min_size=1, max_size=9
)


def test_any_split_of_a_tables_history_gives_what_one_whole_pull_gives(erp):
    @examples(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changes)
    def holds(history):
        erp.forget()
        erp.run("DELETE FROM invoices")
        at = AT
        for number, amount, is_pulled_here in history:
            at += timedelta(hours=17)
            erp.write(number, amount, at)
            if is_pulled_here:
                erp.pull(at)
        erp.pull(at)
        by_parts = erp.kept()
        erp.forget()
        erp.pull(at, whole=True)
        assert erp.kept() == by_parts

    erp.pull()
    holds()
