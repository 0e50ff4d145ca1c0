"""Invoices that come as instalments under one number, and the money that names only the number.

Each instalment gets an id of its own (`F7/1`, `F7/2`). Money on `F7` is applied to its instalments
in the order in which they fall due; what is left over stays on the last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.batches import Batch


@dataclass(frozen=True)
class Instalments:
    """For each invoice number that stands for several instalments: their ids, first due first."""

    ids: Mapping[str, Sequence[str]]

    def __bool__(self) -> bool:
        return bool(self.ids)


def name_instalments(invoices: Batch) -> Instalments:
    """Gives ids of their own to rows that share a number and differ in `instalment_no`."""
    numbers = invoices.rows["invoice_id"].combine_chunks()
    counts = numbers.drop_null().value_counts()
    again = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    told = pc.and_(
        pc.is_in(numbers, value_set=again), invoices.rows["instalment_no"].is_valid()
    ).to_numpy()
    groups: dict[str, list[int]] = {}
    for row in np.flatnonzero(told).tolist():
        groups.setdefault(numbers[row].as_py(), []).append(row)

    renamed = numbers.to_pylist() if groups else []
    ids: dict[str, list[str]] = {}
    for number, rows in groups.items():
        some = invoices.rows.select(["instalment_no", "due_date"]).take(pa.array(rows)).to_pylist()
        if len({row["instalment_no"] for row in some}) < 2:
            continue  # the same instalment twice: a duplicate like any other
        for row, instalment in zip(rows, some, strict=True):
            renamed[row] = f"{number}/{instalment['instalment_no']}"
        some.sort(key=lambda r: (r["due_date"] is None, r["due_date"], r["instalment_no"]))
        ids[number] = list(dict.fromkeys(f"{number}/{row['instalment_no']}" for row in some))
    if ids:
        invoices.put("invoice_id", pa.array(renamed, pa.string()))
    return Instalments(ids)


def point(batch: Batch, instalments: Instalments) -> np.ndarray:
    """Lets rows that name only the number name its first instalment; says which rows these are."""
    if "invoice_id" not in batch.rows.column_names or not instalments:
        return np.zeros(len(batch), bool)
    named = batch.rows["invoice_id"].combine_chunks()
    place = pc.index_in(named, value_set=pa.array(list(instalments.ids)), skip_nulls=True)
    firsts = pa.array([ids[0] for ids in instalments.ids.values()])
    batch.put("invoice_id", pc.coalesce(firsts.take(place), named))
    return np.asarray(place.is_valid())


def spread(
    money: Mapping[str, tuple[pa.Table, np.ndarray]], invoices: pa.Table, instalments: Instalments
) -> dict[str, pa.Table]:
    """Payments and credit notes with the pointed rows (the masks) applied to one instalment each.

    A row that covers several instalments becomes several rows of the same total.
    """
    numbers = {ids[0]: ids for ids in instalments.ids.values()}
    owed = dict(
        zip(invoices["invoice_id"].to_pylist(), invoices["amount_cents"].to_pylist(), strict=True)
    )
    left = {i: owed[i] for ids in numbers.values() for i in ids if i in owed}
    waiting: list[tuple[object, str, int]] = []
    for name, (table, pointed) in money.items():
        day = "paid_on" if name == "payments" else "issued_on"
        for row in np.flatnonzero(_touching(table, left)).tolist():
            told = table.slice(row, 1).to_pylist()[0]
            if pointed[row]:
                waiting.append((told[day], name, row))
            elif not told.get("returned_on"):
                left[told["invoice_id"]] -= told["amount_cents"]

    parts: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for _, name, row in sorted(waiting, key=lambda w: (w[0], w[1], w[2])):
        told = money[name][0].slice(row, 1).to_pylist()[0]
        due = [i for i in numbers[told["invoice_id"]] if i in left]
        parts[name, row] = _shares(told["amount_cents"], due, left)
        if not told.get("returned_on"):
            for invoice_id, cents in parts[name, row]:
                left[invoice_id] -= cents
    return {name: _split(table, name, parts) for name, (table, _) in money.items()}


def _touching(table: pa.Table, left: Mapping[str, int]) -> np.ndarray:
    return np.asarray(pc.is_in(table["invoice_id"], value_set=pa.array(list(left), pa.string())))


def _shares(cents: int, due: Sequence[str], left: Mapping[str, int]) -> list[tuple[str, int]]:
    """What of this sum goes to each instalment; the last takes what is left over."""
    shares = []
    for invoice_id in due[:-1]:
        share = min(cents, max(left[invoice_id], 0))
        if share:
            shares.append((invoice_id, share))
            cents -= share
    if cents or not shares:
        shares.append((due[-1], cents))
    return shares


def _split(
    table: pa.Table, name: str, parts: Mapping[tuple[str, int], list[tuple[str, int]]]
) -> pa.Table:
    rows, ids, cents, first = [], [], [], []
    own = table.select(["invoice_id", "amount_cents"]).to_pydict()
    for row in range(table.num_rows):
        unsplit = [(own["invoice_id"][row], own["amount_cents"][row])]
        for n, (invoice_id, share) in enumerate(parts.get((name, row), unsplit)):
            rows.append(row)
            ids.append(invoice_id)
            cents.append(share)
            first.append(n == 0)
    split = table.take(pa.array(rows, pa.int64()))
    for column, values in (("invoice_id", ids), ("amount_cents", cents)):
        place = split.schema.get_field_index(column)
        field = split.schema.field(place)
        split = split.set_column(place, field, pa.array(values, field.type))
    if "discount_taken_cents" in split.column_names:
        place = split.schema.get_field_index("discount_taken_cents")
        once = pc.if_else(pa.array(first, pa.bool_()), split["discount_taken_cents"], None)
        split = split.set_column(place, split.schema.field(place), once)
    return split
