"""Rows of the ledger that arrive one request at a time: checked, kept once, revised, read again.

A row is named by its natural key. Sent again unchanged it changes nothing; changed, it becomes the
next revision and the one before it stays, so that a past day is answered as it was known then.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.json as pajson
import sqlalchemy as sa

from pipelines.intake.files import Raw
from pipelines.records.database import moment, wait_turn
from pipelines.records.row_check import Checked, RowFault
from pipelines.records.tables import held_rows, ledger_rows
from pipelines.tables import TABLES

Status = Literal["accepted", "revised", "unchanged", "held"]
_BLOCK_BYTES = 1 << 24  # no row is longer: a request is smaller
_AT_ONCE = 500  # keys in one question: SQLite takes a limited number of values


@dataclass(frozen=True)
class Verdict:
    """What became of one row, in the order in which they were sent."""

    key: str | None
    status: Status
    faults: tuple[RowFault, ...] = ()


def would_put(connection: sa.Connection, table: str, rows: Sequence[Checked]) -> list[Verdict]:
    """What `put` would say of these rows; nothing is kept."""
    latest = _latest_of(connection, table, rows)
    verdicts: list[Verdict] = []
    for row in rows:
        if row.faults or row.key is None:
            verdicts.append(Verdict(row.key, "held", row.faults))
            continue
        revision, content = latest.get(row.key, (0, None))
        is_same = content == row.content
        verdicts.append(
            Verdict(row.key, "unchanged")
            if is_same
            else Verdict(row.key, "accepted" if content is None else "revised")
        )
        latest[row.key] = (revision, row.content)
    return verdicts


def _latest_of(
    connection: sa.Connection, table: str, rows: Sequence[Checked]
) -> dict[str, tuple[int, str | None]]:
    keys = [row.key for row in rows if row.key and not row.faults]
    return dict(_latest(connection, table, keys))


def put(
    connection: sa.Connection,
    table: str,
    rows: Sequence[Checked],
    *,
    at: datetime,
    source: str | None = None,
) -> list[Verdict]:
    """Keep the good rows and hold the others; of one key sent twice the last row stands.

    `source` is the one that the rows were pulled from; not given: somebody sent them in.
    """
    received_at = moment(at)
    wait_turn(connection, 7083223, about=table)
    latest = _latest_of(connection, table, rows)
    verdicts: list[Verdict] = []
    kept: list[dict[str, object]] = []
    held: list[dict[str, object]] = []
    for row in rows:
        if row.faults or row.key is None:
            held.append(_held(table, row, received_at))
            verdicts.append(Verdict(row.key, "held", row.faults))
            continue
        revision, content = latest.get(row.key, (0, None))
        if content == row.content:
            verdicts.append(Verdict(row.key, "unchanged"))
            continue
        latest[row.key] = (revision + 1, row.content)
        kept.append(
            {
                "ledger_table": table,
                "row_key": row.key,
                "revision": revision + 1,
                "received_at": received_at,
                "replaced_at": None,
                "content": row.content,
                "source": source,
            }
        )
        verdicts.append(Verdict(row.key, "accepted" if content is None else "revised"))
    _replace(connection, table, kept, received_at)
    _release(connection, table, [v.key for v in verdicts if v.key and v.status != "held"], at)
    if kept:
        connection.execute(ledger_rows.insert(), kept)
    if source is not None:  # a pull brings the same row again each time
        held = list(_not_waiting(connection, table, held))
    if held:
        connection.execute(held_rows.insert(), held)
    return verdicts


def end_absent(
    connection: sa.Connection, table: str, *, source: str, present: Collection[str], at: datetime
) -> tuple[int, int]:
    """End the rows that were pulled from this source and are not there any more.

    How many they are, and how many of this source were in force before.
    """
    query = sa.select(ledger_rows.c.row_key).where(
        ledger_rows.c.ledger_table == table,
        ledger_rows.c.source == source,
        ledger_rows.c.replaced_at.is_(None),
    )
    keys = connection.execute(query).scalars().all()
    absent = [key for key in keys if key not in present]
    _end(connection, table, absent, moment(at))
    return len(absent), len(keys)


def read_tables(connection: sa.Connection, *, as_of: date | None = None) -> dict[str, Raw]:
    """The rows in force, as raw tables for the same door that files and databases come through.

    As of a day, revisions that arrived on it or later are not known; a first revision always is,
    for a ledger is loaded once with all its past, and the row's own dates say when it happened.
    """
    found: dict[str, Raw] = {}
    for name in TABLES:
        query = sa.select(ledger_rows.c.content).where(ledger_rows.c.ledger_table == name)
        if as_of is None:
            query = query.where(ledger_rows.c.replaced_at.is_(None))
        else:
            day = as_of.isoformat()
            known = (ledger_rows.c.revision == 1) | (ledger_rows.c.received_at < day)
            standing = ledger_rows.c.replaced_at.is_(None) | (ledger_rows.c.replaced_at >= day)
            query = query.where(known & standing)
        contents = connection.execute(query.order_by(ledger_rows.c.row_key)).scalars().all()
        if contents:
            texts = _columns(name, contents)
            lines = np.arange(1, texts.num_rows + 1)
            found[name] = Raw(f"records {name}", texts, lines, typed=False, numeric=_numeric(name))
    return found


def _numeric(name: str) -> frozenset[str]:
    """Columns whose text is a number with a decimal point, whatever a mapping says of files."""
    kinds = ("amount", "number", "whole")
    return frozenset(column.name for column in TABLES[name].columns if column.kind in kinds)


def count(connection: sa.Connection) -> dict[str, int]:
    """How many rows of each table are in force."""
    query = (
        sa.select(ledger_rows.c.ledger_table, sa.func.count())
        .where(ledger_rows.c.replaced_at.is_(None))
        .group_by(ledger_rows.c.ledger_table)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def waiting(
    connection: sa.Connection, *, after: int = 0, limit: int = 100, table: str | None = None
) -> list[dict[str, object]]:
    """Rows that are held, the oldest first, from behind this id on."""
    query = sa.select(held_rows).where(held_rows.c.released_at.is_(None), held_rows.c.id > after)
    if table is not None:
        query = query.where(held_rows.c.ledger_table == table)
    found = connection.execute(query.order_by(held_rows.c.id).limit(limit)).mappings()
    return [
        {**row, "content": json.loads(row["content"]), "faults": json.loads(row["faults"])}
        for row in found
    ]


def tally(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many rows met each fate."""
    return dict(sorted(Counter(verdict.status for verdict in verdicts).items()))


def _held(table: str, row: Checked, received_at: str) -> dict[str, object]:
    return {
        "ledger_table": table,
        "row_key": row.key,
        "received_at": received_at,
        "released_at": None,
        "content": row.content,
        "faults": json.dumps([vars(fault) for fault in row.faults], ensure_ascii=False),
    }


def _not_waiting(
    connection: sa.Connection, table: str, held: Sequence[dict[str, object]]
) -> Iterator[dict[str, object]]:
    """Rows that are not held already as they are."""
    known = set()
    for part in _parts([str(row["content"]) for row in held]):
        query = sa.select(held_rows.c.content).where(
            held_rows.c.ledger_table == table,
            held_rows.c.released_at.is_(None),
            held_rows.c.content.in_(part),
        )
        known |= set(connection.execute(query).scalars())
    for row in held:
        if row["content"] not in known:
            known.add(str(row["content"]))
            yield row


def _latest(
    connection: sa.Connection, table: str, keys: Sequence[str]
) -> Iterator[tuple[str, tuple[int, str | None]]]:
    """The last revision of each key, and its content where it is in force."""
    row = ledger_rows.c
    for part in _parts(keys):
        query = sa.select(row.row_key, row.revision, row.content, row.replaced_at).where(
            row.ledger_table == table, row.row_key.in_(part)
        )
        for key, revision, content, replaced_at in connection.execute(
            query.order_by(row.row_key, row.revision)
        ):
            yield key, (revision, None if replaced_at else content)


def _replace(
    connection: sa.Connection, table: str, kept: Sequence[dict[str, object]], received_at: str
) -> None:
    """End what was in force of these keys, and within the rows themselves all but the last."""
    last = {row["row_key"]: row for row in kept}
    for row in kept:
        if row is not last[row["row_key"]]:
            row["replaced_at"] = received_at
    _end(connection, table, [str(key) for key in last], received_at)


def _end(connection: sa.Connection, table: str, keys: Sequence[str], at: str) -> None:
    for part in _parts(keys):
        connection.execute(
            ledger_rows.update()
            .where(
                ledger_rows.c.ledger_table == table,
                ledger_rows.c.replaced_at.is_(None),
                ledger_rows.c.row_key.in_(part),
            )
            .values(replaced_at=at)
        )


def _release(connection: sa.Connection, table: str, keys: Sequence[str], at: datetime) -> None:
    """A row that was held and has now come right is held no longer."""
    for part in _parts(keys):
        connection.execute(
            held_rows.update()
            .where(
                held_rows.c.ledger_table == table,
                held_rows.c.released_at.is_(None),
                held_rows.c.row_key.in_(part),
            )
            .values(released_at=moment(at))
        )


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    unique = list(dict.fromkeys(keys))
    for start in range(0, len(unique), _AT_ONCE):
        yield unique[start : start + _AT_ONCE]


def _columns(name: str, contents: Sequence[str]) -> pa.Table:
    """The rows' JSON as text columns; a column that no row fills is left out."""
    schema = pa.schema([(column.name, pa.string()) for column in TABLES[name].columns])
    lines = pa.BufferReader("\n".join(contents).encode())
    parse = pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    read = pajson.ReadOptions(block_size=_BLOCK_BYTES)
    texts = pajson.read_json(lines, read_options=read, parse_options=parse)
    filled = [c for c in texts.column_names if texts[c].null_count < texts.num_rows]
    return texts.select(filled).combine_chunks()
