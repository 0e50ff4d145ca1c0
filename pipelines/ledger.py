"""The ledger: its tables, their columns, and the value that every computation starts from.

A `Ledger` holds one Arrow table for each table of the data dictionary (`data/README.md`). Money is
in whole cents of the ledger's own currency (`amount` becomes `amount_cents`), days are `date32`,
ids and text are strings, what is unknown is null. Rows in a `Ledger` have passed every rule: what
failed one is in quarantine (`pipelines/quarantine.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rules import RULES, Rule, Violation, violations
from pipelines.tables import ARROW_TYPE, TABLES, Column, Kind, Table

__all__ = [
    "ARROW_TYPE",
    "NEVER",
    "RULES",
    "TABLES",
    "Column",
    "Kind",
    "Ledger",
    "Rule",
    "Table",
    "Violation",
    "cents",
    "claims",
    "conform",
    "date_column",
    "days",
    "floats",
    "issue_days",
    "null_rows",
    "numbered",
    "rows_of",
    "rows_of_each",
    "violations",
    "whole",
]


FEW = 1_000  # ids that Python finds sooner than Arrow has begun to look for them


@dataclass(frozen=True, repr=False)
class Ledger:
    """The accepted rows, one Arrow table for each table of the data dictionary."""

    customers: pa.Table
    invoices: pa.Table
    payments: pa.Table
    credit_notes: pa.Table
    disputes: pa.Table
    promises: pa.Table
    credit_limits: pa.Table
    external_ratings: pa.Table
    actions: pa.Table
    legal_events: pa.Table

    @classmethod
    def of(cls, **tables: pa.Table | Mapping[str, Sequence[Any]]) -> "Ledger":
        """A ledger of these tables (Arrow, or columns of values); what is absent is empty.

        Raises ValueError for a table or a column that the data dictionary does not know.
        """
        if unknown := sorted(tables.keys() - TABLES.keys()):
            raise ValueError(f"tables must be among {', '.join(TABLES)}, got: {', '.join(unknown)}")
        return cls(
            **{name: conform(tables.get(name, {}), to=table) for name, table in TABLES.items()}
        )

    def __repr__(self) -> str:
        rows = (f"{t.num_rows:,} {name}" for name, t in self.tables().items() if t.num_rows)
        return f"Ledger({', '.join(rows)})"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Ledger":
        """Itself: nothing of it can change, and who clones an estimator should not copy it."""
        return self

    def tables(self) -> dict[str, pa.Table]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def known_before(self, as_of: int) -> "Ledger":
        """What was known when day `as_of` opened: happened and recorded before it.

        A promise's status is not dated: it is left out, to be told from the payments.
        """
        known = {}
        for name, table in self.tables().items():
            if not table.num_rows:
                known[name] = table
                continue
            happened = issue_days(table) if name == "invoices" else _happened(table, TABLES[name])
            keep = happened < as_of
            if "recorded_at" in table.column_names:
                keep &= days(table["recorded_at"], missing=-int(NEVER)) < as_of
            if not keep.all():
                table = table.filter(pa.array(keep))
            for dated_by, columns in TABLES[name].later.items():
                seen = days(table[dated_by]) < as_of
                told = [column for column in columns if table[column].null_count < len(table)]
                for column in () if seen.all() else told:
                    shown = pc.if_else(pa.array(seen), table[column], None)
                    table = _put(table, column, shown)
            if name == "promises":
                table = _put(table, "status", pa.nulls(table.num_rows, pa.string()))
            known[name] = table
        return Ledger(**known)

    def of_customers(self, customer_ids: pa.Array) -> "Ledger":
        """The part of the ledger that belongs to these customers.

        A row that names an invoice belongs to the invoice's customer, else to the one it names.
        """

        def among(column: pa.ChunkedArray, ids: Any) -> pa.ChunkedArray:
            return pc.is_in(column, value_set=pa.array(ids))

        is_own = among(self.invoices["customer_id"], customer_ids)
        every = self.invoices["invoice_id"]
        own, others = every.filter(is_own), every.filter(pc.invert(is_own))
        parts = {}
        for name, table in self.tables().items():
            columns = table.column_names
            if "customer_id" not in columns:
                keep = among(table["invoice_id"], own.combine_chunks())
            else:
                keep = among(table["customer_id"], customer_ids)
                if name != "invoices" and "invoice_id" in columns:
                    named = among(table["invoice_id"], own.combine_chunks())
                    foreign = among(table["invoice_id"], others.combine_chunks())
                    keep = pc.or_(named, pc.and_not(keep, foreign))
            parts[name] = table.filter(keep)
        return Ledger(**parts)


def issue_days(invoices: pa.Table) -> np.ndarray:
    """The day each invoice was issued: where not said, its terms (or 30 days) before it is due."""
    issued = days(invoices["issue_date"])
    if not invoices["issue_date"].null_count:
        return issued
    terms = days(invoices["terms_days"], missing=30)
    return np.where(issued == NEVER, days(invoices["due_date"]) - terms, issued)


def _happened(table: pa.Table, declared: Table) -> np.ndarray:
    if declared.happened is None:  # customers: who they are is not an event
        return np.full(table.num_rows, -NEVER, np.int32)
    return days(table[declared.happened])


def _put(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def conform(columns: pa.Table | Mapping[str, Sequence[Any]], *, to: Table) -> pa.Table:
    """The columns in the table's order and types, null where absent."""
    if not columns and not isinstance(columns, pa.Table):
        return _without_rows(to.name)
    given = columns if isinstance(columns, pa.Table) else dict(columns)
    names = given.column_names if isinstance(given, pa.Table) else list(given)
    if unknown := sorted(set(names) - set(to.schema.names)):
        raise ValueError(
            f"columns of {to.name} must be among {to.schema.names}, got: {', '.join(unknown)}"
        )
    rows = (
        given.num_rows
        if isinstance(given, pa.Table)
        else max((len(v) for v in given.values()), default=0)
    )

    @cache  # the absent columns of a type are one and the same
    def nothing(kind: pa.DataType) -> pa.Array:
        return pa.nulls(rows, kind)

    def array(name: str, kind: pa.DataType) -> pa.Array:
        if name not in names:
            return nothing(kind)
        values = given[name]
        if isinstance(values, pa.ChunkedArray):
            values = whole(values)
        if not isinstance(values, pa.Array):
            return pa.array(values, kind)
        return values if values.type == kind else values.cast(kind)

    return pa.table([array(f.name, f.type) for f in to.schema], schema=to.schema)


@cache
def _without_rows(name: str) -> pa.Table:
    schema = TABLES[name].schema
    return pa.table([pa.nulls(0, field.type) for field in schema], schema=schema)


NEVER = np.int32(1 << 20)  # a day that does not come: what has not happened, happens then


def days(column: pa.ChunkedArray | pa.Array, *, missing: int = int(NEVER)) -> np.ndarray:
    """A date column as int32 days since 1970-01-01, with `missing` where it is null."""
    return numbers(whole(column), np.int32, missing)


def date_column(days: npt.NDArray[np.float64]) -> pa.Array:
    """Days since 1970-01-01 as a date column, null where they are NaN."""
    unknown = np.isnan(days)
    return pa.array(np.where(unknown, 0, days).astype(np.int32), pa.date32(), mask=unknown)


def cents(column: pa.ChunkedArray | pa.Array, *, missing: int = 0) -> np.ndarray:
    """A money column as int64 cents, with `missing` where it is null."""
    return numbers(whole(column), np.int64, missing)


def floats(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column of float64, NaN where it is null."""
    return numbers(whole(column), np.float64, np.nan)


def claims(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column of true and false as int8 1 and 0, with -1 where it is null."""
    piece = whole(column)
    begin, end = piece.offset, piece.offset + len(piece)
    if begin == end:
        return np.empty(0, np.int8)
    told, values = piece.buffers()
    claim = _bits(values, end)[begin:].view(np.int8)
    return np.where(_bits(told, end)[begin:], claim, np.int8(-1)) if piece.null_count else claim


def null_rows(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The rows (int64) in which the column is null."""
    if not column.null_count:
        return np.empty(0, np.int64)
    piece = whole(column)
    told = piece.buffers()[0]
    return np.flatnonzero(_bits(told, piece.offset + len(piece))[piece.offset :] == 0)


def _bits(buffer: pa.Buffer, end: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(buffer, np.uint8), count=end, bitorder="little")


def rows_of(ids: pa.ChunkedArray | pa.Array, *, among: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """For each id its row in `among` (int64), -1 where it is null or absent."""
    (rows,) = rows_of_each([ids], among=among)
    return rows


def rows_of_each(
    columns: Sequence[pa.ChunkedArray | pa.Array], *, among: pa.ChunkedArray | pa.Array
) -> list[np.ndarray]:
    """`rows_of` for several columns of ids, with one search for all of them."""
    pieces = [whole(column) for column in columns]
    if len(among) + sum(map(len, pieces)) < FEW:
        ids = whole(among).to_pylist()
        row_of = dict(zip(reversed(ids), range(len(ids) - 1, -1, -1), strict=True))
        row_of.pop(None, None)
        return [
            np.array([row_of.get(one, -1) for one in piece.to_pylist()], np.int64)
            for piece in pieces
        ]
    ids = pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)
    if not len(ids):
        return [np.empty(0, np.int64) for _ in pieces]
    found = pc.index_in(ids, value_set=whole(among), skip_nulls=True)
    rows = numbers(found, np.int32, -1).astype(np.int64)
    ends = np.cumsum([len(piece) for piece in pieces])
    return [rows[end - len(piece) : end] for piece, end in zip(pieces, ends.tolist(), strict=True)]


def numbered(column: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, list[str]]:
    """Each row's number (int32) in the list of different values; the list's length for null."""
    piece = whole(column)
    if len(piece) >= FEW:
        encoded = piece.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        return numbers(encoded.indices, np.int32, len(values)), values

    told = piece.to_pylist()
    values = [value for value in dict.fromkeys(told) if value is not None]
    number_of = {value: number for number, value in enumerate(values)}
    return np.array([number_of.get(value, len(values)) for value in told], np.int32), values


def numbers(
    column: pa.Array, kind: type[np.int32 | np.int64 | np.float64], missing: float
) -> np.ndarray:
    """A column of dates or numbers of this size, read where Arrow keeps it.

    Arrow's own conversions cost as much as all the rest for one customer's few rows.
    """
    if column.type.bit_width != 8 * kind().itemsize:
        raise TypeError(f"the column must hold {kind.__name__}, got: {column.type}")
    begin, end = column.offset, column.offset + len(column)
    if begin == end:
        return np.empty(0, kind)
    if column.null_count == len(column):
        return np.full(len(column), missing, kind)
    told, values = column.buffers()
    read = np.frombuffer(values, kind, end)[begin:]
    if not column.null_count:
        return read.copy()  # Arrow's own may not be written to, and would be compiled for apart
    return np.where(_bits(told, end)[begin:], read, kind(missing))


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column in one piece, which Arrow's functions take sooner than a piece in a list."""
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
