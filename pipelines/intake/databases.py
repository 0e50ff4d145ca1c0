"""Database tables become raw tables: every cell as the text that the database itself writes.

The database's own conversions would raise on `infinity` or 31 February: as text, such a cell
becomes a fault of its row like any other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from pipelines.intake.files import IntakeRefused, Raw
from pipelines.tables import TABLES

ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Since:
    """From where on a table is read: rows that changed `overlap` before the mark, or later."""

    column: str
    mark: str | None  # ISO 8601, as `newest` gave it; None: from the beginning
    overlap: timedelta


def read_tables(url: str) -> dict[str, Raw]:
    """The ledger's tables that the database holds, by name; columns it does not know come along."""
    with opened(url) as connection:
        found = sorted(set(sa.inspect(connection).get_table_names()) & set(TABLES))
        return {name: read_table(connection, name) for name in found}


@contextmanager
def opened(url: str) -> Iterator[sa.Connection]:
    """A connection for reading; IntakeRefused where the database cannot be used or is away."""
    try:
        engine = sa.create_engine(url)
    except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
        raise IntakeRefused([f"not a database address that can be used: {error}"]) from error
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":  # all tables as of one moment
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection
    except sa.exc.OperationalError as error:
        where = sa.make_url(url).render_as_string(hide_password=True)
        why = str(error.orig).splitlines()[0]
        raise IntakeRefused([f"{where}: the database does not answer: {why}"]) from error
    finally:
        engine.dispose()


def names(connection: sa.Connection) -> list[str]:
    """The tables and views that the database shows."""
    inspector = sa.inspect(connection)
    return sorted({*inspector.get_table_names(), *inspector.get_view_names()})


def newest(connection: sa.Connection, name: str, column: str, *, at: datetime) -> str | None:
    """When the table's last row changed, as ISO 8601, at most `at`; None where nothing says.

    Ask before reading the rows: what is written in between is then read again, not left out.
    """
    if column not in (known := [c["name"] for c in sa.inspect(connection).get_columns(name)]):
        raise IntakeRefused([f"{name}: expected a column {column}, got: {', '.join(known)}"])
    moments: sa.ColumnClause[object] = sa.column(column)
    query = sa.select(sa.func.max(moments)).select_from(sa.table(name))
    found = connection.execute(query).scalar()
    if found is None:
        return None
    try:
        last = found if isinstance(found, date) else datetime.fromisoformat(str(found))
    except ValueError:
        raise IntakeRefused(
            [f"{name}: expected the moment of a change in {column}, got: {found!r}"]
        ) from None
    # a clock that is ahead, or a row dated into the future, must not hide what changes tomorrow
    if not isinstance(last, datetime):
        return min(last, at.date()).isoformat()
    now = at if last.tzinfo else at.astimezone(UTC).replace(tzinfo=None)
    return min(last, now).isoformat()


def read_table(connection: sa.Connection, name: str, since: Since | None = None) -> Raw:
    """The rows of one table or view: all, or those that changed since; undated ones always."""
    columns = {c["name"]: c["type"] for c in sa.inspect(connection).get_columns(name)}
    numeric = [c for c, kind in columns.items() if isinstance(kind, sa.Numeric | sa.Integer)]
    cells = [sa.cast(sa.column(column), sa.Text).label(column) for column in columns]
    query = sa.select(*cells).select_from(sa.table(name))
    if since is not None and since.mark is not None:
        query = query.where(_changed(connection, since, columns[since.column]))
    key = TABLES[name].key if name in TABLES else None
    if key in columns:
        query = query.order_by(sa.column(str(key)))  # so that row numbers mean something
    schema = pa.schema([(column, pa.string()) for column in columns])
    table = pa.Table.from_batches(list(_batches(connection, query, schema)), schema)
    lines = np.arange(1, table.num_rows + 1)
    return Raw(f"table {name}", table, lines, typed=False, numeric=frozenset(numeric))


def _changed(
    connection: sa.Connection, since: Since, kind: sa.types.TypeEngine[object]
) -> sa.ColumnElement[bool]:
    moment = datetime.fromisoformat(str(since.mark)) - since.overlap
    bound: sa.BindParameter[str] | datetime | date = moment
    if connection.dialect.name == "sqlite" or isinstance(kind, sa.String):
        # a day sorts before each of its moments, however they are written
        bound = sa.literal(moment.date().isoformat(), sa.String)
    elif isinstance(kind, sa.Date):
        bound = moment.date()
    changed: sa.ColumnClause[object] = sa.column(since.column)
    return sa.or_(changed >= bound, changed.is_(None))


def _batches(
    connection: sa.Connection, query: sa.Executable, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    streamed = connection.execution_options(stream_results=True)
    for rows in streamed.execute(query).partitions(ROWS_AT_ONCE):
        columns = [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)]
        yield pa.record_batch(columns, schema=schema)
