"""Scores on PostgreSQL, for machines that serve and do not share the disk of the nights.

A night's snapshot stays the truth; its rows are copied into a partition of their own, indexed and
attached, and one short transaction that counts them again lets everybody read them. Readers answer
as from the snapshot itself: they are `pipelines.snapshot` over another connection.
"""

import hashlib
import json
import logging
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from pipelines.records.database import (
    Database,
    RecordsAway,
    RecordsDamaged,
    make_engine,
    open_database,
    wait_turn,
)
from pipelines.settings import Settings
from pipelines.snapshot import LOOKUP, Snapshot, SnapshotDamaged
from pipelines.store import ScoreStore

logger = logging.getLogger(__name__)

PARTITIONED = {"scores": "scores", "plan": "score_plans", "customers": "score_customers"}
FILES = "score_files"
CHANNEL = "scores"  # on which a new night is told to whoever listens
_LOADER = 7083225  # the advisory lock of the one that loads
_SUM = "sum(('x' || substr(md5(row), 1, 15))::bit(60)::bigint)"
_INDEXES = {
    "scores": (
        "UNIQUE ({}) (invoice_id)",
        "({}) (customer_id, place)",
        "({}) (risk_band, place)",
        "({}) (action, place)",
        "({}) (open_cents DESC, place)",
        "({}) (value_at_risk_cents DESC, place)",
        "({}) (p_late_30 DESC, place)",
    ),
    "plan": ("UNIQUE ({}) (customer_id)", "({}) (action, place)"),
    "customers": (),
}
_KEYS = {"scores": "place", "plan": "place", "customers": "customer_id"}


def of_night(settings: Settings, snapshot: Snapshot) -> None:
    """Let the night be read from the database too, where there is one of PostgreSQL.

    A database that is away fails the night only where scores are read from it: the night is there,
    and is loaded when it is run again.
    """
    if not settings.records_url.startswith("postgresql"):
        return
    try:
        with closing(open_database(settings.records_url)) as database:
            publish(database, snapshot, keep=settings.snapshots_kept)
    except (RecordsAway, RecordsDamaged, sa.exc.DatabaseError) as fault:
        if settings.scores_from == "database":
            raise
        logger.error("the scores of %s are not in the database: %s", snapshot.name, fault)


def publish(database: Database, snapshot: Snapshot, *, keep: int) -> None:
    """Make a snapshot the one that is read from the database; again changes nothing."""
    with _alone(database):
        for batch in _batches(database, "state = 'loading'"):  # a killed run's
            _drop(database, batch)
        known = _batches(database, "name = :name", name=snapshot.name)
        batch = known[0] if known else _load(database, snapshot)
        _flip(database, batch, snapshot, is_new=not known)
        old = _batches(database, "state = 'old'")
        for gone in old[: max(len(old) + 1 - keep, 0)]:
            _drop(database, gone)


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """One loads at a time; the lock goes with the connection, however that ends."""
    with database.engine.connect() as connection:
        connection.execute(sa.text("SET lock_timeout = 0"))
        connection.execute(sa.text("SET statement_timeout = 0"))
        wait_turn(connection, _LOADER, scope="")
        try:
            yield
        finally:
            connection.invalidate()  # and with it its settings and its lock


def _batches(database: Database, where: str, **values: object) -> list[int]:
    asked = sa.text(f"SELECT batch_id FROM score_batches WHERE {where} ORDER BY batch_id")
    with database.reading() as connection:
        return [int(batch) for batch in connection.execute(asked, values).scalars()]


def _load(database: Database, snapshot: Snapshot) -> int:
    """Copy the snapshot into partitions that nobody reads yet; the number of its batch."""
    with database.writing() as connection:
        batch = int(
            connection.execute(
                sa.text(
                    "INSERT INTO score_batches (name, as_of, model_version, state, manifest) "
                    "VALUES (:name, :as_of, :model, 'loading', :manifest) RETURNING batch_id"
                ),
                {
                    "name": snapshot.name,
                    "as_of": snapshot.as_of.isoformat(),
                    "model": snapshot.model_version,
                    "manifest": json.dumps(snapshot.manifest),
                },
            ).scalar_one()
        )
    uri = f"{(snapshot.folder / LOOKUP).resolve().as_uri()}?mode=ro&immutable=1"
    with database.writing() as connection, closing(sqlite3.connect(uri, uri=True)) as lookup:
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        for table, parent in PARTITIONED.items():
            _make(connection, parent, batch)
            rows, total = _copy(connection, lookup, table, parent, batch)
            connection.execute(
                sa.text(
                    f"UPDATE score_batches SET {table}_rows = :rows, {table}_sum = :total "
                    "WHERE batch_id = :batch"
                ),
                {"rows": rows, "total": total, "batch": batch},
            )
            _index(connection, table, parent, batch)
        _make(connection, FILES, batch)
        _copy_files(connection, snapshot, batch)
    return batch


def _make(connection: sa.Connection, parent: str, batch: int) -> None:
    """A table like the parent's partitions; its check lets it be attached without a look."""
    child = f"{parent}_{batch}"
    connection.execute(
        sa.text(
            f"CREATE TABLE {child} (LIKE {parent} INCLUDING DEFAULTS, "
            f"CHECK (batch_id = {batch} AND batch_id IS NOT NULL))"
        )
    )


def _copy(
    connection: sa.Connection, lookup: sqlite3.Connection, table: str, parent: str, batch: int
) -> tuple[int, int]:
    """The lookup's rows by COPY; how many, and the sum of what their texts hash to."""
    has = lookup.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if not has[0]:
        return 0, 0
    rows = total = 0
    cursor = _driver(connection).cursor()
    with cursor.copy(f"COPY {parent}_{batch} FROM STDIN") as copy:
        for row in lookup.execute(f"SELECT * FROM {table} ORDER BY {_KEYS[table]}"):
            copy.write_row((batch, *row))
            rows += 1
            total += int(hashlib.md5(row[-1].encode(), usedforsecurity=False).hexdigest()[:15], 16)
    return rows, total


def _copy_files(connection: sa.Connection, snapshot: Snapshot, batch: int) -> None:
    """The snapshot's Parquet files as they are, and their schemas, which are asked for alone."""
    with _driver(connection).cursor().copy(f"COPY {FILES}_{batch} FROM STDIN") as copy:
        for path in sorted(snapshot.folder.glob("*.parquet")):
            copy.write_row((batch, path.name, path.read_bytes()))
            schema = pq.read_schema(path).serialize().to_pybytes()
            copy.write_row((batch, f"{path.name}.schema", schema))


def _index(connection: sa.Connection, table: str, parent: str, batch: int) -> None:
    child = f"{parent}_{batch}"
    connection.execute(sa.text(f"ALTER TABLE {child} ADD PRIMARY KEY (batch_id, {_KEYS[table]})"))
    for index in _INDEXES[table]:
        is_unique, columns = index.startswith("UNIQUE"), index.rpartition("(")[2]
        unique = "UNIQUE " if is_unique else ""
        connection.execute(sa.text(f"CREATE {unique}INDEX ON {child} ({columns}"))


def _flip(database: Database, batch: int, snapshot: Snapshot, *, is_new: bool) -> None:
    """One short transaction: what is there is what was written, and now it is what is read."""
    with database.writing() as connection:
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        if is_new:
            for table, parent in PARTITIONED.items():
                _check(connection, table, parent, batch, snapshot)
            for parent in (*PARTITIONED.values(), FILES):
                child = f"{parent}_{batch}"
                attached = f"ATTACH PARTITION {child} FOR VALUES IN ({batch})"
                connection.execute(sa.text(f"ALTER TABLE {parent} {attached}"))
        for state, which in (("old", "state = 'current'"), ("current", "batch_id = :batch")):
            put = sa.text(f"UPDATE score_batches SET state = '{state}' WHERE {which}")
            connection.execute(put, {"batch": batch} if state == "current" else {})
        told = {"channel": CHANNEL, "name": snapshot.name}
        connection.execute(sa.text("SELECT pg_notify(:channel, :name)"), told)


def _check(
    connection: sa.Connection, table: str, parent: str, batch: int, snapshot: Snapshot
) -> None:
    found = connection.execute(
        sa.text(f"SELECT count(*), coalesce({_SUM}, 0) FROM {parent}_{batch}")
    ).one()
    expected = connection.execute(
        sa.text(f"SELECT {table}_rows, {table}_sum FROM score_batches WHERE batch_id = :batch"),
        {"batch": batch},
    ).one()
    is_whole = table != "scores" or int(found[0]) == snapshot.rows
    if [int(x) for x in found] != [int(x) for x in expected] or not is_whole:
        raise SnapshotDamaged(
            f"snapshot {snapshot.name}: the database holds other rows of {table} than were written"
        )


def _drop(database: Database, batch: int) -> None:
    """Partitions are dropped, never deleted from: their room is there again at once."""
    with database.writing() as connection:
        for parent in (*PARTITIONED.values(), FILES):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {parent}_{batch}"))
        gone = sa.text("DELETE FROM score_batches WHERE batch_id = :batch")
        connection.execute(gone, {"batch": batch})


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


class DatabaseStore:
    """The nights that a database holds, to be read; `publish` is what writes there."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._database: Database | None = None
        self._open: Snapshot | None = None

    def names(self) -> list[str]:
        """The nights there are, by date."""
        with self._reading() as connection:
            asked = sa.text("SELECT name FROM score_batches WHERE state <> 'loading'")
            return sorted(connection.execute(asked).scalars())

    def current_name(self) -> str | None:
        """The night that is read, None before the first."""
        with self._reading() as connection:
            asked = sa.text("SELECT name FROM score_batches WHERE state = 'current'")
            found = connection.execute(asked).scalar_one_or_none()
        return None if found is None else str(found)

    def current(self) -> Snapshot | None:
        """The night that is read, opened again only after another was published."""
        name = self.current_name()
        if name is None:
            return None
        if self._open is None or self._open.name != name:
            self._open = self.snapshot(name)
        return self._open

    def snapshot(self, name: str) -> Snapshot:
        """Any night by its name; SnapshotDamaged where it is not there."""
        asked = sa.text(
            "SELECT batch_id, manifest FROM score_batches WHERE name = :name AND state <> 'loading'"
        )
        with self._reading() as connection:
            found = connection.execute(asked, {"name": name}).one_or_none()
        if found is None or self._database is None:
            raise SnapshotDamaged(f"{name[:60]!r} is no night that the database holds")
        return DatabaseSnapshot(self._database, int(found[0]), name, json.loads(found[1]))

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        try:
            if self._database is None:
                self._database = open_database(self._url)
            with self._database.reading() as connection:
                yield connection
        except (RecordsAway, RecordsDamaged) as fault:
            raise SnapshotDamaged(f"the scores' database does not answer: {fault}") from fault


def current_name(url: str) -> str | None:
    """The night that is read, None before the first; no table is made or changed by asking."""
    with closing(Database(make_engine(url))) as database, database.reading() as connection:
        if not sa.inspect(connection).has_table("score_batches"):
            return None
        asked = sa.text("SELECT name FROM score_batches WHERE state = 'current'")
        found = connection.execute(asked).scalar_one_or_none()
    return None if found is None else str(found)


def readable(settings: Settings) -> "ScoreStore | DatabaseStore":
    """Where this installation's doors read scores from."""
    if settings.scores_from == "database":
        return DatabaseStore(settings.records_url)
    return ScoreStore(settings.scores_folder)


class DatabaseSnapshot(Snapshot):
    """A night as the database holds it: the answers of the snapshot that it was copied from."""

    def __init__(self, database: Database, batch: int, name: str, manifest: dict[str, Any]) -> None:
        self._database, self._batch = database, batch
        self._lookup = _Lookup(database, batch)
        self._describe(name, manifest)

    def _schema(self, file: str) -> pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(self._content(f"{file}.schema")))

    def _source(self, file: str) -> pa.BufferReader:
        return pa.BufferReader(self._content(file))

    def _content(self, file: str) -> bytes:
        asked = sa.text(f"SELECT content FROM {FILES}_{self._batch} WHERE name = :name")
        with self._database.reading() as connection:
            return bytes(connection.execute(asked, {"name": file}).scalar_one())

    def close(self) -> None:
        """Nothing is held open."""


class _Lookup:
    """What `Snapshot` asks of its SQLite file, asked of one batch's partitions."""

    def __init__(self, database: Database, batch: int) -> None:
        self.database, self.batch = database, batch

    def execute(self, asked: str, values: Sequence[object] = ()) -> "_Rows":
        asked = asked.replace("instr(", "strpos(").replace("char(10)", "chr(10)")
        asked = re.sub(r"\b(FROM|JOIN) (scores|plan|customers)\b", self._partition, asked)
        asked = asked.replace("?", "%s")
        with self.database.reading() as connection:
            return _Rows(connection.exec_driver_sql(asked, tuple(values)).tuples().all())

    def _partition(self, found: re.Match[str]) -> str:
        return f"{found[1]} {PARTITIONED[found[2]]}_{self.batch} AS {found[2]}"


class _Rows(list[tuple[Any, ...]]):
    def fetchone(self) -> tuple[Any, ...] | None:
        return self[0] if self else None
