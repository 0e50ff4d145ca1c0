"""The door: rows that keep every rule go into the ledger, the others to quarantine, none is lost.

The pandera schemas are built from the same declarations that the ledger and the HTTP door use. For
each table, accepted and quarantined rows and cents add up to what was read: `accept` checks it.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa

from pipelines.intake import cross_rules
from pipelines.intake.batches import Batch, empty, notices
from pipelines.intake.instalments import name_instalments, point, spread
from pipelines.intake.mapped import Rows
from pipelines.ledger import Ledger
from pipelines.rules import RULES, Rule, broken_rows
from pipelines.tables import TABLES

RECONCILIATION = pa.schema(
    [
        ("table", pa.string()),
        ("column", pa.string()),
        ("read_rows", pa.int64()),
        ("accepted_rows", pa.int64()),
        ("quarantined_rows", pa.int64()),
        ("read_cents", pa.int64()),
        ("accepted_cents", pa.int64()),
        ("quarantined_cents", pa.int64()),
        ("unreadable_cells", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Accepted:
    """What came of the rows: the ledger, quarantine, flags, revisions and totals."""

    ledger: Ledger
    quarantine: pa.Table
    flags: pa.Table
    revisions: pa.Table
    reconciliation: pa.Table
    customers_made: bool


def accept(
    rows: Mapping[str, Rows], *, ledger_currency: str = "EUR", today: date | None = None
) -> Accepted:
    """The ledger of the rows that keep every rule, and everything that did not, with its reason.

    `today` is the day of the door's clock: without it, payments in the future are not looked for.
    """
    batches = {name: Batch.of(name, rows[name]) for name in TABLES if name in rows}
    batches.setdefault("invoices", empty("invoices"))
    read = {name: (len(batch), batch.money_read) for name, batch in batches.items()}

    cross_rules.fill_due_dates(batches["invoices"])
    cross_rules.part_credit_notes(batches)
    numbered = name_instalments(batches["invoices"])
    pointed = {name: point(b, numbered) for name, b in batches.items() if name != "invoices"}
    revisions = []
    for batch in batches.values():
        check_rows(batch)
        revisions.append(cross_rules.keep_one_of_each(batch))
    made = cross_rules.make_customers(batches)

    cross_rules.find_rates(batches["invoices"], ledger_currency)
    cross_rules.find_customers(batches["invoices"], batches["customers"])
    for batch in batches.values():
        cross_rules.find_invoices(batch, batches["invoices"])
        cross_rules.find_customers(batch, batches["customers"])
    cross_rules.convert(batches, ledger_currency)
    cross_rules.judge_payments(batches, today)
    cross_rules.flag_look_alikes(batches)

    tables = {name: batch.accepted() for name, batch in batches.items()}
    if numbered:
        money: dict[str, tuple[pa.Table, np.ndarray]] = {
            name: (tables[name], pointed[name][batches[name].good])
            for name in ("payments", "credit_notes")
            if name in tables
        }
        tables |= spread(money, tables["invoices"], numbered)
    return Accepted(
        Ledger.of(**tables),
        notices(batches),
        notices(batches, flags=True),
        pa.concat_tables(revisions),
        _reconciled(read, batches),
        made,
    )


@functools.cache
def schema(name: str) -> pandera.DataFrameSchema:
    """The pandera schema of a table: its typed columns, and one check for each rule."""
    table = TABLES[name]
    return pandera.DataFrameSchema(
        {f.name: pandera.Column(pd.ArrowDtype(f.type), nullable=True) for f in table.schema},
        checks=[_check(number, rule) for number, rule in enumerate(RULES[name])],
        name=name,
        strict=True,
        ordered=True,
    )


def _check(number: int, rule: Rule) -> pandera.Check:
    def kept(frame: pd.DataFrame) -> pd.Series:
        broken = broken_rows(rule, pa.Table.from_pandas(frame, preserve_index=False))
        return pd.Series(~broken, index=frame.index)

    return pandera.Check(kept, name=str(number), error=rule.name, ignore_na=False)


def check_rows(batch: Batch) -> None:
    """Marks every rule that a row breaks; a cell that could not be read is not missing as well."""
    unreadable = {(mark.row, mark.column) for mark in batch.marks}
    frame = batch.rows.to_pandas(types_mapper=pd.ArrowDtype)
    try:
        schema(batch.name).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        for error in errors.schema_errors:
            rule = RULES[batch.name][int(error.check.name)]
            broken = ~np.asarray(error.check_output, bool)
            for row in [r for r, c in unreadable if c == rule.column.removesuffix("_cents")]:
                broken[row] = False
            batch.mark(broken, rule.column, rule.name, rule.expected)


def _reconciled(
    read: Mapping[str, tuple[int, dict[str, np.ndarray]]], batches: Mapping[str, Batch]
) -> pa.Table:
    """Rows and cents of each table: read = accepted + quarantined, or the door itself is wrong."""
    totals: list[tuple[str | int, ...]] = []
    for name, (rows_read, money) in read.items():
        for column in money or {"": np.zeros(rows_read, np.int64)}:
            kept = [_of_table(batch, name, column, batch.good) for batch in batches.values()]
            held = [_of_table(batch, name, column, batch.bad) for batch in batches.values()]
            rows = (rows_read, sum(r for r, _ in kept), sum(r for r, _ in held))
            read_cents = int(money[column].sum()) if column else 0
            cents = (read_cents, sum(c for _, c in kept), sum(c for _, c in held))
            for unit, (whole, accepted, quarantined) in (("rows", rows), ("cents", cents)):
                if whole != accepted + quarantined:
                    raise AssertionError(
                        f"{name}: {whole} {unit} read, {accepted} kept, {quarantined} held"
                    )
            unreadable = _unreadable(batches, name, column)
            door = column.removesuffix("_cents")
            totals.append((name, door, *rows, *cents, unreadable))
    by_name = [dict(zip(RECONCILIATION.names, total, strict=True)) for total in totals]
    return pa.Table.from_pylist(by_name, schema=RECONCILIATION)


def _of_table(batch: Batch, name: str, column: str, among: np.ndarray) -> tuple[int, int]:
    chosen = among & (batch.read_as == name)
    if not column or column not in batch.money_read:
        return int(chosen.sum()), 0
    return int(chosen.sum()), int(batch.money_read[column][chosen].sum())


def _unreadable(batches: Mapping[str, Batch], name: str, column: str) -> int:
    door = column.removesuffix("_cents")
    return sum(
        mark.rule == "unreadable_amount" and mark.column == door and batch.read_as[mark.row] == name
        for batch in batches.values()
        for mark in batch.marks
    )


def rows_fell(rows_now: int, rows_before: Sequence[int], *, share: float = 0.4) -> str:
    """Why tonight's count of rows stops the night, against the median before; or nothing."""
    if not rows_before:
        return ""
    usual = median(rows_before)
    if abs(rows_now - usual) <= share * usual:
        return ""
    return (
        f"expected about {usual:,.0f} rows, got {rows_now:,} "
        f"({rows_now / usual - 1:+.0%}): the extract looks incomplete or doubled"
    )
