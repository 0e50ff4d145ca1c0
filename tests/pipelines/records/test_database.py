import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import databases
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from pipelines.records import audit
from pipelines.records.audit import Writer
from pipelines.records.database import (
    Database,
    RecordsAway,
    RecordsDamaged,
    make_engine,
    open_database,
)
from pipelines.records.tables import metadata

WRITER = Writer("maria", datetime(2026, 7, 1, 8, tzinfo=UTC))


@pytest.fixture(params=databases.BOTH)
def url(request, tmp_path):
    with databases.empty(request.param, tmp_path) as address:
        yield address


@pytest.fixture
def database(url):
    database = open_database(url)
    yield database
    database.close()


def test_the_migrations_make_the_tables_that_the_code_declares(database: Database):
    with database.engine.connect() as connection:
        # the tables of scores are in partitions: pipelines.score_database alone knows them
        ours = {"include_name": lambda name, kind, _: not f"{name}".startswith("score")}
        context = MigrationContext.configure(connection, opts={"compare_type": True, **ours})
        assert compare_metadata(context, metadata) == []


def test_opening_again_changes_nothing(database: Database, url: str):
    with database.writing() as connection:
        audit.note(connection, WRITER, "tested", "itself")
    open_database(url).close()
    with database.reading() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM audit")) == 1


def test_a_write_that_fails_leaves_nothing_behind(database: Database):
    def write_half() -> None:
        with database.writing() as connection:
            audit.note(connection, WRITER, "tested", "itself")
            raise KeyError("a fault of the caller's")

    with pytest.raises(KeyError):
        write_half()
    with database.reading() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM audit")) == 0


def test_a_changed_line_of_the_audit_log_is_found(database: Database):
    with database.writing() as connection:
        for number in range(5):
            audit.note(connection, WRITER, "tested", f"subject {number}", {"rows": number})
        assert audit.first_broken(connection) is None
        third = connection.scalar(sa.text("SELECT id FROM audit WHERE subject = 'subject 2'"))
        connection.execute(sa.text("UPDATE audit SET who = 'nobody' WHERE subject = 'subject 2'"))
        assert audit.first_broken(connection) == third


def test_a_removed_line_of_the_audit_log_is_found(database: Database):
    with database.writing() as connection:
        for number in range(5):
            audit.note(connection, WRITER, "tested", f"subject {number}")
        connection.execute(sa.text("DELETE FROM audit WHERE subject = 'subject 2'"))
        assert audit.first_broken(connection) is not None


def test_an_address_where_nobody_answers_is_told_without_its_password():
    with pytest.raises(RecordsAway) as told:
        open_database("postgresql://someone:geheim@127.0.0.1:1/none")
    assert "geheim" not in str(told.value)


def test_f18_a_database_that_somebody_else_holds_is_away_within_five_seconds(tmp_path: Path):
    path = tmp_path / "records.db"
    database = open_database(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(RecordsAway, match="locked"), database.writing():
            pass
    finally:
        other.close()
    with database.writing() as connection:
        audit.note(connection, WRITER, "tested", "afterwards")
    database.close()


def test_f19_a_damaged_file_is_found_and_the_back_up_stands_in(tmp_path: Path):
    path, copy = tmp_path / "records.db", tmp_path / "backup.db"
    database = open_database(f"sqlite:///{path}")
    with database.writing() as connection:
        for number in range(200):
            audit.note(connection, WRITER, "tested", f"subject {number}" * 20)
    database.back_up(copy)
    database.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xff" * 4096
    path.write_bytes(content)

    damaged = Database(make_engine(f"sqlite:///{path}"))
    with pytest.raises(RecordsDamaged):
        damaged.check()
    damaged.close()  # or it would read what it has in memory
    path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    with pytest.raises(RecordsDamaged), damaged.reading() as connection:
        audit.first_broken(connection)  # whoever meets the damage is told of it, as of an absence
    damaged.close()

    copy.replace(path)
    restored = open_database(f"sqlite:///{path}")
    restored.check()
    with restored.reading() as connection:
        assert audit.first_broken(connection) is None
        assert connection.scalar(sa.text("SELECT count(*) FROM audit")) == 200
    restored.close()
