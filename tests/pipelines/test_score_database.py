"""The same questions of a night in its folder and in PostgreSQL: the same answers, or none."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import databases
import pytest
import sqlalchemy as sa

from pipelines import checkup, night, score_database
from pipelines.job import Job
from pipelines.records.database import Database, open_database
from pipelines.score_database import DatabaseStore
from pipelines.settings import Settings
from pipelines.snapshot import CUSTOMER_SORTS, INVOICE_SORTS, Snapshot, SnapshotDamaged, Wanted
from pipelines.store import ScoreStore
from tests import small_company
from tests.small_company import AS_OF

pytestmark = [pytest.mark.postgres, *small_company.QUIET_MLFLOW]
FILTERS = [
    Wanted(),
    Wanted(band="high"),
    Wanted(signal="exposure_over_limit", at_least_cents=100_000),
    Wanted(action="wait", text="sas"),
    Wanted(company="IT01", text="f0000"),
    Wanted(collector="nobody"),
]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> ScoreStore:
    """Two nights of the small company in their folder."""
    settings = small_company.settings(tmp_path_factory.mktemp("home"))
    small_company.crowned(settings)
    for back in (1, 0):
        at = datetime(2026, 7, 1, 5, tzinfo=UTC)
        night.run(Job.of(settings, at=at, as_of=AS_OF - timedelta(days=back)))
    return ScoreStore(settings.scores_folder)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with databases.empty("postgresql", tmp_path) as address:
        yield address


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(open_database(url)) as database:
        yield database


def publish(database: Database, nights: ScoreStore, at: int, *, keep: int = 14) -> str:
    with closing(nights.snapshot(nights.names()[at])) as snapshot:
        score_database.publish(database, snapshot, keep=keep)
        return snapshot.name


def asked(snapshot: Snapshot) -> list[Any]:
    """Every question that doors ask, on each of some invoices and customers, filters and sorts."""
    told: list[Any] = [snapshot.as_of, snapshot.manifest, snapshot.rows, snapshot.has_plan]
    told += [snapshot.collectors, snapshot.company_codes, snapshot.get_invoice("none")]
    rows = snapshot.worklist(limit=7, offset=3)
    for row in rows:
        told.append(snapshot.get_invoice(row["invoice_id"]))
        customer = row["customer_id"]
        told += [snapshot.get_customer(customer), snapshot.get_contact(customer)]
        told.append(snapshot.get_customer_row(customer))
    for wanted in FILTERS:
        told += [snapshot.count(wanted), snapshot.count_plan(wanted)]
        told += [snapshot.worklist(wanted, limit=20, sort=sort) for sort in INVOICE_SORTS]
        told += [snapshot.plan(wanted, limit=20, sort=sort) for sort in CUSTOMER_SORTS]
    tables = (snapshot.scores(), snapshot.plan_table(), snapshot.quarantine())
    return told + [None if table is None else table.to_pylist() for table in tables]


def test_both_stores_give_the_same_answers(
    nights: ScoreStore, database: Database, url: str
) -> None:
    name = publish(database, nights, 1)
    with closing(DatabaseStore(url)) as store, closing(nights.snapshot(name)) as in_folder:
        in_database = store.current()
        assert in_database is not None
        assert in_database.name == store.current_name() == nights.current_name()
        for one, other in zip(asked(in_database), asked(in_folder), strict=True):
            assert one == other
        assert in_folder.count(FILTERS[1]) > 0
        assert in_folder.count(FILTERS[4]) > 0


def test_again_changes_nothing_going_back_is_possible_and_the_oldest_are_dropped(
    nights: ScoreStore, database: Database, url: str
) -> None:
    first, second = (publish(database, nights, at) for at in (0, 1))
    with closing(DatabaseStore(url)) as store:
        assert publish(database, nights, 1) == store.current_name() == second
        assert store.names() == [first, second]
        publish(database, nights, 0)
        assert store.current_name() == first
        publish(database, nights, 1, keep=1)
        assert store.names() == [second]
        with pytest.raises(SnapshotDamaged, match="no night"):
            store.snapshot(first)
    assert _partitions(database) == 4


def test_the_check_up_tells_which_night_the_database_lets_be_read(
    nights: ScoreStore, database: Database, url: str
) -> None:
    first, second = nights.names()
    settings = Settings(
        _env_file=None, home=nights.root.parent, database_url=url, scores_from="database"
    )
    job = checkup.job_of(settings, at=datetime(2026, 7, 1, 6, tzinfo=UTC))

    assert checkup.CHECKS["night"](job).found == "the database holds none to be read"
    publish(database, nights, 0)
    told = checkup.CHECKS["night"](job)
    assert (told.state, told.found) == (
        "wrong",
        f"{first} is read from the database, {second} was published",
    )
    publish(database, nights, 1)
    assert checkup.CHECKS["night"](job).state == "ok"


def test_a_load_that_was_killed_is_not_seen_and_makes_room_for_the_next(
    nights: ScoreStore, database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(database, nights, 0)

    def killed(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed before it was let be read")

    with monkeypatch.context() as dying:
        dying.setattr(score_database, "_flip", killed)
        with pytest.raises(RuntimeError, match="killed"):
            publish(database, nights, 1)
    with closing(DatabaseStore(url)) as store:
        assert store.names() == [nights.names()[0]]
        assert store.current_name() == nights.names()[0]
        publish(database, nights, 1)
        assert store.current_name() == nights.names()[1]
    assert _partitions(database) == 8


def test_rows_that_are_not_those_written_are_never_read(
    nights: ScoreStore, database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = score_database._load

    def damaged(*given: Any) -> int:
        batch = load(*given)
        with database.writing() as connection:
            changed = f"UPDATE scores_{batch} SET row = replace(row, '0', '1') WHERE place = 5"
            connection.execute(sa.text(changed))
        return batch

    monkeypatch.setattr(score_database, "_load", damaged)
    with pytest.raises(SnapshotDamaged, match="other rows of scores"):
        publish(database, nights, 0)
    with closing(DatabaseStore(url)) as store:
        assert store.current() is None


def test_a_database_that_is_away_leaves_the_last_good_night() -> None:
    store = DatabaseStore("postgresql://127.0.0.1:9/none")
    with pytest.raises(SnapshotDamaged, match="does not answer"):
        store.current()


def test_scores_are_read_from_a_database_only_where_one_is_set(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a PostgreSQL"):
        Settings(_env_file=None, home=tmp_path, scores_from="database")  # type: ignore[call-arg]
    given = {"scores_from": "database", "database_url": "postgresql://127.0.0.1:9/none"}
    settings = Settings(_env_file=None, home=tmp_path, **given)  # type: ignore[call-arg, arg-type]
    assert isinstance(score_database.readable(settings), DatabaseStore)


def _partitions(database: Database) -> int:
    asked = "SELECT count(*) FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE relkind = 'r'"
    asked += " AND relnamespace = current_schema()::regnamespace"
    with database.reading() as connection:
        return int(connection.scalar(sa.text(asked)) or 0)
