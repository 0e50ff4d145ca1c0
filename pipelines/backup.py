"""Back-ups: the home folder as it is at one moment, hashed, and put back only if it is whole.

SQLite files are copied by SQLite itself while they are in use, and checked; all else below the home
is written once and never changed, or replaced whole. The store is held meanwhile, so that no night
is half in. A PostgreSQL database is no file of the home: `pg_dump` backs it up.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from models import durable
from pipelines.settings import Settings
from pipelines.snapshot import sha256
from pipelines.store import ScoreStore

MANIFEST = "backup.json"
_DATABASE = ".db"
_BESIDE = ("-wal", "-shm", "-journal")  # SQLite's own, part of the copy that it makes
_NOT_KEPT = ("prefect", "numba")  # they come again by themselves


class BackupDamaged(ValueError):  # noqa: N818 - the name says what happened
    """A back-up whose files are not what its manifest says, or a database that is damaged."""


def back_up(settings: Settings, to: Path, *, at: datetime, keep: int) -> Path:
    """A new back-up below `to`, a folder named by the moment; only the last `keep` stay.

    Raises BackupDamaged, and leaves the back-ups before in place, where a database is damaged.
    """
    home = settings.home.resolve()
    if to.resolve().is_relative_to(home):
        raise ValueError(f"a back-up must lie outside the home folder {home}, got: {to}")
    made = to / at.astimezone(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    with ScoreStore(settings.scores_folder).writing(), durable.folder(made) as aside:
        for path in _kept(home):
            copy = aside / path.relative_to(home)
            copy.parent.mkdir(parents=True, exist_ok=True)
            _copy_database(path, copy) if path.suffix == _DATABASE else shutil.copyfile(path, copy)
        files = {str(path.relative_to(aside)): sha256(path) for path in _files(aside)}
        (aside / MANIFEST).write_text(json.dumps(files, indent=1, sort_keys=True) + "\n")
    for old in sorted(path for path in to.glob("????-??-??T??????Z") if path.is_dir())[:-keep]:
        durable.remove(old)
    return made


def restore(settings: Settings, backup: Path, *, at: datetime) -> Path | None:
    """Put a back-up in the home's place; where the home was moved to, None where there was none.

    Raises BackupDamaged, and changes nothing, where the back-up is not as it was written.
    """
    files = check(backup)
    home, before = settings.home.resolve(), None
    with durable.aside(home.parent) as aside:
        for name in files:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(backup / name, aside / name)
        if home.exists():
            before = home.with_name(f"{home.name}.before-{at.strftime('%Y%m%dT%H%M%S')}")
            home.rename(before)
        durable.place(aside, home)
    return before


def check(backup: Path) -> dict[str, str]:
    """The hashes of a back-up's files, which are all there and unchanged; else BackupDamaged."""
    try:
        files: dict[str, str] = json.loads((backup / MANIFEST).read_bytes())
        present = {str(path.relative_to(backup)) for path in _files(backup)} - {MANIFEST}
        wrong = sorted(present ^ files.keys()) or [
            name for name, digest in files.items() if sha256(backup / name) != digest
        ]
    except (OSError, ValueError, AttributeError) as fault:
        raise BackupDamaged(f"back-up {backup}: cannot be read, {fault}") from fault
    if wrong:
        raise BackupDamaged(f"back-up {backup}: not as it was written: {', '.join(wrong[:5])}")
    return files


def _kept(home: Path) -> Iterator[Path]:
    for path in _files(home):
        first = path.relative_to(home).parts[0]
        if first not in _NOT_KEPT and not path.name.endswith((*_BESIDE, durable.TEMPORARY)):
            yield path


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _copy_database(path: Path, copy: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as ours, closing(sqlite3.connect(copy)) as theirs:
            ours.backup(theirs)
            found = theirs.execute("PRAGMA integrity_check(5)").fetchall()
    except sqlite3.DatabaseError as fault:
        raise BackupDamaged(f"{path.name} is damaged: {fault}; restore the last back-up") from fault
    if found != [("ok",)]:
        told = "; ".join(row[0] for row in found)
        raise BackupDamaged(f"{path.name} is damaged: {told}; restore the last back-up")
