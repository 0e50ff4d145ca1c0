"""One published night: scores, the day's plan, the lookup that answers by id, and a manifest.

A snapshot is a folder that never changes. Analysts read `scores.parquet` and `plan.parquet`; doors
ask the lookup, a SQLite file opened read-only and immutable, which holds each row as it stands in
the Parquet file.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MANIFEST, SCORES, PLAN, LOOKUP, QUARANTINE = (
    "manifest.json",
    "scores.parquet",
    "plan.parquet",
    "lookup.sqlite",
    "quarantine.parquet",
)
Row = dict[str, Any]  # a row of the scores: what `pa.Table.to_pylist` gives for it

_TABLE = """
CREATE TABLE scores (
    place INTEGER PRIMARY KEY,
    invoice_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    risk_band TEXT,
    action TEXT,
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
_BATCH_ROWS = 8192  # rows that are Python objects at one time


class SnapshotDamaged(ValueError):  # noqa: N818 - the name says what happened
    """A snapshot whose files are not what its manifest says."""


class Snapshot:
    """A published night, read by id, by customer or in the order of the worklist."""

    def __init__(self, folder: Path) -> None:
        """Open a folder whose files are as its manifest says, else raise SnapshotDamaged."""
        self.folder = folder
        self.name = folder.name
        self.manifest = verify(folder)
        self.as_of = date.fromisoformat(self.manifest["as_of"])
        self.model_version = str(self.manifest["model_version"])
        self.rows = int(self.manifest["rows"])
        self._decode = _row_decoder(folder / SCORES)
        self.has_plan = PLAN in self.manifest["files"]  # nights of earlier versions have none
        self._decode_plan = _row_decoder(folder / PLAN) if self.has_plan else None
        # immutable: no lock is taken and no journal looked for, a writer elsewhere is never felt
        uri = f"{(folder / LOOKUP).resolve().as_uri()}?mode=ro&immutable=1"
        self._lookup = sqlite3.connect(uri, uri=True, check_same_thread=False)

    def get_invoice(self, invoice_id: str) -> Row | None:
        """The score of an open invoice, None where the snapshot has none."""
        return next(self._rows("WHERE invoice_id = ?", invoice_id), None)

    def get_customer(self, customer_id: str) -> list[Row]:
        """The scores of a customer's open invoices, in the order of the worklist."""
        return list(self._rows("WHERE customer_id = ? ORDER BY place", customer_id))

    def worklist(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        risk_band: str | None = None,
        action: str | None = None,
    ) -> list[Row]:
        """A page of the worklist: the action worth most first, then the value at risk."""
        where, values = _filters(risk_band=risk_band, action=action)
        return list(self._rows(f"{where} ORDER BY place LIMIT ? OFFSET ?", *values, limit, offset))

    def count(self, *, risk_band: str | None = None, action: str | None = None) -> int:
        """How many rows the worklist has under these filters."""
        where, values = _filters(risk_band=risk_band, action=action)
        found = self._lookup.execute(f"SELECT count(*) FROM scores {where}", values).fetchone()
        return int(found[0])

    def get_contact(self, customer_id: str) -> Row | None:
        """What the day's plan has for a customer, None where there is no plan or nothing open."""
        return next(self._planned("WHERE customer_id = ?", customer_id), None)

    def plan(self, *, limit: int = 50, offset: int = 0, action: str | None = None) -> list[Row]:
        """A page of the day's plan: first who is contacted, then who waits for room."""
        where, values = _filters(action=action)
        return list(
            self._planned(f"{where} ORDER BY place LIMIT ? OFFSET ?", *values, limit, offset)
        )

    def count_plan(self, *, action: str | None = None) -> int:
        """How many customers the plan has, or how many for whom it has this action."""
        if not self.has_plan:
            return 0
        where, values = _filters(action=action)
        found = self._lookup.execute(f"SELECT count(*) FROM plan {where}", values).fetchone()
        return int(found[0])

    def plan_table(self) -> pa.Table | None:
        """The whole plan, one row per customer; None where the night had none."""
        return pq.read_table(self.folder / PLAN) if self.has_plan else None

    def scores(self) -> pa.Table:
        """The whole table, one row per open invoice."""
        return pq.read_table(self.folder / SCORES)

    def quarantine(self) -> pa.Table | None:
        """The rows that could not be used, None where the night kept no such file."""
        path = self.folder / QUARANTINE
        return pq.read_table(path) if path.exists() else None

    def close(self) -> None:
        self._lookup.close()

    def _rows(self, where: str, *values: object) -> Iterator[Row]:
        for (row,) in self._lookup.execute(f"SELECT row FROM scores {where}", values):
            yield self._decode(json.loads(row))

    def _planned(self, where: str, *values: object) -> Iterator[Row]:
        if self._decode_plan is not None:
            for (row,) in self._lookup.execute(f"SELECT row FROM plan {where}", values):
                yield self._decode_plan(json.loads(row))


def _filters(**wanted: str | None) -> tuple[str, list[str]]:
    given = {column: value for column, value in wanted.items() if value is not None}
    where = " AND ".join(f"{column} = ?" for column in given)
    return (f"WHERE {where}" if where else ""), list(given.values())


def write_lookup(path: Path, scores: pa.Table, *, plan: pa.Table | None = None) -> None:
    """The SQLite file that finds a row of the scores by invoice, by customer or by its place.

    And one of the plan, where there is one, by customer or by its place.

    The same rows give the same bytes. Nothing is flushed here: whoever places the folder does it.
    """
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        database.execute(_TABLE)
        database.executemany(
            "INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?)", _entries(in_worklist_order(scores))
        )
        database.execute("CREATE UNIQUE INDEX by_invoice ON scores (invoice_id)")
        database.execute("CREATE INDEX by_customer ON scores (customer_id, place)")
        database.execute("CREATE INDEX by_band ON scores (risk_band, place)")
        database.execute("CREATE INDEX by_action ON scores (action, place)")
        if plan is not None:
            database.execute(_PLAN_TABLE)
            database.executemany(
                "INSERT INTO plan VALUES (?, ?, ?, ?)", _planned(in_plan_order(plan))
            )
            database.execute("CREATE UNIQUE INDEX plan_by_customer ON plan (customer_id)")
            database.execute("CREATE INDEX plan_by_action ON plan (action, place)")
        database.execute("COMMIT")
    finally:
        database.close()


def in_worklist_order(scores: pa.Table) -> pa.Table:
    """The scores as a collector works them: the action worth most first, then the value at risk."""
    keys = pa.table(
        {
            "worth": pc.struct_field(scores["action"], "expected_value_cents"),
            "at_risk": scores["value_at_risk_cents"],
            "invoice_id": scores["invoice_id"],
        }
    )
    order = [("worth", "descending"), ("at_risk", "descending"), ("invoice_id", "ascending")]
    return scores.take(pc.sort_indices(keys, sort_keys=order))


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


def _entries(scores: pa.Table) -> Iterator[tuple[object, ...]]:
    for place, (row, text) in enumerate(_as_text(scores)):
        action = (row["action"] or {}).get("code")
        yield place, row["invoice_id"], row["customer_id"], row["risk_band"], action, text


def _planned(plan: pa.Table) -> Iterator[tuple[object, ...]]:
    for place, (row, text) in enumerate(_as_text(plan)):
        yield place, row["customer_id"], row["code"], text


def _as_text(table: pa.Table) -> Iterator[tuple[Row, str]]:
    """Each row, and as the JSON that the lookup keeps."""
    for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
        for row in batch.to_pylist():
            yield (
                row,
                json.dumps(row, default=date.isoformat, ensure_ascii=False, separators=(",", ":")),
            )


def _row_decoder(parquet: Path) -> Callable[[Any], Any]:
    return _decoder(pa.struct(list(pq.read_schema(parquet)))) or (lambda row: row)


def _decoder(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """What turns the JSON of a value of this type back into the value; None when nothing has to."""
    if pa.types.is_date(kind):
        return _optional(date.fromisoformat)
    if pa.types.is_list(kind):
        inner = _decoder(kind.value_type)
        return inner and _optional(lambda values: [inner(value) for value in values])
    if pa.types.is_struct(kind):
        inside = {field.name: _decoder(field.type) for field in kind}
        changed = {name: decode for name, decode in inside.items() if decode}
        return _optional(lambda row: _changed(row, changed)) if changed else None
    return None


def _optional(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else decode(value)


def _changed(row: Row, decoders: Mapping[str, Callable[[Any], Any]]) -> Row:
    return {**row, **{name: decode(row[name]) for name, decode in decoders.items()}}


def verify(folder: Path) -> dict[str, Any]:
    """The manifest of a snapshot whose files are all there and unchanged, else SnapshotDamaged."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        expected: dict[str, str] = manifest["files"]
        present = {path.name for path in folder.iterdir()} - {MANIFEST}
        if present != expected.keys():
            wrong = ", ".join(sorted(present ^ expected.keys()))
            raise SnapshotDamaged(f"snapshot {folder.name}: missing or unknown files: {wrong}")
        for name, digest in expected.items():
            if sha256(folder / name) != digest:
                raise SnapshotDamaged(f"snapshot {folder.name}: {name} is not as it was written")
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as fault:
        raise SnapshotDamaged(f"snapshot {folder.name}: cannot be read, {fault}") from fault
    return manifest


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
