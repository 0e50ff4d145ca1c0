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
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from pipelines.lookup import Row

MANIFEST, SCORES, PLAN, CUSTOMERS, LOOKUP, QUARANTINE = (
    "manifest.json",
    "scores.parquet",
    "plan.parquet",
    "customers.parquet",
    "lookup.sqlite",
    "quarantine.parquet",
)

# By what the lists are sorted; the first is the order of the places themselves.
_SORTS = {
    "worth": "place",
    "open": "open_cents DESC, place",
    "risk": "value_at_risk_cents DESC, place",
    "probability": "p_late_30 DESC, place",
}
_PLAN_SORTS = _SORTS | {"overdue": "overdue_cents DESC, place", "name": "name, place"}
INVOICE_SORTS, CUSTOMER_SORTS = tuple(_SORTS), tuple(_PLAN_SORTS)


class SnapshotDamaged(ValueError):  # noqa: N818 - the name says what happened
    """A snapshot whose files are not what its manifest says."""


class NotFiltered(LookupError):  # noqa: N818 - the name says what happened
    """A night of an earlier version, which keeps nothing to filter by."""


class Wanted(NamedTuple):
    """Which rows of a list are wanted; None wants all."""

    band: str | None = None
    signal: str | None = None
    action: str | None = None
    company: str | None = None
    collector: str | None = None
    at_least_cents: int | None = None  # open: of the invoice, or of the customer in all
    text: str | None = None  # in the customer's name or id, or in the invoice's


ALL = Wanted()
_OF_CUSTOMERS = {
    "band": "customers.risk_band = ?",
    "signal": "instr(customers.signals, char(10) || ? || char(10)) > 0",
    "action": "plan.action = ?",
    "company": "instr(customers.companies, char(10) || ? || char(10)) > 0",
    "collector": "customers.collector = ?",
    "at_least_cents": "customers.open_cents >= ?",
    "text": "(instr(customers.name, ?) > 0 OR customer_id IN "
    "(SELECT customer_id FROM scores WHERE instr(lower(invoice_id), ?) > 0))",
}
_OF_INVOICES = {
    "band": "risk_band = ?",
    "signal": "instr(signals, char(10) || ? || char(10)) > 0",
    "action": "action = ?",
    "company": "company_code = ?",
    "collector": "customer_id IN (SELECT customer_id FROM customers WHERE collector = ?)",
    "at_least_cents": "open_cents >= ?",
    "text": "(instr(lower(invoice_id), ?) > 0 OR customer_id IN "
    "(SELECT customer_id FROM customers WHERE instr(name, ?) > 0))",
}


class Snapshot:
    """A published night, read by id, by customer or in the order of the worklist."""

    def __init__(self, folder: Path) -> None:
        """Open a folder whose files are as its manifest says, else raise SnapshotDamaged."""
        self.folder = folder
        self._describe(folder.name, verify(folder))
        # immutable: no lock is taken and no journal looked for, a writer elsewhere is never felt
        uri = f"{(folder / LOOKUP).resolve().as_uri()}?mode=ro&immutable=1"
        self._lookup: Any = sqlite3.connect(uri, uri=True, check_same_thread=False)

    def _describe(self, name: str, manifest: dict[str, Any]) -> None:
        self.name, self.manifest = name, manifest
        self.as_of = date.fromisoformat(self.manifest["as_of"])
        self.model_version = str(self.manifest["model_version"])
        self.is_invented = bool(self.manifest["facts"].get("is_invented"))  # the sample's
        self.rows = int(self.manifest["rows"])
        self._decode = _row_decoder(self._schema(SCORES))
        self.has_plan = PLAN in self.manifest["files"]  # nights of earlier versions have none
        self._decode_plan = _row_decoder(self._schema(PLAN)) if self.has_plan else None
        knows_customers = CUSTOMERS in self.manifest["files"]
        self._decode_customer = _row_decoder(self._schema(CUSTOMERS)) if knows_customers else None

    def _schema(self, file: str) -> pa.Schema:
        """The columns of one of the night's tables."""
        return pq.read_schema(self.folder / file)

    def _source(self, file: str) -> Path | pa.BufferReader:
        """Where one of the night's tables is read from."""
        return self.folder / file

    def get_invoice(self, invoice_id: str) -> Row | None:
        """The score of an open invoice, None where the snapshot has none."""
        return next(self._rows("WHERE invoice_id = ?", invoice_id), None)

    def get_customer(self, customer_id: str) -> list[Row]:
        """The scores of a customer's open invoices, in the order of the worklist."""
        return list(self._rows("WHERE customer_id = ? ORDER BY place", customer_id))

    def worklist(
        self, wanted: Wanted = ALL, *, limit: int = 50, offset: int = 0, sort: str = "worth"
    ) -> list[Row]:
        """A page of the worklist: the action worth most first, then the value at risk."""
        where, values = self._where(wanted, _OF_INVOICES)
        page = f"SELECT place FROM scores {where} ORDER BY {_SORTS[sort]} LIMIT ? OFFSET ?"
        shown = f"WHERE place IN ({page}) ORDER BY {_SORTS[sort]}"
        return list(self._rows(shown, *values, limit, offset))

    def count(self, wanted: Wanted = ALL) -> int:
        """How many rows the worklist has under these filters."""
        where, values = self._where(wanted, _OF_INVOICES)
        found = self._lookup.execute(f"SELECT count(*) FROM scores {where}", values).fetchone()
        return int(found[0])

    def get_contact(self, customer_id: str) -> Row | None:
        """What the day's plan has for a customer, None where there is no plan or nothing open."""
        return next(self._planned("WHERE customer_id = ?", customer_id), None)

    def plan(
        self, wanted: Wanted = ALL, *, limit: int = 50, offset: int = 0, sort: str = "worth"
    ) -> list[Row]:
        """A page of the day's plan: first who is contacted, then who waits for room."""
        where, values = self._where(wanted, _OF_CUSTOMERS)
        order = _PLAN_SORTS[sort]
        page = f"SELECT place FROM {self._plan_tables} {where} ORDER BY {order} LIMIT ? OFFSET ?"
        shown = f"WHERE place IN ({page}) ORDER BY {order}"
        return list(self._planned(shown, *values, limit, offset))

    def count_plan(self, wanted: Wanted = ALL) -> int:
        """How many customers the plan has under these filters."""
        if not self.has_plan:
            return 0
        where, values = self._where(wanted, _OF_CUSTOMERS)
        counted = f"SELECT count(*) FROM {self._plan_tables} {where}"
        return int(self._lookup.execute(counted, values).fetchone()[0])

    def get_customer_row(self, customer_id: str) -> Row | None:
        """What the worklist shows of a customer, None where the night kept no such rows."""
        if self._decode_customer is None:
            return None
        asked = "SELECT row FROM customers WHERE customer_id = ?"
        found = self._lookup.execute(asked, (customer_id,)).fetchone()
        return self._decode_customer(from_json(found[0])) if found else None

    @cached_property
    def collectors(self) -> list[str]:
        """Those who look after the customers, where the ledger told."""
        return self._different("SELECT DISTINCT collector FROM customers ORDER BY collector")

    @cached_property
    def company_codes(self) -> list[str]:
        """The companies that issued the invoices, where the ledger told."""
        asked = "SELECT DISTINCT company_code FROM scores ORDER BY company_code"
        return self._different(asked)

    def plan_table(self) -> pa.Table | None:
        """The whole plan, one row per customer; None where the night had none."""
        return pq.read_table(self._source(PLAN)) if self.has_plan else None

    def scores(self) -> pa.Table:
        """The whole table, one row per open invoice."""
        return pq.read_table(self._source(SCORES))

    def quarantine(self) -> pa.Table | None:
        """The rows that could not be used, None where the night kept no such file."""
        is_kept = QUARANTINE in self.manifest["files"]
        return pq.read_table(self._source(QUARANTINE)) if is_kept else None

    def close(self) -> None:
        self._lookup.close()

    def _different(self, asked: str) -> list[str]:
        if self._decode_customer is None:
            return []
        return [value for (value,) in self._lookup.execute(asked) if value is not None]

    def _where(self, wanted: Wanted, meant: Mapping[str, str]) -> tuple[str, list[str | int]]:
        given = {name: value for name, value in wanted._asdict().items() if value is not None}
        known = set(meant)
        if meant is _OF_CUSTOMERS and self._decode_customer is None:
            known = {"action"}
        elif int(self.manifest["format"]) < 2:
            known = {"band", "action"}
        if new := given.keys() - known:
            raise NotFiltered(f"a night of an earlier version cannot be asked for {min(new)}")
        if "text" in given:
            given["text"] = str(given["text"]).casefold()
        where = " AND ".join(meant[name] for name in given)
        values = [given[name] for name in given for _ in range(meant[name].count("?"))]
        return (f"WHERE {where}" if where else ""), values

    @property
    def _plan_tables(self) -> str:
        joined = "plan JOIN customers USING (customer_id)"
        return "plan" if self._decode_customer is None else joined

    def _rows(self, where: str, *values: object) -> Iterator[Row]:
        for (row,) in self._lookup.execute(f"SELECT row FROM scores {where}", values):
            yield self._decode(from_json(row))

    def _planned(self, where: str, *values: object) -> Iterator[Row]:
        if self._decode_plan is not None:
            asked = f"SELECT plan.row FROM {self._plan_tables} {where}"
            for (row,) in self._lookup.execute(asked, values):
                yield self._decode_plan(from_json(row))


def _row_decoder(schema: pa.Schema) -> Callable[[Any], Any]:
    return _decoder(pa.struct(list(schema))) or (lambda row: row)


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
