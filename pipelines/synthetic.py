"""An invented ledger with known truth; the rooms behind this door are in `pipelines/invented`.

One seed gives the same bits each time, and a customer is the same in a ledger of 15, of 200 and of
50,000: customers are drawn in blocks of fixed size, each from its own branch of the seed.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from pipelines.invented.block import draw
from pipelines.invented.customers import BLOCK
from pipelines.invented.paydays import paydays
from pipelines.invented.tables import ledger_tables
from pipelines.invented.truth import TRUTH_SCHEMAS, truth_tables
from pipelines.ledger import TABLES, Ledger

Tables = dict[str, pa.Table]
CENT = Decimal("0.01")
UNTIL = date(2026, 6, 30)


@dataclass(frozen=True)
class Truth:
    """What the ledger does not say; days are since 1970-01-01, NEVER where a day does not come.

    customers: temperament, usual delay, onset of trouble, the day after which nothing is paid.
    invoices: when each is settled, and would first have been without any contact; why late.
    effects: for each contact made, the settlement with and without it, all earlier contacts given.
    No contact is made after the ledger's end, so what settles later settles unprompted.
    """

    customers: pa.Table
    invoices: pa.Table
    effects: pa.Table


def generate(
    *, customers: int = 200, until: date = UNTIL, months: int = 24, seed: int = 0
) -> tuple[Ledger, Truth]:
    """An invented ledger of the `months` up to `until`, its last day, and the truth behind it."""
    parts = list(_drawn(0, customers, until=until, months=months, seed=seed))
    tables = {name: _together([ledger[name] for ledger, _ in parts]) for name in TABLES}
    truth = {name: _together([known[name] for _, known in parts]) for name in TRUTH_SCHEMAS}
    return Ledger(**tables), Truth(**truth)


def write(
    folder: str | Path,
    *,
    customers: int = 200,
    until: date = UNTIL,
    months: int = 24,
    seed: int = 0,
    partitions: int = 1,
    format: Literal["parquet", "csv"] = "parquet",  # noqa: A002 - the word everyone expects
) -> dict[str, int]:
    """Write the ledger's tables as a company would export them and return the rows of each.

    Only one partition of the customers is in memory at a time; in Parquet each is a row group. A
    table without rows gets no file.
    """
    if format not in ("parquet", "csv"):
        raise ValueError(f"format must be parquet or csv, got: {format}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = dict.fromkeys(TABLES, 0)

    with ExitStack() as files:
        writers = {
            name: files.enter_context(_writer(folder / f"{name}.{format}", exported_schema(name)))
            for name in TABLES
        }
        for first, last in _partitions(customers, partitions):
            parts = [t for t, _ in _drawn(first, last, until=until, months=months, seed=seed)]
            for name, writer in writers.items():
                table = exported(name, _together([part[name] for part in parts]))
                writer.write_table(table)
                rows[name] += table.num_rows

    for name in (name for name, count in rows.items() if not count):
        (folder / f"{name}.{format}").unlink()
    return rows


def exported_schema(name: str) -> pa.Schema:
    """A table's columns as files carry them: money as decimal units, not as cents."""
    table = TABLES[name]
    return pa.schema(
        [
            (
                c.name,
                pa.decimal128(18, 2) if c.kind == "amount" else table.schema.field(c.name).type,
            )
            for c in table.columns
        ]
    )


def exported(name: str, table: pa.Table) -> pa.Table:
    """A ledger's table with the columns that files carry."""
    schema = exported_schema(name)
    columns = [table[c.stored] for c in TABLES[name].columns]
    units = [
        pc.multiply(values.cast(pa.decimal128(19, 0)), pa.scalar(CENT)).cast(field.type)
        if pa.types.is_decimal(field.type)
        else values
        for values, field in zip(columns, schema, strict=True)
    ]
    return pa.table(units, schema=schema)


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter | pyarrow.csv.CSVWriter:
    if path.suffix == ".csv":
        return pyarrow.csv.CSVWriter(path, schema)
    return pq.ParquetWriter(path, schema, compression="zstd")


def _partitions(customers: int, partitions: int) -> list[tuple[int, int]]:
    """First and last customer of each partition, none of which cuts a block in two."""
    blocks = -(-customers // BLOCK)
    count = max(1, min(partitions, blocks))
    edges = [blocks * k // count * BLOCK for k in range(count)] + [customers]
    return list(zip(edges[:-1], edges[1:], strict=True))


def _drawn(
    first: int, last: int, *, until: date, months: int, seed: int
) -> Iterator[tuple[Tables, Tables]]:
    """Ledger and truth of the customers from `first` up to `last`, block by block."""
    end = int(np.datetime64(until, "D").astype(int))
    month_after = np.datetime64(until, "M") + 1
    start = int((month_after - months).astype("datetime64[D]").astype(int))
    days = paydays(start=start, until=end)

    for block in range(first // BLOCK, max(1, -(-last // BLOCK))):
        drawn = draw(block, start=start, until=end, seed=seed, days=days)
        wanted = min(BLOCK, last - block * BLOCK)
        yield ledger_tables(drawn, until=end, wanted=wanted), truth_tables(drawn, wanted=wanted)


def _together(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).combine_chunks()
