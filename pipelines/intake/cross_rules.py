"""The rules that need more than one row: ids given twice, rows that name what is not there, money
in another currency, and what a negative invoice or an unmatched payment is.
"""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.batches import Batch, empty, joined, row_of
from pipelines.intake.look_alikes import look_alikes
from pipelines.intake.mapped import Rows
from pipelines.intake.terms import due_day, read_terms
from pipelines.tables import TABLES

# One bank payment may pay several invoices: it is the pair that must be unique.
KEYS: dict[str, tuple[str, ...]] = {
    name: (table.key,) for name, table in TABLES.items() if table.key
}
KEYS["payments"] = ("payment_id", "invoice_id")

REVISION = pa.schema(
    [
        ("table", pa.string()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("recorded_at", pa.date32()),
        ("column", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
    ]
)


def fill_due_dates(invoices: Batch) -> None:
    """Due dates that the source leaves out, from the issue date and the terms."""
    table = invoices.rows
    lacking = pc.and_(table["due_date"].is_null(), table["issue_date"].is_valid())
    rows = np.flatnonzero(np.asarray(lacking))
    if not len(rows):
        return
    due = table["due_date"].to_pylist()
    some = table.select(["issue_date", "terms_code", "terms_days"]).take(pa.array(rows))
    for row, told in zip(rows.tolist(), some.to_pylist(), strict=True):
        days = told["terms_days"]
        plausible = days is None or 0 <= days <= 3650
        terms = read_terms(told["terms_code"], days=days) if plausible else None
        if terms is not None and date(1900, 1, 1) < told["issue_date"] < date(2100, 1, 1):
            due[row] = due_day(told["issue_date"], terms)
    invoices.put("due_date", pa.array(due, pa.date32()))


def part_credit_notes(batches: dict[str, Batch]) -> None:
    """Negative invoices move to the credit notes, linked by order_ref to a customer's invoice."""
    invoices = batches["invoices"]
    negative = np.asarray(pc.less(invoices.rows["amount_cents"], 0).fill_null(False))
    if not negative.any():
        return
    rows = np.flatnonzero(negative)
    notes_read = invoices.part(rows)
    batches["invoices"] = invoices.part(np.flatnonzero(~negative))
    told = notes_read.rows
    linked = _linked(told, batches["invoices"])
    moved = {
        "credit_note_id": told["invoice_id"],
        "customer_id": told["customer_id"],
        "invoice_id": linked,
        "issued_on": pc.coalesce(told["issue_date"], told["due_date"]),
        "recorded_at": told["recorded_at"],
        "amount_cents": pc.negate(told["amount_cents"]),
        "reason": pc.if_else(pa.array(negative[rows]), "negative invoice", None),
    }
    notes = Batch.of("credit_notes", Rows(pa.table(moved), notes_read.sources, notes_read.lines))
    notes.read_as, notes.money_read = notes_read.read_as, notes_read.money_read
    notes.bad, notes.marks = notes_read.bad, notes_read.marks
    lost = np.asarray(linked.is_null()) & notes.good
    notes.mark(
        lost,
        "invoice_id",
        "unlinked_credit",
        "an order_ref that names an invoice of the same customer",
        told["order_ref"].combine_chunks(),
    )
    batches["credit_notes"] = joined(batches.get("credit_notes", empty("credit_notes")), notes)


def _linked(notes: pa.Table, invoices: Batch) -> pa.Array:
    """The first invoice of the same customer whose id or order_ref is the credit's order_ref."""

    def of_customer(customers: pa.ChunkedArray, references: pa.ChunkedArray) -> pa.Array:
        both = pc.binary_join_element_wise(customers, references, "\x1f")
        return both.combine_chunks() if isinstance(both, pa.ChunkedArray) else both

    owners = invoices.rows["customer_id"]
    wanted = of_customer(notes["customer_id"], notes["order_ref"])
    found = [
        pc.index_in(wanted, value_set=of_customer(owners, invoices.rows[c]), skip_nulls=True)
        for c in ("invoice_id", "order_ref")
    ]
    return invoices.rows["invoice_id"].combine_chunks().take(pc.coalesce(*found))


def keep_one_of_each(batch: Batch) -> pa.Table:
    """Marks ids given again: the latest recorded revision stands, else the first row.

    Gives back what the superseded revisions said.
    """
    history = REVISION.empty_table()
    key = KEYS.get(batch.name)
    if key is None:
        return history
    for rows in _same_key(batch, key):
        recorded = _recorded(batch, rows)
        latest = max(recorded) if recorded else None
        kept = rows[recorded.index(latest)] if latest is not None else rows[0]
        for n, row in enumerate(rows):
            if row == kept:
                continue
            if latest is not None and recorded[n] < latest:
                rule, expected = "superseded", f"the revision recorded on {latest}"
                history = pa.concat_tables([history, _revision(batch, row, kept, key[0])])
            elif batch.rows.slice(row, 1).equals(batch.rows.slice(kept, 1)):
                rule, expected = "duplicate_row", f"one row, first on line {batch.lines[kept]}"
            else:
                rule, expected = "duplicate_id", f"one row, first on line {batch.lines[kept]}"
            broken = np.zeros(len(batch), bool)
            broken[row] = True
            batch.mark(broken, key[0], rule, expected)
    return history


def _same_key(batch: Batch, key: tuple[str, ...]) -> list[list[int]]:
    """The rows that share a key, in groups, in the order of the source."""
    named = pc.if_else(pa.array(batch.good), batch.rows[key[0]], None)
    if len(key) > 1:
        second = batch.rows[key[1]].fill_null("")
        named = pc.binary_join_element_wise(named, second, "\x1f")
    if isinstance(named, pa.ChunkedArray):
        named = named.combine_chunks()
    codes: np.ndarray = named.dictionary_encode().indices.fill_null(-1).to_numpy()
    counts = np.bincount(codes[codes >= 0])
    if not len(counts):
        return []
    again = np.flatnonzero((codes >= 0) & (counts[codes] > 1))
    groups: dict[int, list[int]] = {}
    for row in again:
        groups.setdefault(int(codes[row]), []).append(int(row))
    return list(groups.values())


def _recorded(batch: Batch, rows: list[int]) -> list[date]:
    """The recording days of the rows, where every row has one and they differ; else nothing."""
    if "recorded_at" not in batch.rows.column_names:
        return []
    told = batch.rows["recorded_at"].take(pa.array(rows)).to_pylist()
    return told if None not in told and len(set(told)) > 1 else []


def _revision(batch: Batch, before: int, after: int, key: str) -> pa.Table:
    old, new = (batch.rows.slice(row, 1).to_pylist()[0] for row in (before, after))
    changed = [
        {
            "table": batch.name,
            "id": old[key],
            "source": batch.sources[before].as_py(),
            "line": int(batch.lines[before]),
            "recorded_at": old["recorded_at"],
            "column": column,
            "before": None if old[column] is None else str(old[column]),
            "after": None if new[column] is None else str(new[column]),
        }
        for column in old
        if old[column] != new[column] and column != "recorded_at"
    ]
    return pa.Table.from_pylist(changed, schema=REVISION)


def make_customers(batches: dict[str, Batch]) -> bool:
    """Makes customers from the rows that name them, where the source has none; says if it did."""
    if "customers" in batches:
        return False
    named = [
        batch.rows["customer_id"].filter(pa.array(batch.good)).combine_chunks()
        for name, batch in batches.items()
        if name in ("invoices", "payments", "credit_notes")
    ]
    ids = pc.unique(pa.concat_arrays(named)).drop_null() if named else pa.array([], pa.string())
    made = Batch.of(
        "customers",
        Rows(
            pa.table({"customer_id": ids}),
            pa.array([None] * len(ids), pa.string()),
            np.zeros(len(ids), np.int64),
        ),
    )
    made.read_as[:] = ""  # they were read from nowhere: no control total counts them
    batches["customers"] = made
    return True


def find_customers(batch: Batch, customers: Batch) -> None:
    """Marks rows whose customer is unknown or in quarantine itself."""
    if "customer_id" not in batch.rows.column_names or batch.name == "customers":
        return
    named = np.asarray(batch.rows["customer_id"].is_valid())
    unknown = named & (row_of(batch.rows["customer_id"], customers, "customer_id") < 0)
    batch.mark(unknown & batch.good, "customer_id", "unknown_customer", "an accepted customer's id")


def find_invoices(batch: Batch, invoices: Batch) -> None:
    """Marks rows whose invoice is unknown or in quarantine, and gives the others its customer."""
    if "invoice_id" not in batch.rows.column_names or batch.name == "invoices":
        return
    named = np.asarray(batch.rows["invoice_id"].is_valid())
    row = row_of(batch.rows["invoice_id"], invoices, "invoice_id")
    batch.mark(
        named & (row < 0) & batch.good, "invoice_id", "unknown_invoice", "an accepted invoice's id"
    )
    if "customer_id" not in batch.rows.column_names:
        return
    place = pa.array(row, mask=row < 0)
    owner = invoices.rows["customer_id"].combine_chunks().take(place)
    given = batch.rows["customer_id"].combine_chunks()
    other = np.asarray(pc.not_equal(given, owner).fill_null(False))
    if batch.name == "payments":
        batch.flag(other, "customer_id", "paid_by_another_customer", "the invoice's customer")
    else:
        expected = "the customer of the invoice it names"
        batch.mark(other & batch.good, "customer_id", "customer_mismatch", expected)
    batch.put("customer_id", pc.coalesce(owner, given))


def find_rates(invoices: Batch, ledger_currency: str) -> None:
    """Marks invoices in another currency that carry no rate: amounts are never added raw."""
    foreign = np.asarray(pc.not_equal(invoices.rows["currency"], ledger_currency).fill_null(False))
    rate = invoices.rows["fx_rate"]
    invoices.mark(
        foreign & np.asarray(rate.is_null()) & invoices.good,
        "fx_rate",
        "missing_rate",
        f"{ledger_currency} for one unit of the invoice's currency",
    )
    ignored = ~foreign & np.asarray(pc.not_equal(rate, 1.0).fill_null(False))
    invoices.flag(ignored, "fx_rate", "rate_ignored", f"no rate on an invoice in {ledger_currency}")


def convert(batches: dict[str, Batch], ledger_currency: str) -> None:
    """Money in the ledger's currency, by the rate of the invoice it belongs to, to the cent."""
    invoices = batches["invoices"]
    foreign = pc.not_equal(invoices.rows["currency"], ledger_currency).fill_null(False)
    if not pc.any(foreign, min_count=0).as_py():
        return
    rates: np.ndarray = pc.if_else(foreign, invoices.rows["fx_rate"].fill_null(1.0), 1.0).to_numpy()
    for name in ("invoices", "payments", "credit_notes", "disputes", "promises"):
        if name not in batches:
            continue
        batch = batches[name]
        row = row_of(batch.rows["invoice_id"], invoices, "invoice_id")
        by_rate = np.append(rates, 1.0)[row]  # the last is for rows without an invoice
        for column in batch.money_read:
            values = np.rint(batch.cents(column) * by_rate).astype(np.int64)
            whole = np.where(by_rate == 1.0, batch.cents(column), values)
            batch.put(column, pa.array(whole, mask=np.asarray(batch.rows[column].is_null())))


def judge_payments(batches: dict[str, Batch], today: date | None) -> None:
    """Marks payments in the future; flags prepayments, and more paid or credited than owed."""
    payments, invoices = batches.get("payments"), batches["invoices"]
    for batch, column, rule in (
        (payments, "paid_on", "overpaid"),
        (batches.get("credit_notes"), "issued_on", "credit_exceeds_invoice"),
    ):
        if batch is None:
            continue
        if batch is payments and today is not None:
            late = pc.greater(batch.rows[column], pa.scalar(today + timedelta(days=1)))
            broken = np.asarray(late.fill_null(False)) & batch.good
            batch.mark(broken, column, "future_payment", f"on or before {today} + 1 day")
        row = row_of(batch.rows["invoice_id"], invoices, "invoice_id")
        use = batch.good & (row >= 0)
        owed = invoices.cents("amount_cents")
        total = np.zeros(len(owed), np.int64)
        np.add.at(total, row[use], batch.cents("amount_cents")[use])
        over = use & (total > owed + np.maximum(100, owed // 200))[np.where(use, row, 0)]
        batch.flag(over, "amount_cents", rule, "at most the amount of the invoice")
        if batch is payments:
            issued = invoices.rows["issue_date"].combine_chunks().take(pa.array(row, mask=row < 0))
            early = np.asarray(pc.less(batch.rows[column], issued).fill_null(False))
            batch.flag(early, column, "paid_before_issue", "a payment after the issue date")


def flag_look_alikes(batches: dict[str, Batch]) -> None:
    """Flags ids and names that a person would read as the same."""
    for name, column in (
        ("customers", "customer_id"),
        ("customers", "name"),
        ("invoices", "invoice_id"),
    ):
        batch = batches[name]
        for group in look_alikes(batch.rows[column].combine_chunks()):
            among = np.asarray(pc.is_in(batch.rows[column], value_set=pa.array(group)))
            batch.flag(among, column, "look_alike", f"not a duplicate of {' or '.join(group)}")
