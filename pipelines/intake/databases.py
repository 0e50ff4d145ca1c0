"""Database tables become raw tables: every cell as the text that the database itself writes.

The database's own conversions would raise on `infinity` or 31 February: as text, such a cell
becomes a fault of its row like any other.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from pipelines.intake.files import IntakeRefused, Raw
from pipelines.tables import TABLES

ROWS_AT_ONCE = 50_000


def read_tables(url: str) -> dict[str, Raw]:
    """The ledger's tables that the database holds, by name; columns it does not know come along."""
    try:
        engine = sa.create_engine(url)
    except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
        raise IntakeRefused([f"not a database address that can be used: {error}"]) from error
    try:
        with engine.connect() as connection:
            found = sorted(set(sa.inspect(connection).get_table_names()) & set(TABLES))
            return {name: _read(connection, name) for name in found}
    except sa.exc.OperationalError as error:
        where = sa.make_url(url).render_as_string(hide_password=True)
        why = str(error.orig).splitlines()[0]
        raise IntakeRefused([f"{where}: the database does not answer: {why}"]) from error
    finally:
        engine.dispose()


def _read(connection: sa.Connection, name: str) -> Raw:
    columns = {c["name"]: c["type"] for c in sa.inspect(connection).get_columns(name)}
    numeric = [c for c, kind in columns.items() if isinstance(kind, sa.Numeric | sa.Integer)]
    cells = [sa.cast(sa.column(column), sa.Text).label(column) for column in columns]
    query = sa.select(*cells).select_from(sa.table(name))
    if (key := TABLES[name].key) in columns:
        query = query.order_by(sa.column(str(key)))  # so that row numbers mean something
    schema = pa.schema([(column, pa.string()) for column in columns])
    table = pa.Table.from_batches(list(_batches(connection, query, schema)), schema)
    lines = np.arange(1, table.num_rows + 1)
    return Raw(f"table {name}", table, lines, typed=False, numeric=frozenset(numeric))


def _batches(
    connection: sa.Connection, query: sa.Executable, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    streamed = connection.execution_options(stream_results=True)
    for rows in streamed.execute(query).partitions(ROWS_AT_ONCE):
        columns = [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)]
        yield pa.record_batch(columns, schema=schema)
