"""The lookup of a night: a SQLite file that finds its rows by id, by place or under filters.

Written once, with the night; `pipelines.snapshot` reads it, read-only and immutable.
"""

import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import to_json

from pipelines import litter

Row = dict[str, Any]  # a row of a table: what `pa.Table.to_pylist` gives for it

_TABLE = """
CREATE TABLE scores (
    place INTEGER PRIMARY KEY,
    invoice_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    risk_band TEXT,
    action TEXT,
    company_code TEXT,
    signals TEXT NOT NULL,
    open_cents INTEGER,
    value_at_risk_cents INTEGER,
    p_late_30 REAL,
    row TEXT NOT NULL
) STRICT
"""
_PLAN_TABLE = """
CREATE TABLE plan (
    place INTEGER PRIMARY KEY,
    customer_id TEXT NOT NULL,
    action TEXT NOT NULL,
    row TEXT NOT NULL
) STRICT
"""
_CUSTOMERS_TABLE = """
CREATE TABLE customers (
    customer_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    collector TEXT,
    companies TEXT NOT NULL,
    signals TEXT NOT NULL,
    risk_band TEXT NOT NULL,
    open_cents INTEGER NOT NULL,
    overdue_cents INTEGER NOT NULL,
    value_at_risk_cents INTEGER NOT NULL,
    p_late_30 REAL NOT NULL,
    row TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""
# Lists are filtered, sorted and counted in indexes that hold all they ask for: the rows themselves,
# twenty times as wide, are read for the page that is shown only.
_FILTERED = "risk_band, action, company_code, signals, open_cents, customer_id, invoice_id"
_SCORES_INDEXES = (
    "UNIQUE INDEX by_invoice ON scores (invoice_id)",
    "INDEX by_customer ON scores (customer_id, place)",
    "INDEX by_band ON scores (risk_band, place)",
    "INDEX by_action ON scores (action, place)",
    f"INDEX in_order ON scores (place, {_FILTERED})",
    f"INDEX by_open ON scores (open_cents DESC, place, {_FILTERED})",
    f"INDEX by_risk ON scores (value_at_risk_cents DESC, place, {_FILTERED})",
    f"INDEX by_probability ON scores (p_late_30 DESC, place, {_FILTERED})",
)
_PLAN_INDEXES = (
    "UNIQUE INDEX plan_by_customer ON plan (customer_id)",
    "INDEX plan_by_action ON plan (action, place)",
    "INDEX plan_in_order ON plan (place, customer_id, action)",
)
_CUSTOMERS_INDEXES = (
    "INDEX of_customers ON customers (customer_id, name, collector, companies, signals, risk_band, "
    "open_cents, overdue_cents, value_at_risk_cents, p_late_30)",
)
_BATCH_ROWS = 8192  # rows that are Python objects at one time


def write_lookup(
    path: Path,
    scores: pa.Table,
    *,
    plan: pa.Table | None = None,
    customers: pa.Table | None = None,
) -> None:
    """The SQLite file that finds a row of the scores by invoice, by customer or by its place.

    And one of the plan, where there is one, by customer or by its place; and what a worklist shows
    and filters of each customer (`pipelines.customer_rows`).

    The same rows give the same bytes. Nothing is flushed here: whoever places the folder does it.
    """
    database = sqlite3.connect(path, isolation_level=None)
    with closing(database), litter.left_lying():
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        database.execute(_TABLE)
        database.executemany(
            f"INSERT INTO scores VALUES ({_marks(11)})", _entries(scores, worklist_order(scores))
        )
        _index(database, _SCORES_INDEXES)
        if plan is not None:
            database.execute(_PLAN_TABLE)
            database.executemany(
                "INSERT INTO plan VALUES (?, ?, ?, ?)", _planned(in_plan_order(plan))
            )
            _index(database, _PLAN_INDEXES)
        database.execute(_CUSTOMERS_TABLE)
        if customers is not None:
            database.executemany(
                f"INSERT INTO customers VALUES ({_marks(11)})", _customer_entries(customers)
            )
            _index(database, _CUSTOMERS_INDEXES)
        database.execute("COMMIT")


def _index(database: sqlite3.Connection, indexes: Iterable[str]) -> None:
    for index in indexes:
        database.execute(f"CREATE {index}")


def in_worklist_order(scores: pa.Table) -> pa.Table:
    """The scores as a collector works them: the action worth most first, then the value at risk."""
    return scores.take(worklist_order(scores))


def worklist_order(scores: pa.Table) -> pa.Array:
    """The rows of the scores in the order of the worklist."""
    keys = pa.table(
        {
            "worth": pc.struct_field(scores["action"], "expected_value_cents"),
            "at_risk": scores["value_at_risk_cents"],
            "invoice_id": scores["invoice_id"],
        }
    )
    order = [("worth", "descending"), ("at_risk", "descending"), ("invoice_id", "ascending")]
    return pc.sort_indices(keys, sort_keys=order)


def in_plan_order(plan: pa.Table) -> pa.Table:
    """The plan as the day is worked: contacts by worth, then those kept out by what was better."""
    keys = pa.table(
        {
            "waits": pc.equal(plan["code"], "wait"),
            "worth": plan["expected_value_cents"],
            "kept_out": pc.fill_null(plan["blocked_value_cents"], 0),
            "customer_id": plan["customer_id"],
        }
    )
    order = [
        ("waits", "ascending"),
        ("worth", "descending"),
        ("kept_out", "descending"),
        ("customer_id", "ascending"),
    ]
    return plan.take(pc.sort_indices(keys, sort_keys=order))


def _entries(scores: pa.Table, order: pa.Array) -> Iterator[tuple[object, ...]]:
    some = (
        scores.take(order.slice(at, _BATCH_ROWS)) for at in range(0, scores.num_rows, _BATCH_ROWS)
    )
    for place, (row, text) in enumerate(entry for part in some for entry in _as_text(part)):
        yield (
            place,
            row["invoice_id"],
            row["customer_id"],
            row["risk_band"],
            (row["action"] or {}).get("code"),
            row["company_code"],
            _listed(signal["code"] for signal in row["signals"] or ()),
            row["open_cents"],
            row["value_at_risk_cents"],
            row["p_late_30"],
            text,
        )


def _customer_entries(customers: pa.Table) -> Iterator[tuple[object, ...]]:
    for row, text in _as_text(customers):
        yield (
            row["customer_id"],
            searched(f"{row['customer_name'] or ''} {row['customer_id']}".strip()),
            row["collector"],
            _listed(row["company_codes"]),
            _listed(signal["code"] for signal in row["signals"]),
            row["risk_band"],
            row["open_cents"],
            row["overdue_cents"],
            row["value_at_risk_cents"],
            row["p_late_30"],
            text,
        )


def searched(name: str) -> str:
    """A name as it is searched: as it is written, then without accents and points, in small.

    Whoever types `srl` or `societa` finds `Società S.r.l.`, and whoever types it in full too.
    """
    written = name.casefold()
    letters = unicodedata.normalize("NFKD", written)
    plain = "".join(c for c in letters if c.isalnum() or c.isspace())
    return written if plain == written else f"{written}\n{plain}"


def _listed(words: Iterable[str]) -> str:
    """Words in one text, each findable between its own marks."""
    return "".join(f"\n{word}\n" for word in words)


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _planned(plan: pa.Table) -> Iterator[tuple[object, ...]]:
    for place, (row, text) in enumerate(_as_text(plan)):
        yield place, row["customer_id"], row["code"], text


def _as_text(table: pa.Table) -> Iterator[tuple[Row, str]]:
    """Each row, and as the JSON that the lookup keeps."""
    for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
        for row in batch.to_pylist():
            yield row, to_json(row, inf_nan_mode="constants").decode()
