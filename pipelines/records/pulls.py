"""What pulls remember of a source: how far each table was read, and which files were imported."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipelines.records.database import moment
from pipelines.records.tables import pulled_files, watermarks


@dataclass(frozen=True)
class KnownFile:
    """A file as it was when it was imported; `modified` is as the store of files tells it."""

    name: str
    size: int
    modified: str
    sha256: str


def marks(connection: sa.Connection, source: str) -> dict[str, str]:
    """How far each table of the source was pulled."""
    query = sa.select(watermarks.c.source_table, watermarks.c.watermark).where(
        watermarks.c.source == source
    )
    return {name: mark for name, mark in connection.execute(query)}  # noqa: C416 - rows are typed


def move(connection: sa.Connection, source: str, moved: dict[str, str], *, at: datetime) -> None:
    """Move the watermarks of these tables, in the transaction that keeps their last rows."""
    for name, mark in moved.items():
        ours = (watermarks.c.source == source) & (watermarks.c.source_table == name)
        connection.execute(watermarks.delete().where(ours))
        row = {"source": source, "source_table": name, "watermark": mark, "moved_at": moment(at)}
        connection.execute(watermarks.insert(), row)


def files(connection: sa.Connection, source: str) -> dict[str, KnownFile]:
    """The files of the source that were imported, by name."""
    kept = pulled_files.c
    query = sa.select(kept.name, kept.size, kept.modified, kept.sha256).where(kept.source == source)
    return {row.name: KnownFile(*row) for row in connection.execute(query)}


def note_file(connection: sa.Connection, source: str, file: KnownFile, *, at: datetime) -> None:
    """Remember a file, in the transaction that keeps its last rows."""
    ours = (pulled_files.c.source == source) & (pulled_files.c.name == file.name)
    connection.execute(pulled_files.delete().where(ours))
    row = {"source": source, "imported_at": moment(at), **vars(file)}
    connection.execute(pulled_files.insert(), row)
