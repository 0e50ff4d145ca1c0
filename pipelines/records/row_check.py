"""A row that was sent in, under the ledger's rules: as it will be kept, or every fault it has."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa

from pipelines.intake.cells import Format
from pipelines.intake.files import Raw
from pipelines.intake.mapped import apply, own_names
from pipelines.rules import violations
from pipelines.tables import TABLES

Cell = str | int | float | Decimal | bool | None

KEYS: dict[str, tuple[str, ...]] = {
    "customers": ("customer_id",),
    "invoices": ("invoice_id", "instalment_no"),
    "payments": ("payment_id", "invoice_id"),
    "credit_notes": ("credit_note_id",),
    "disputes": ("dispute_id",),
    "promises": ("promise_id",),
    "credit_limits": ("customer_id", "valid_from"),
    "external_ratings": ("customer_id", "provider", "rated_on"),
    "actions": ("action_id",),
    "legal_events": ("customer_id", "kind", "dated_on"),
}
# Of a key: an invoice is usually its only instalment, and a payment may name no invoice.
_MAY_LACK = {
    ("invoices", "instalment_no"),
    ("external_ratings", "provider"),
    ("payments", "invoice_id"),
}
_FORM = Format(decimal=".", date="%Y-%m-%d")


@dataclass(frozen=True)
class RowFault:
    """One thing wrong with one row: the column, the rule, what was found and what expected."""

    column: str
    rule: str
    found: str
    expected: str


@dataclass(frozen=True)
class Checked:
    """A row as it will be kept, or why it will not."""

    key: str | None
    content: str
    faults: tuple[RowFault, ...]


def check(table: str, rows: Sequence[Mapping[str, Cell]]) -> list[Checked]:
    """Each row under the ledger's rules; columns that a ledger does not know are left aside."""
    columns = [column.name for column in TABLES[table].columns]
    cells = [{name: _text(row.get(name)) for name in columns} for row in rows]
    faults = [_key_faults(table, row) + _unkeepable(row) for row in cells]
    names = [name for name in columns if any(row[name] is not None for row in cells)]
    if names:
        for row, found in _broken(table, names, cells):
            faults[row].append(found)
    return [
        Checked(_key(table, row), _content(row), tuple(dict.fromkeys(found)))
        for row, found in zip(cells, faults, strict=True)
    ]


def _broken(
    table: str, names: Sequence[str], cells: Sequence[Mapping[str, str | None]]
) -> Iterator[tuple[int, RowFault]]:
    """The cells that cannot be read and the rules that are broken, with their rows."""
    texts = pa.table({name: pa.array([row[name] for row in cells], pa.string()) for name in names})
    raw = Raw(table, texts, np.arange(1, len(cells) + 1), typed=False)
    read = apply([(own_names(TABLES[table], raw), [raw])], {table: raw}, _FORM)
    for why in read.refused:  # a whole column, in a way that a person must settle
        yield from ((row, RowFault("", "unreadable_column", "", why)) for row in range(len(cells)))
    for typed in read.rows.get(table, []):
        unread = {(fault.row, fault.column) for fault in typed.faults}
        for fault in typed.faults:
            yield fault.row, RowFault(fault.column, fault.rule, fault.value, fault.expected)
        for broken in violations(table, typed.table):
            if (broken.row, broken.column) not in unread:
                yield (
                    broken.row,
                    RowFault(broken.column, broken.rule, broken.found, broken.expected),
                )


def _unkeepable(row: dict[str, str | None]) -> list[RowFault]:
    """Cells that no database keeps as they are: taken out of the row, and told."""
    bad = [n for n, text in row.items() if text and ("\0" in text or _is_broken(text))]
    for name in bad:
        row[name] = None
    expected = "text without NUL and without half characters"
    return [RowFault(name, "unreadable_text", "", expected) for name in bad]


def _is_broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _text(value: Cell) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _key(table: str, row: Mapping[str, str | None]) -> str | None:
    parts = [row[name] for name in KEYS[table]]
    lacks = any(
        part is None and (table, name) not in _MAY_LACK
        for name, part in zip(KEYS[table], parts, strict=True)
    )
    return None if lacks else "\x1f".join((part or "").strip() for part in parts)


def _key_faults(table: str, row: Mapping[str, str | None]) -> list[RowFault]:
    """A row that nothing names could be counted twice when it is sent twice."""
    required = {(table, c.name) for c in TABLES[table].columns if c.required}
    return [
        RowFault(name, "missing_key", "", f"a value in {name}, by which the row is known again")
        for name in KEYS[table]
        if row[name] is None and (table, name) not in _MAY_LACK | required
    ]


def _content(row: Mapping[str, str | None]) -> str:
    told = {name: value for name, value in row.items() if value is not None}
    return json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
