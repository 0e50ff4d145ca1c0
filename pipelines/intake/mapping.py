"""A mapping says how a foreign export becomes a ledger: a TOML file, not code (`docs/mappings.md`).

`load` reads one and lists all its faults at once; `pipelines/intake/mapped.py` applies it to rows.
"""

import codecs
import tomllib
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.intake.cells import Format
from pipelines.intake.files import IntakeRefused
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
    watermark: Dictionary[str, str] = field(default_factory=dict)  # table -> when a row changed


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


# What each key of a mapping may hold.
_TOP: dict[str, type] = {
    "title": str,
    "currency": str,
    "format": dict,
    "watermark": dict,
    "rows": list,
}
_FORMAT: dict[str, type] = {
    "encoding": str,
    "separator": str,
    "decimal": str,
    "date": str,
    "zone": str,
    "nulls": list,
    "header_line": int,
}
_ROWS: dict[str, type] = {
    "from": str,
    "into": str,
    "columns": dict,
    "where": dict,
    "unless": dict,
    "filled": list,
    "nonzero": list,
    "one_row_per": str,
    "join": dict,
    "without": dict,
}
_ORIGIN: dict[str, type] = {
    "column": str,
    "first_of": list,
    "ids": list,
    "constant": object,
    "occurrence": bool,
    "plus_days": int,
    "minus_days": int,
    "values": dict,
    "negate": bool,
    "absolute": bool,
    "inverse": bool,
    "date": str,
    "decimal": str,
}
_LINK: dict[str, type] = {"file": str, "on": str, "to": str}


class _Reader:
    """Reads one mapping and keeps every fault that it meets."""

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.faults: list[str] = []

    def mapping(self, name: str, given: dict[str, Any]) -> Mapping:
        told = self._checked(given, _TOP, "the mapping")
        form = self._form(told.get("format", {}))
        rows = enumerate(told.get("rows", []), 1)
        parts = tuple(self._part(part, f"rows {n}") for n, part in rows)
        watermark = self._watermark(told.get("watermark", {}), parts)
        if self.faults:
            raise IntakeRefused([f"{self.file_name}: {fault}" for fault in self.faults])
        return Mapping(name, form, told.get("currency"), parts, watermark)

    def _checked(self, given: Any, kinds: dict[str, type], where: str) -> dict[str, Any]:
        """The keys that are known and hold what they should; the others are faults."""
        if not isinstance(given, dict):
            self.faults.append(f"{where}: expected a table, got: {given!r}")
            return {}
        good = {}
        for key, value in given.items():
            if key not in kinds:
                allowed = ", ".join(sorted(kinds))
                self.faults.append(f"{where}: expected one of {allowed}, got: {key}")
            elif not isinstance(value, kinds[key]):
                kind = kinds[key].__name__
                self.faults.append(f"{where}: {key} must be of type {kind}, got: {value!r}")
            else:
                good[key] = value
        return good

    def _form(self, given: Any) -> Format:
        told = self._checked(given, _FORMAT, "[format]")
        self._decimal(told, "[format]")
        try:
            codecs.lookup(told.get("encoding", "utf-8"))
        except LookupError:
            self.faults.append(f"[format]: unknown encoding {told['encoding']!r}")
        try:
            ZoneInfo(told.get("zone", "UTC"))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.faults.append(f"[format]: unknown zone {told['zone']!r}")
        if len(told.get("separator", ",")) != 1:
            self.faults.append("[format]: separator must be one character")
        if told.get("header_line", 1) < 1:
            self.faults.append("[format]: header_line must be 1 or more")
        return Format(**{**told, "nulls": frozenset(map(str, told.get("nulls", ())))})

    def _watermark(self, given: Dictionary[str, Any], parts: Sequence[Part]) -> dict[str, str]:
        """The column of each table; a part that looks at other rows than its own is read whole."""
        for table, column in given.items():
            if not isinstance(column, str):
                self.faults.append(f"[watermark]: {table} must name a column, got: {column!r}")
            if parts and not any(fnmatch(table, part.file) for part in parts):
                self.faults.append(f"[watermark]: no rows come from {table}")
            for number, part in enumerate(parts, 1):
                links = [link for link in (part.join, part.without) if link]
                counted = any(origin.occurrence for origin in part.columns.values())
                if fnmatch(table, part.file) and (links or counted):
                    self.faults.append(
                        f"[watermark]: {table} can only be read whole: rows {number} joins it "
                        "with other rows or counts its ids"
                    )
                if any(link.file == table for link in links):
                    self.faults.append(
                        f"[watermark]: {table} can only be read whole: rows {number} looks it up"
                    )
        return dict(given)

    def _decimal(self, told: Dictionary[str, Any], where: str) -> None:
        if told.get("decimal", ".") not in (".", ","):
            self.faults.append(f"{where}: decimal must be '.' or ',', got: {told['decimal']!r}")

    def _part(self, given: Any, where: str) -> Part:
        told = self._checked(given, _ROWS, where)
        for needed in ("from", "into", "columns"):
            if needed not in told:
                self.faults.append(f"{where}: {needed} is missing")
        table, columns = told.get("into", ""), told.get("columns", {})
        if table in TABLES:
            kinds: dict[str, type] = {c.name: object for c in TABLES[table].columns}
            columns = self._checked(columns, kinds, f"{where} columns")
            self._required(table, columns, where)
        elif table:
            self.faults.append(f"{where}: into must be one of {', '.join(TABLES)}, got: {table}")
        if (unique := told.get("one_row_per")) is not None and unique not in columns:
            self.faults.append(f"{where}: one_row_per must be one of its columns, got: {unique}")
        return Part(
            file=told.get("from", ""),
            table=table,
            columns={name: self._origin(name, o, where) for name, o in columns.items()},
            where=self._values(told, "where"),
            unless=self._values(told, "unless"),
            filled=tuple(map(str, told.get("filled", ()))),
            nonzero=tuple(map(str, told.get("nonzero", ()))),
            one_row_per=unique,
            join=self._link(told, "join", where),
            without=self._link(told, "without", where),
        )

    def _required(self, table: str, columns: Dictionary[str, Any], where: str) -> None:
        dated = "issue_date" in columns and {"terms_days", "terms_code"} & columns.keys()
        for column in TABLES[table].columns:
            computed = column.name == "due_date" and dated
            if column.required and column.name not in columns and not computed:
                self.faults.append(f"{where}: {table} needs {column.name}")

    def _origin(self, name: str, given: Any, where: str) -> Origin:
        if isinstance(given, str):
            return Origin(column=given)
        where = f"{where} {name}"
        if not isinstance(given, dict):
            self.faults.append(f"{where}: expected a column's name or a table, got: {given!r}")
            return Origin()
        told = self._checked(given, _ORIGIN, where)
        self._decimal(told, where)
        if sum(key in told for key in ("column", "first_of", "ids", "constant")) != 1:
            self.faults.append(f"{where}: state one of column, first_of, ids, constant")
        for several in ("first_of", "ids"):
            told[several] = tuple(map(str, told.get(several, ())))
        if "constant" in told:
            told["constant"] = str(told["constant"])
        told["values"] = {key: str(value) for key, value in told.get("values", {}).items()}
        return Origin(**told)

    def _values(self, told: Dictionary[str, Any], key: str) -> dict[str, tuple[str, ...]]:
        chosen: dict[str, Any] = told.get(key, {})
        return {
            column: tuple(map(str, values)) if isinstance(values, list) else (str(values),)
            for column, values in chosen.items()
        }

    def _link(self, told: Dictionary[str, Any], key: str, where: str) -> Link | None:
        if key not in told:
            return None
        link = self._checked(told[key], _LINK, f"{where} {key}")
        if link.keys() != _LINK.keys():
            self.faults.append(f"{where}: {key} needs file, on and to")
            return None
        return Link(**link)
