"""The audit log: every write with who, what and when, each line sealed with the one before it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pipelines.records.database import moment, wait_turn
from pipelines.records.tables import audit

FIRST = "0" * 64  # what the first line is sealed with


@dataclass(frozen=True)
class Writer:
    """Who writes, at which moment, answering which request."""

    name: str
    at: datetime
    request_id: str | None = None


def note(
    connection: sa.Connection,
    writer: Writer,
    what: str,
    subject: str,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Add a line in the transaction of the write itself: both are kept, or neither.

    `detail` must hold no personal data: counts, codes and ids only.
    """
    wait_turn(connection, 7083221)  # lines are sealed one after the other
    last = connection.execute(
        sa.select(audit.c.digest).order_by(audit.c.id.desc()).limit(1)
    ).scalar_one_or_none()
    line = {
        "at": moment(writer.at),
        "who": writer.name,
        "what": what,
        "subject": subject,
        "request_id": writer.request_id,
        "detail": json.dumps(dict(detail or {}), sort_keys=True, ensure_ascii=False),
    }
    connection.execute(audit.insert().values(**line, digest=_seal(last or FIRST, line)))


def first_broken(connection: sa.Connection) -> int | None:
    """The id of the first line that is not as it was written, None where all are."""
    last = FIRST
    for row in connection.execute(sa.select(audit).order_by(audit.c.id)).mappings():
        line = {name: row[name] for name in row if name not in ("id", "digest")}
        last = _seal(last, line)
        if last != row["digest"]:
            return int(row["id"])
    return None


def _seal(last: str, line: Mapping[str, object]) -> str:
    text = json.dumps([last, line], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
