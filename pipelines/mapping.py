"""A mapping says how a foreign export becomes a ledger: a TOML file, not code (`docs/mappings.md`).

`load` reads one and lists all its faults at once; `pipelines/mapped.py` applies it to rows.
"""

import codecs
import tomllib
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.cells import Format
from pipelines.files import IntakeRefused
from pipelines.tables import TABLES

SHIPPED = Path(__file__).parent / "mappings"


@dataclass(frozen=True)
class Origin:
    """Where one column of the ledger comes from, and what is done to it on the way."""

    column: str | None = None
    first_of: tuple[str, ...] = ()  # the first of these columns that is filled
    ids: tuple[str, ...] = ()  # several columns joined by "-": an id
    constant: str | None = None
    occurrence: bool = False  # "#2", "#3" after an id that comes again
    plus_days: int = 0
    minus_days: int = 0
    values: Dictionary[str, str] = field(default_factory=dict)  # other words for these values
    negate: bool = False
    absolute: bool = False
    inverse: bool = False  # 1 / rate, where a source writes foreign units for one of ours
    date: str | None = None
    decimal: str | None = None

    def columns(self) -> tuple[str, ...]:
        return (*((self.column,) if self.column else ()), *self.first_of, *self.ids)


@dataclass(frozen=True)
class Link:
    """Another file, and the pair of columns that ties its rows to ours."""

    file: str
    on: str
    to: str


@dataclass(frozen=True)
class Part:
    """Rows of one file that become rows of one table."""

    file: str
    table: str
    columns: Dictionary[str, Origin]
    where: Dictionary[str, tuple[str, ...]] = field(default_factory=dict)
    unless: Dictionary[str, tuple[str, ...]] = field(default_factory=dict)
    filled: tuple[str, ...] = ()
    nonzero: tuple[str, ...] = ()
    one_row_per: str | None = None
    join: Link | None = None
    without: Link | None = None


@dataclass(frozen=True)
class Mapping:
    """The whole of a mapping: how cells are written, in which currency, and the parts."""

    name: str
    form: Format
    currency: str | None
    parts: tuple[Part, ...]


def shipped() -> list[str]:
    """The names of the mappings that come with the product."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(mapping: str | Path) -> Mapping:
    """The mapping of this shipped name or this file; IntakeRefused lists all its faults."""
    path = SHIPPED / f"{mapping}.toml" if str(mapping) in shipped() else Path(mapping)
    if not path.is_file():
        raise IntakeRefused(
            [f"mapping must be one of {', '.join(shipped())} or a TOML file, got: {mapping}"]
        )
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise IntakeRefused([f"{path.name}: not TOML: {error}"]) from error
    return _Reader(path.name).mapping(path.stem, told)


class _Reader:
    """Reads one mapping and keeps every fault that it meets."""

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.faults: list[str] = []

    def mapping(self, name: str, told: dict[str, Any]) -> Mapping:
        self._known(told, {"title", "currency", "format", "rows"}, "the mapping")
        form = self._form(told.get("format", {}))
        rows = told.get("rows", [])
        parts = tuple(self._part(part, f"rows {n}") for n, part in enumerate(rows, 1))
        if self.faults:
            raise IntakeRefused([f"{self.file_name}: {fault}" for fault in self.faults])
        return Mapping(name, form, told.get("currency"), parts)

    def _known(self, told: Dictionary[str, Any], among: set[str], where: str) -> None:
        for key in sorted(set(told) - among):
            allowed = ", ".join(sorted(among))
            self.faults.append(f"{where}: expected one of {allowed}, got: {key}")

    def _form(self, told: dict[str, Any]) -> Format:
        self._known(told, {"encoding", "separator", "decimal", "date", "zone", "nulls"}, "[format]")
        self._decimal(told, "[format]")
        try:
            codecs.lookup(told.get("encoding", "utf-8"))
        except LookupError:
            self.faults.append(f"[format]: unknown encoding {told['encoding']!r}")
        try:
            ZoneInfo(told.get("zone", "UTC"))
        except (ZoneInfoNotFoundError, ValueError):
            self.faults.append(f"[format]: unknown zone {told['zone']!r}")
        if len(told.get("separator", ",")) != 1:
            self.faults.append("[format]: separator must be one character")
        known = {key: told[key] for key in told if key in Format.__dataclass_fields__}
        return Format(**{**known, "nulls": frozenset(told.get("nulls", ()))})

    def _decimal(self, told: Dictionary[str, Any], where: str) -> None:
        if told.get("decimal", ".") not in (".", ","):
            self.faults.append(f"{where}: decimal must be '.' or ',', got: {told['decimal']!r}")

    def _part(self, told: dict[str, Any], where: str) -> Part:
        fields = {"from", "into", "columns", "where", "unless", "filled", "nonzero"}
        self._known(told, fields | {"one_row_per", "join", "without"}, where)
        for needed in ("from", "into", "columns"):
            if needed not in told:
                self.faults.append(f"{where}: {needed} is missing")
        table = told.get("into", "")
        if table and table not in TABLES:
            self.faults.append(f"{where}: into must be one of {', '.join(TABLES)}, got: {table}")
        columns = told.get("columns", {})
        if table in TABLES:
            self._known(columns, {c.name for c in TABLES[table].columns}, f"{where} columns")
            self._required(table, columns, where)
        return Part(
            file=told.get("from", ""),
            table=table,
            columns={name: self._origin(name, o, where) for name, o in columns.items()},
            where=self._values(told, "where"),
            unless=self._values(told, "unless"),
            filled=tuple(told.get("filled", ())),
            nonzero=tuple(told.get("nonzero", ())),
            one_row_per=told.get("one_row_per"),
            join=self._link(told, "join", where),
            without=self._link(told, "without", where),
        )

    def _required(self, table: str, columns: Dictionary[str, Any], where: str) -> None:
        dated = {"issue_date"} <= columns.keys() and {"terms_days", "terms_code"} & columns.keys()
        for column in TABLES[table].columns:
            if column.required and column.name not in columns:
                if column.name == "due_date" and dated:
                    continue  # computed from the terms
                self.faults.append(f"{where}: {table} needs {column.name}")

    def _origin(self, name: str, told: Any, where: str) -> Origin:
        if isinstance(told, str):
            return Origin(column=told)
        if not isinstance(told, dict):
            self.faults.append(f"{where}: {name} must be a column's name or a table, got: {told!r}")
            return Origin()
        where = f"{where} {name}"
        self._known(told, set(Origin.__dataclass_fields__), where)
        self._decimal(told, where)
        known = {key: told[key] for key in told if key in Origin.__dataclass_fields__}
        if sum(key in known for key in ("column", "first_of", "ids", "constant")) != 1:
            self.faults.append(f"{where}: state one of column, first_of, ids, constant")
        for several in ("first_of", "ids"):
            known[several] = tuple(known.get(several, ()))
        if "constant" in known:
            known["constant"] = str(known["constant"])
        return Origin(**known)

    def _values(self, told: Dictionary[str, Any], key: str) -> dict[str, tuple[str, ...]]:
        chosen: dict[str, Any] = told.get(key, {})
        return {
            column: (values,) if isinstance(values, str) else tuple(str(v) for v in values)
            for column, values in chosen.items()
        }

    def _link(self, told: Dictionary[str, Any], key: str, where: str) -> Link | None:
        if key not in told:
            return None
        link: dict[str, str] = told[key]
        self._known(link, {"file", "on", "to"}, f"{where} {key}")
        if link.keys() != {"file", "on", "to"}:
            self.faults.append(f"{where}: {key} needs file, on and to")
            return None
        return Link(**link)
