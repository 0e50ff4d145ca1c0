"""The ledger: its tables, their columns, and the value that every computation starts from.

A `Ledger` holds one Arrow table for each table of the data dictionary (`data/README.md`). Money is
in whole cents of the ledger's own currency (`amount` becomes `amount_cents`), days are `date32`,
ids and text are strings, what is unknown is null. Rows in a `Ledger` have passed every rule: what
failed one is in quarantine (`pipelines/quarantine.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
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
    "conform",
    "days",
    "issue_days",
    "rows_of",
    "violations",
]


@dataclass(frozen=True)
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

    def tables(self) -> dict[str, pa.Table]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def known_before(self, as_of: int) -> "Ledger":
        """What was known when day `as_of` opened: happened and recorded before it.

        A promise's status is not dated: it is left out, to be told from the payments.
        """
        known = {}
        for name, table in self.tables().items():
            happened = issue_days(table) if name == "invoices" else _happened(table, TABLES[name])
            keep = happened < as_of
            if "recorded_at" in table.column_names:
                keep &= days(table["recorded_at"], missing=-int(NEVER)) < as_of
            table = table.filter(pa.array(keep))
            for dated_by, columns in TABLES[name].later.items():
                seen = pa.array(days(table[dated_by]) < as_of)
                for column in columns:
                    table = _put(table, column, pc.if_else(seen, table[column], None))
            if name == "promises":
                table = _put(table, "status", pa.nulls(table.num_rows, pa.string()))
            known[name] = table
        return Ledger(**known)

    def of_customers(self, customer_ids: pa.Array) -> "Ledger":
        """The part of the ledger that belongs to these customers."""

        def belongs(table: pa.Table, key: str, among: Any) -> pa.Table:
            return table.filter(pc.is_in(table[key], value_set=pa.array(among)))

        invoices = belongs(self.invoices, "customer_id", customer_ids)
        own = invoices["invoice_id"].combine_chunks()
        parts = {
            name: belongs(table, "customer_id", customer_ids)
            if "customer_id" in table.column_names
            else belongs(table, "invoice_id", own)
            for name, table in self.tables().items()
        }
        return Ledger(**parts)


def issue_days(invoices: pa.Table) -> np.ndarray:
    """The day each invoice was issued: where not said, its terms (or 30 days) before it is due."""
    terms = invoices["terms_days"].fill_null(30).to_numpy().astype(np.int32)
    issued = days(invoices["issue_date"])
    return np.where(issued == NEVER, days(invoices["due_date"]) - terms, issued)


def _happened(table: pa.Table, declared: Table) -> np.ndarray:
    if declared.happened is None:  # customers: who they are is not an event
        return np.full(table.num_rows, -NEVER, np.int32)
    return days(table[declared.happened])


def _put(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def conform(columns: pa.Table | Mapping[str, Sequence[Any]], *, to: Table) -> pa.Table:
    """The columns in the table's order and types, null where absent."""
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

    def array(name: str, kind: pa.DataType) -> pa.Array:
        if name not in names:
            return pa.nulls(rows, kind)
        values = given[name]
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)

    return pa.table([array(f.name, f.type) for f in to.schema], schema=to.schema)


NEVER = np.int32(1 << 20)  # a day that does not come: what has not happened, happens then


def days(column: pa.ChunkedArray | pa.Array, *, missing: int = int(NEVER)) -> np.ndarray:
    """A date column as int32 days since 1970-01-01, with `missing` where it is null."""
    whole = column.cast(pa.int32()).fill_null(missing)
    return np.ascontiguousarray(whole.to_numpy()).astype(np.int32, copy=False)


def cents(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A money column as int64 cents, 0 where it is null."""
    whole: np.ndarray = column.fill_null(0).to_numpy()
    return whole.astype(np.int64, copy=False)


def rows_of(ids: pa.ChunkedArray | pa.Array, *, among: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """For each id its row in `among` (int64), -1 where it is null or absent."""
    among = among.combine_chunks() if isinstance(among, pa.ChunkedArray) else among
    found = pc.index_in(ids, value_set=among, skip_nulls=True).fill_null(-1)
    rows: np.ndarray = found.to_numpy()
    return rows.astype(np.int64)
