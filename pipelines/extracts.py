"""What one pull of a database, or one file of a folder, brings: rows, and what to remember of it.

Nothing is written here: `pipelines/pulling.py` keeps an extract whole, or leaves it for the next
time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from pipelines.intake import databases
from pipelines.intake.databases import Since
from pipelines.intake.files import IntakeRefused, Raw, read_file
from pipelines.intake.mapped import Rows, apply, own_names
from pipelines.intake.mapping import Mapping as Plan
from pipelines.intake.mapping import Part
from pipelines.records.pulls import KnownFile
from pipelines.sources import lacking_columns, named_files
from pipelines.tables import TABLES


@dataclass(frozen=True)
class Extract:
    """Typed rows by table of the ledger, and what counts as done once they are kept."""

    rows: Mapping[str, Rows]
    marks: Mapping[str, str] = field(default_factory=dict)  # table of the source -> its watermark
    file: KnownFile | None = None
    is_whole: bool = False  # what the source does not hold any more is known


def from_database(
    url: str,
    plan: Plan,
    marks: Mapping[str, str],
    *,
    at: datetime,
    overlap: timedelta,
    whole: bool = False,
) -> Extract:
    """What changed in a database's tables since their marks; a table without one is read whole."""
    moved: dict[str, str] = {}
    raws: dict[str, Raw] = {}
    with databases.opened(url) as connection:
        wanted = _tables(plan, databases.names(connection))
        for name in wanted:
            since = None
            if column := plan.watermark.get(name):
                if mark := databases.newest(connection, name, column, at=at):
                    moved[name] = mark
                if not whole:
                    since = Since(column, marks.get(name), overlap)
            raws[name] = databases.read_table(connection, name, since)
    if plan.parts:
        parts = [
            (part, [raw for name, raw in raws.items() if fnmatch(name, part.file)])
            for part in plan.parts
        ]
    else:
        parts = [(own_names(TABLES[name], raw), [raw]) for name, raw in raws.items()]
    return Extract(_rows(parts, raws, plan), moved, is_whole=whole)


def parts_of(plan: Plan, name: str) -> list[Part]:
    """The parts of a mapping that take rows of a file; IntakeRefused where one needs two files."""
    joined = sorted({part.file for part in plan.parts if part.join or part.without})
    if joined:
        raise IntakeRefused(
            [f"{file}: rows that need a second file cannot come one by one" for file in joined]
        )
    return [part for part in plan.parts if fnmatch(PurePosixPath(name).stem, part.file)]


def table_of(name: str) -> str | None:
    """The ledger's table that a file is named after."""
    return next(iter(named_files([PurePosixPath(name)])), None)


def from_file(path: Path, plan: Plan, known: KnownFile) -> Extract:
    """The rows of one file, by a mapping or by its name; IntakeRefused where it is not to trust."""
    raw = read_file(path, plan.form)
    parts = parts_of(plan, known.name)
    if not plan.parts and (table := table_of(known.name)):
        parts = [own_names(TABLES[table], raw)]
    return Extract(_rows([(part, [raw]) for part in parts], {}, plan), file=known)


def _tables(plan: Plan, names: Sequence[str]) -> list[str]:
    """The tables to read: those that the mapping names, else those that a ledger has."""
    links = [link.file for part in plan.parts for link in (part.join, part.without) if link]
    patterns = [part.file for part in plan.parts] + links or list(TABLES)
    faults = [
        f"expected a table {pattern}, got: {', '.join(names[:30])}"
        for pattern in dict.fromkeys([*patterns, *plan.watermark] if plan.parts else plan.watermark)
        if not any(fnmatch(name, pattern) for name in names)
    ]
    found = [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
    if not found and not faults:
        faults = [f"expected tables named as in a ledger, got: {', '.join(names[:30]) or 'none'}"]
    if faults:
        raise IntakeRefused(faults)
    return found


def _rows(
    parts: Sequence[tuple[Part, Sequence[Raw]]], files: Mapping[str, Raw], plan: Plan
) -> dict[str, Rows]:
    faults = [fault for part, raws in parts for raw in raws for fault in lacking_columns(part, raw)]
    if faults:
        raise IntakeRefused(faults)
    gathered = apply(parts, files, plan.form).gathered()
    return {name: gathered[name] for name in TABLES if name in gathered}


def in_zone(plan: Plan, zone: str | None) -> Plan:
    """The mapping with moments that become days in this zone, where one is given."""
    return replace(plan, form=replace(plan.form, zone=zone or plan.form.zone))
