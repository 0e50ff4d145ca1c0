"""Typed rows as the records keep them: text, days year first, amounts with a decimal point."""

from collections.abc import Callable
from decimal import Decimal
from math import isfinite

import pyarrow as pa

from pipelines.intake.batches import Batch
from pipelines.intake.cross_rules import fill_due_dates
from pipelines.intake.mapped import Rows
from pipelines.records.row_check import Checked, RowFault, check
from pipelines.tables import TABLES, Kind


def checked(name: str, rows: Rows) -> list[Checked]:
    """Each row of a table under the ledger's rules; cells that could not be read stay faults.

    An unreadable cell is kept as it was written, and its row is held even where the records' own
    way of reading would make something of it: `12.50` in a source with decimal commas.
    """
    batch = Batch.of(name, rows)
    if name == "invoices":
        fill_due_dates(batch)
    columns = {c.name: _TEXT[c.kind](batch.rows[c.stored]) for c in TABLES[name].columns}
    unread: dict[int, list[RowFault]] = {}
    for mark in batch.marks:
        columns[mark.column][mark.row] = mark.value
        fault = RowFault(mark.column, mark.rule, mark.value, mark.expected)
        unread.setdefault(mark.row, []).append(fault)
    by_row = zip(*columns.values(), strict=True)
    found = check(name, [dict(zip(columns, cells, strict=True)) for cells in by_row])
    return [
        _also(row, unread[number]) if number in unread else row for number, row in enumerate(found)
    ]


def _also(row: Checked, unread: list[RowFault]) -> Checked:
    told = {fault.column for fault in unread}
    others = [fault for fault in row.faults if fault.column not in told]
    return Checked(row.key, row.content, (*unread, *others))


def _words(cells: pa.ChunkedArray) -> list[str | None]:
    words: list[str | None] = cells.cast(pa.string()).to_pylist()
    return words


def _amounts(cells: pa.ChunkedArray) -> list[str | None]:
    return [None if c is None else str(Decimal(c).scaleb(-2)) for c in cells.to_pylist()]


def _numbers(cells: pa.ChunkedArray) -> list[str | None]:
    return [None if c is None else _number(c) for c in cells.to_pylist()]


def _number(value: float) -> str:
    """All digits of the number, without an exponent."""
    return format(Decimal(repr(value)), "f") if isfinite(value) else repr(value)


_TEXT: dict[Kind, Callable[[pa.ChunkedArray], list[str | None]]] = {
    "id": _words,
    "text": _words,
    "date": _words,
    "whole": _words,
    "flag": _words,
    "amount": _amounts,
    "number": _numbers,
}
