"""Rows on their way into the ledger: one batch for each table, and what is wrong with each row.

A row with anything marked against it goes to quarantine; every mark becomes one line there.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.mapped import Rows
from pipelines.rules import door_name, shown
from pipelines.tables import TABLES

NOTICE = pa.schema(
    [
        ("source", pa.string()),
        ("line", pa.int64()),
        ("table", pa.string()),
        ("column", pa.string()),
        ("rule", pa.string()),
        ("value", pa.string()),
        ("expected", pa.string()),
    ]
)


@dataclass(frozen=True)
class Mark:
    """One rule against one row."""

    row: int
    column: str
    rule: str
    value: str
    expected: str


@dataclass
class Batch:
    """The rows of one table as read, which of them are bad and why, and what is worth a flag."""

    name: str
    rows: pa.Table
    sources: pa.Array
    lines: np.ndarray
    read_as: np.ndarray  # the table that each row was read as: credit notes may come as invoices
    money_read: dict[str, np.ndarray]  # cents as the source wrote them, for the control totals
    bad: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    marks: list[Mark] = field(default_factory=list)
    flags: list[Mark] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, rows: Rows) -> "Batch":
        """The batch of a table's rows: all its columns, and the unreadable cells marked."""
        table = TABLES[name]
        columns = {
            f.name: _whole(rows.table[f.name]).cast(f.type)
            if f.name in rows.table.column_names
            else pa.nulls(rows.table.num_rows, f.type)
            for f in table.schema
        }
        batch = cls(
            name,
            pa.table(columns, schema=table.schema),
            rows.sources,
            rows.lines,
            np.full(rows.table.num_rows, name, dtype=object),  # one text, pointed at by each row
            {},
            np.zeros(rows.table.num_rows, bool),
        )
        batch.money_read = {
            c.stored: batch.cents(c.stored) for c in table.columns if c.kind == "amount"
        }
        for fault in rows.faults:
            batch.bad[fault.row] = True
            batch.marks.append(
                Mark(fault.row, fault.column, fault.rule, fault.value, fault.expected)
            )
        return batch

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @property
    def good(self) -> np.ndarray:
        return ~self.bad

    def cents(self, column: str) -> np.ndarray:
        values: np.ndarray = self.rows[column].fill_null(0).to_numpy()
        return values.astype(np.int64)

    def put(self, column: str, values: pa.Array) -> None:
        place = self.rows.schema.get_field_index(column)
        self.rows = self.rows.set_column(place, self.rows.schema.field(column), values)

    def mark(
        self, broken: np.ndarray, column: str, rule: str, expected: str, values: pa.Array = None
    ) -> None:
        """Marks rows as breaking a rule; `values` are shown instead of the column's own."""
        for row in np.flatnonzero(broken).tolist():
            value = shown(self.rows, column, row) if values is None else str(values[row].as_py())
            self.marks.append(Mark(row, door_name(column), rule, value, expected))
        self.bad = self.bad | broken

    def flag(self, found: np.ndarray, column: str, rule: str, expected: str) -> None:
        """Notes rows that are accepted and yet worth knowing of."""
        for row in np.flatnonzero(found & self.good).tolist():
            value = shown(self.rows, column, row)
            self.flags.append(Mark(row, door_name(column), rule, value, expected))

    def part(self, rows: np.ndarray) -> "Batch":
        """These rows alone, with their marks."""
        position = {int(row): new for new, row in enumerate(rows)}
        chosen = pa.array(rows, pa.int64())
        return Batch(
            self.name,
            self.rows.take(chosen),
            self.sources.take(chosen),
            self.lines[rows],
            self.read_as[rows],
            {column: cents[rows] for column, cents in self.money_read.items()},
            self.bad[rows],
            [_moved(m, position) for m in self.marks if m.row in position],
            [_moved(m, position) for m in self.flags if m.row in position],
        )

    def accepted(self) -> pa.Table:
        return self.rows.filter(pa.array(self.good)) if self.bad.any() else self.rows


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """In one piece, copied only where there are several: a ledger fills much of the memory."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _moved(mark: Mark, position: dict[int, int]) -> Mark:
    return Mark(position[mark.row], mark.column, mark.rule, mark.value, mark.expected)


def joined(first: Batch, second: Batch) -> Batch:
    """Two batches of one table as one."""
    offset = len(first)
    later = {row: row + offset for row in range(len(second))} if second.marks else {}
    money = {
        column: np.concatenate([cents, second.money_read.get(column, np.zeros(len(second), int))])
        for column, cents in first.money_read.items()
    }
    return Batch(
        first.name,
        pa.concat_tables([first.rows, second.rows]).combine_chunks(),
        pa.concat_arrays([first.sources, second.sources]),
        np.concatenate([first.lines, second.lines]),
        np.concatenate([first.read_as, second.read_as]),
        money,
        np.concatenate([first.bad, second.bad]),
        first.marks + [_moved(m, later) for m in second.marks],
        first.flags,
    )


def notices(batches: dict[str, Batch], *, flags: bool = False) -> pa.Table:
    """Every mark (or flag) of every batch as a table, in the order of tables and lines."""
    found = []
    for batch in batches.values():
        for mark in sorted(batch.flags if flags else batch.marks, key=lambda m: (m.row, m.column)):
            found.append(
                {
                    "source": batch.sources[mark.row].as_py(),
                    "line": int(batch.lines[mark.row]),
                    "table": str(batch.read_as[mark.row]),
                    "column": mark.column,
                    "rule": mark.rule,
                    "value": mark.value,
                    "expected": mark.expected,
                }
            )
    return pa.Table.from_pylist(found, schema=NOTICE)


def empty(name: str) -> Batch:
    rows = TABLES[name].schema.empty_table()
    return Batch.of(name, Rows(rows, pa.array([], pa.string()), np.zeros(0, np.int64)))


def row_of(ids: pa.ChunkedArray, batch: Batch, key: str) -> np.ndarray:
    """For each id the row of the batch's good rows that holds it, -1 where none does."""
    held = pc.if_else(pa.array(batch.good), batch.rows[key], None)
    found = pc.index_in(ids, value_set=held.combine_chunks(), skip_nulls=True)
    rows: np.ndarray = found.fill_null(-1).to_numpy()
    return rows.astype(np.int64)
