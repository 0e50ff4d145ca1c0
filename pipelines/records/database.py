"""The records' database: SQLite beside the scores, or PostgreSQL where the settings name one.

    database = open_database("sqlite:///.puntuale/records.db")
    with database.writing() as connection: ...

A write is one transaction: what was acknowledged is on the disk, what failed left nothing behind.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

BUSY_SECONDS = 4  # a writer waits for another so long; a request must be answered within five
STATEMENT_SECONDS = 30
POOL_SECONDS = 4  # waiting for a free connection
_MIGRATIONS = Path(__file__).with_name("migrations")
_AWAY = (sa.exc.OperationalError, sa.exc.InterfaceError)
# Other schemas of a server are other companies', which never wait for ours; locks are the server's.
# In `public`, where a single company is, a lock's number is its own.
_OF_SCHEMA = (
    "(CASE coalesce(current_schema(), '') WHEN 'public' THEN 0 "
    "ELSE hashtextextended(CAST(current_schema() AS text), 0) END)"
)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class RecordsAway(RuntimeError):  # noqa: N818 - the name says what happened
    """The records' database does not answer, or is locked by somebody else for too long."""


class RecordsDamaged(RuntimeError):  # noqa: N818 - the name says what happened
    """The database's file is damaged: `puntuale restore` brings the last back-up."""


class Database:
    """Connections that read or write; made by `open_database`."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that may write; RecordsAway where none can be had."""
        with self._connection() as connection, connection.begin():
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent look; RecordsAway where the database does not answer."""
        with self._connection(postgresql_readonly=True, is_read=True) as connection:
            yield connection

    @contextmanager
    def _connection(self, **options: object) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as connection:
                yield connection.execution_options(**options)
        except sa.exc.TimeoutError as fault:
            raise RecordsAway(_why(fault)) from fault
        except sa.exc.DBAPIError as fault:
            if _is_damage(fault):
                raise RecordsDamaged(_why(fault)) from fault
            if isinstance(fault, _AWAY):
                raise RecordsAway(_why(fault)) from fault
            raise

    def check(self) -> None:
        """Raises RecordsDamaged where SQLite finds its file damaged; PostgreSQL checks itself."""
        if self.engine.dialect.name != "sqlite":
            return
        with self.reading() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check").scalars().all()
        if found != ["ok"]:
            raise RecordsDamaged("; ".join(str(line) for line in found[:5]))

    def back_up(self, path: Path) -> None:
        """A copy of a SQLite database while it is in use; for PostgreSQL use `pg_dump`."""
        if self.engine.dialect.name != "sqlite":
            raise ValueError("only SQLite is backed up here; for PostgreSQL use pg_dump")
        with self.engine.connect() as connection:
            ours = connection.connection.driver_connection
            if not isinstance(ours, sqlite3.Connection):
                raise TypeError(f"expected a SQLite connection, got {type(ours).__name__}")
            with sqlite3.connect(path) as copy:
                ours.backup(copy)
            copy.close()

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str) -> Database:
    """The database at this address with all its tables, made or brought up to date."""
    engine = make_engine(url)
    try:
        upgrade(engine)
    except (*_AWAY, sa.exc.TimeoutError) as fault:
        raise RecordsAway(_why(fault)) from fault
    except sa.exc.DatabaseError as fault:
        raise RecordsDamaged(_why(fault)) from fault
    return Database(engine)


def make_engine(url: str) -> sa.Engine:
    """Connections that lose nothing: WAL flushed at each commit, limits on every wait."""
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite":
        if address.database:
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(
            address, connect_args={"timeout": BUSY_SECONDS}, pool_timeout=POOL_SECONDS
        )
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    asked = address.query.get("options", "")  # the address may name a search_path of its own
    limits = f"-cstatement_timeout={STATEMENT_SECONDS * 1000} -clock_timeout={BUSY_SECONDS * 1000}"
    return sa.create_engine(
        address.set(drivername="postgresql+psycopg").difference_update_query(["options"]),
        connect_args={"connect_timeout": 4, "options": f"{asked} {limits}"},
        pool_timeout=POOL_SECONDS,
        pool_pre_ping=True,  # a server that came back is used again without a failed request
    )


def upgrade(engine: sa.Engine, *, to: str | None = None) -> None:
    """Bring the tables up to this version's, or to a migration's; several processes may try."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    newest = to or ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection, connection.begin():
        if MigrationContext.configure(connection).get_current_revision() == newest:
            return
        wait_turn(connection, 7083220)
        config.attributes["connection"] = connection
        command.upgrade(config, to or "head")


def wait_turn(
    connection: sa.Connection, number: int, about: str | None = None, *, scope: str = "xact_"
) -> None:
    """Nobody else in this schema does the same, about the same, until the transaction ends.

    With an empty scope until the connection ends. SQLite has one writer anyhow.
    """
    if connection.dialect.name != "postgresql":
        return
    which = "CAST(:number AS bigint)" if about is None else "hashtextextended(:about, :number)"
    lock = sa.text(f"SELECT pg_advisory_{scope}lock({which} # {_OF_SCHEMA})")
    connection.execute(lock, {"number": number} | ({} if about is None else {"about": about}))


def revision(engine: sa.Engine) -> tuple[str | None, str | None, frozenset[str]]:
    """The tables' migration, this version's, and all that it knows; nothing is changed."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    ours = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        has = MigrationContext.configure(connection).get_current_revision()
    return has, ours.get_current_head(), frozenset(r.revision for r in ours.walk_revisions())


def moment(at: datetime) -> str:
    """A moment as the records keep it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    # a transaction that reads first and then wants to write may be refused in the middle; one
    # that takes the lock at once waits its turn
    is_read = connection.get_execution_options().get("is_read")
    connection.exec_driver_sql("BEGIN" if is_read else "BEGIN IMMEDIATE")


def _is_damage(fault: sa.exc.DBAPIError) -> bool:
    """Whether SQLite found a page that is none of its own; the low byte is the kind of error."""
    return getattr(fault.orig, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _why(fault: Exception) -> str:
    cause = getattr(fault, "orig", None) or fault
    return str(cause).strip().splitlines()[0][:300]
