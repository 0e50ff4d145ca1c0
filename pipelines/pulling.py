"""Pulling a source into the records: what is new since the last pull, each row once.

    pulled = pull(settings, "postgresql://erp/books", mapping="erp.toml", at=now)

A database's tables are read from their watermark on, a folder's files once each. Rows are put by
their natural key, so that reading one again changes nothing; the watermark moves, and a file counts
as imported, in the transaction that keeps the last of its rows.
"""

import fcntl
import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import sqlalchemy as sa

from models import durable
from pipelines import extracts
from pipelines.extracts import Extract
from pipelines.intake import drops, kept_form
from pipelines.intake.cells import Format
from pipelines.intake.drops import Arrival, Folder
from pipelines.intake.files import IntakeRefused, sha256
from pipelines.intake.mapping import Mapping, load
from pipelines.records import audit, ledger_rows, pulls
from pipelines.records.audit import Writer
from pipelines.records.database import Database, open_database
from pipelines.records.pulls import KnownFile
from pipelines.settings import Settings

ROWS_AT_ONCE = 5_000  # in one transaction: others who write wait no longer than that
FATES = ("accepted", "revised", "unchanged", "held", "removed")


@dataclass(frozen=True)
class FileFate:
    """What became of a file: imported, already_imported, waiting, refused or not_ours."""

    name: str
    status: str
    why: str = ""


@dataclass
class Pulled:
    """What a pull did: rows of each table by their fate, and each file's."""

    source: str
    tables: dict[str, Counter[str]] = field(default_factory=dict)
    files: list[FileFate] = field(default_factory=list)

    def rows(self) -> list[dict[str, object]]:
        """One line for each table of the ledger."""
        return [
            {"table": name, "pulled": tally["pulled"], **{fate: tally[fate] for fate in FATES}}
            for name, tally in self.tables.items()
        ]

    def raise_if_refused(self) -> None:
        """IntakeRefused with every file that could not be understood; the others are in."""
        if refused := [file.why for file in self.files if file.status == "refused"]:
            raise IntakeRefused(refused)


def for_night(settings: Settings, *, at: datetime) -> Pulled | None:
    """The pull that a night begins with, where one is set; IntakeRefused when it is not whole."""
    if settings.pull_from is None:
        return None
    pulled = pull(settings, settings.pull_from, mapping=settings.mapping, at=at)
    pulled.raise_if_refused()
    return pulled


def would_bring(settings: Settings, *, at: datetime) -> Pulled | None:
    """What a night's pull would bring; no row is kept, no watermark moves, no file is imported."""
    if settings.pull_from is None:
        return None
    plan = _plan(settings, settings.mapping)
    address, is_folder = _address(settings.pull_from)
    is_new = settings.database_url is None and not settings.records_file.exists()
    with TemporaryDirectory(prefix="puntuale-") as empty:
        url = f"sqlite:///{Path(empty) / 'records.db'}" if is_new else settings.records_url
        with closing(open_database(url)) as database:
            pulled = Pulled(_shown(address, is_folder))
            one = _Rehearsed(settings, plan, database, pulled, at, whole=False)
            one.folder(address) if is_folder else one.database_at(address)
    return pulled


def pull(
    settings: Settings, source: str, *, mapping: str | None, at: datetime, whole: bool = False
) -> Pulled:
    """Bring what is new in a database or a folder into the records; again changes nothing.

    `whole` reads a database's tables from the beginning and ends the rows that it no longer has;
    of a folder it imports every file again. One pull at a time runs on an installation.
    """
    plan = _plan(settings, mapping)
    address, is_folder = _address(source)
    with _alone(settings):
        database = open_database(settings.records_url)
        try:
            one = _Pull(settings, plan, database, Pulled(_shown(address, is_folder)), at, whole)
            one.folder(address) if is_folder else one.database_at(address)
        finally:
            database.close()
    return one.pulled


def _plan(settings: Settings, mapping: str | None) -> Mapping:
    plan = load(mapping) if mapping is not None else Mapping("", Format(), None, ())
    return extracts.in_zone(plan, settings.zone if "zone" in settings.model_fields_set else None)


@dataclass(frozen=True)
class _Pull:
    """One pull under way."""

    settings: Settings
    plan: Mapping
    database: Database
    pulled: Pulled
    at: datetime
    whole: bool

    @property
    def mark(self) -> str:
        """A short name of the source in the records."""
        return hashlib.sha256(self.pulled.source.encode()).hexdigest()[:12]

    def database_at(self, url: str) -> None:
        with self.database.reading() as connection:
            marks = pulls.marks(connection, self.mark)
        overlap = timedelta(hours=self.settings.pull_overlap_hours)
        self.keep(
            extracts.from_database(
                url, self.plan, marks, at=self.at, overlap=overlap, whole=self.whole
            )
        )

    def folder(self, address: str) -> None:
        folder = Folder(address, s3_endpoint=self.settings.s3_endpoint)
        with self.database.reading() as connection:
            known = pulls.files(connection, self.mark)
        for arrival in folder.arrivals():
            try:
                status, why = self._file(folder, arrival, known)
            except IntakeRefused as refused:
                status, why = "refused", str(refused)
            self.pulled.files.append(FileFate(arrival.name, status, why))

    def _file(
        self, folder: Folder, arrival: Arrival, known: dict[str, KnownFile]
    ) -> tuple[str, str]:
        """What becomes of one file, and why it is not imported."""
        ours = extracts.parts_of(self.plan, arrival.name)
        if not ours and (self.plan.parts or not extracts.table_of(arrival.name)):
            return "not_ours", "no table and no mapping is named so"
        before, modified = known.get(arrival.name), arrival.modified.isoformat()
        is_as_before = before and (before.size, before.modified) == (arrival.size, modified)
        if is_as_before and not self.whole:
            return "already_imported", ""
        if why := drops.why_wait(arrival, at=self.at):
            return "waiting", why
        with TemporaryDirectory(prefix="puntuale-") as place:
            path = folder.fetch(arrival, Path(place))
            if why := drops.why_unfinished(path, encoding=self.plan.form.encoding):
                return "waiting", why
            file = KnownFile(arrival.name, arrival.size, modified, sha256(path))
            was_read = any(file.sha256 == other.sha256 for other in known.values())
            if was_read and not self.whole:
                self.keep(Extract({}, file=file))
                return "already_imported", ""
            self.keep(extracts.from_file(path, self.plan, file))
            known[file.name] = file
        return "imported", ""

    def keep(self, extract: Extract) -> None:
        """Put all rows, some thousands in a transaction; the last one says that they are in."""
        tallies = {name: Counter[str]() for name in extract.rows}
        present: dict[str, set[str]] = {name: set() for name in extract.rows}
        *earlier, last = _transactions(extract)
        for pieces in (*earlier, last):
            with self.database.writing() as connection:
                for name, start, stop in pieces:
                    rows = extract.rows[name].take(np.arange(start, stop))
                    checked = kept_form.checked(name, rows)
                    if extract.is_whole:
                        present[name] |= {row.key for row in checked if row.key}
                    verdicts = ledger_rows.put(
                        connection, name, checked, at=self.at, source=self.mark
                    )
                    tallies[name].update(ledger_rows.tally(verdicts), pulled=stop - start)
                if pieces is last:
                    self._finish(connection, extract, tallies, present)
        for name, tally in tallies.items():
            self.pulled.tables.setdefault(name, Counter()).update(tally)

    def _finish(
        self,
        connection: sa.Connection,
        extract: Extract,
        tallies: dict[str, Counter[str]],
        present: dict[str, set[str]],
    ) -> None:
        if extract.is_whole:
            for name, keys in present.items():
                tallies[name]["removed"] = self._end_absent(connection, name, keys)
        pulls.move(connection, self.mark, dict(extract.marks), at=self.at)
        if extract.file is not None:
            pulls.note_file(connection, self.mark, extract.file, at=self.at)
        for name, tally in tallies.items():
            if tally["pulled"] > tally["unchanged"] or tally["removed"]:
                audit.note(
                    connection,
                    Writer("pull", self.at),
                    "ledger rows",
                    name,
                    dict(sorted(tally.items())),
                )

    def _end_absent(self, connection: sa.Connection, name: str, present: set[str]) -> int:
        ended, before = ledger_rows.end_absent(
            connection, name, source=self.mark, present=present, at=self.at
        )
        if ended > self.settings.rows_change_max * before:
            advice = "if it is right, set PUNTUALE_ROWS_CHANGE_MAX higher for this pull"
            why = (
                f"{ended:,} of {before:,} rows are not in the source any more: it looks incomplete"
            )
            raise IntakeRefused([f"{name}: {why}; {advice}"])
        return ended


class _Rehearsed(_Pull):
    """A pull that only looks."""

    def keep(self, extract: Extract) -> None:
        with self.database.reading() as connection:
            for name, rows in extract.rows.items():
                verdicts = ledger_rows.would_put(connection, name, kept_form.checked(name, rows))
                tally = ledger_rows.tally(verdicts)
                tally["pulled"] = rows.table.num_rows
                self.pulled.tables.setdefault(name, Counter()).update(tally)


def _transactions(extract: Extract) -> list[list[tuple[str, int, int]]]:
    """Which rows of which tables are put together: some thousands at once, at least one group."""
    groups: list[list[tuple[str, int, int]]] = [[]]
    room = ROWS_AT_ONCE
    for name, rows in extract.rows.items():
        start, count = 0, rows.table.num_rows
        while start < count:
            if not room:
                groups.append([])
                room = ROWS_AT_ONCE
            stop = min(count, start + room)
            groups[-1].append((name, start, stop))
            room -= stop - start
            start = stop
    return groups


def _address(source: str) -> tuple[str, bool]:
    """The source's address, and whether files are there; a path is a folder on this machine."""
    if "://" not in source:
        return str(Path(source).resolve()), True
    return source, source.partition("://")[0] in drops.SCHEMES


def _shown(address: str, is_folder: bool) -> str:
    """The address without its password."""
    if is_folder:
        return address
    try:
        return sa.make_url(address).set(password=None).render_as_string()
    except sa.exc.ArgumentError as error:
        raise IntakeRefused([f"not a database address that can be used: {error}"]) from error


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Wait until no other pull runs here; what was read first must not be kept last."""
    durable.make(settings.home)
    with (settings.home / "pull.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed, or the process ends
        yield
