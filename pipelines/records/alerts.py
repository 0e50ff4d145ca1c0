"""Alerts: warnings that are new since the night before, and what a person said of each.

A warning of a night is one alert for each code, customer, invoice and day on which it began. Where
a rule cannot tell that day, the warning is the same alert as long as it stands from night to night.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pipelines.records import audit, webhooks
from pipelines.records.audit import Writer
from pipelines.records.database import RecordsAway, RecordsDamaged, moment, open_database, wait_turn
from pipelines.records.tables import alerts
from pipelines.snapshot import Snapshot

logger = logging.getLogger(__name__)

State = Literal["open", "acknowledged", "snoozed"]
NIGHT = "nightly"  # who raises alerts, in the audit log
PER_MESSAGE = 100  # alerts in one webhook's message: a first night may have thousands
_OF_ONE_INVOICE = frozenset({"broken_promise", "first_late", "prolonged_overdue"})
_SEVERITY = {"low": 0, "medium": 1, "high": 2}
_AT_ONCE = 500  # rows in one statement: SQLite takes a limited number of values

Name = tuple[str, str, str]  # code, customer, invoice ("" where it is about the customer)


@dataclass(frozen=True)
class Warned:
    """A warning of a night, with what stands behind it."""

    name: Name
    since: date | None
    severity: str
    value_cents: int
    facts: Mapping[str, Any]


def of_night(url: str, snapshot: Snapshot, *, at: datetime) -> list[int] | None:
    """Raise a published night's new alerts; None, and a line in the log, where records are away.

    A night is worth more than its alerts: they are raised when it is run again, or with the next.
    """
    try:
        with closing(open_database(url)) as database, database.writing() as connection:
            return raise_new(connection, snapshot, at=at)
    except (RecordsAway, RecordsDamaged, sa.exc.DatabaseError) as fault:
        logger.error("no alerts were raised for %s: %s", snapshot.name, fault)
        return None


def raise_new(connection: sa.Connection, snapshot: Snapshot, *, at: datetime) -> list[int]:
    """Raise an alert for each warning of the night that is none yet; the ids of the new ones.

    In the same transaction the webhooks' messages are queued. The same night again raises nothing.
    """
    wait_turn(connection, 7083224)  # of two nights at once the second waits
    as_of = snapshot.as_of.isoformat()
    new, seen = _parted(connection, standing_in(snapshot.scores()), as_of)
    _see(connection, seen, as_of)
    ids = _insert(connection, new, as_of=as_of, at=at)
    writer = Writer(NIGHT, at)
    if ids:
        audit.note(connection, writer, "alerts raised", as_of, {"alerts": len(ids)})
    _queue(connection, snapshot, ids, at)
    return ids


def would_raise(url: str, scores: pa.Table, *, as_of: date) -> list[Warned]:
    """The warnings of a night that would be new alerts; nothing is raised."""
    standing = standing_in(scores)
    file = sa.make_url(url).database
    if url.startswith("sqlite") and not Path(file or "").exists():
        return standing
    with closing(open_database(url)) as database, database.reading() as connection:
        return _parted(connection, standing, as_of.isoformat())[0]


def raised_on(url: str, as_of: date) -> list[dict[str, Any]]:
    """The alerts that a day's night raised, the most value first, whatever was said of them."""
    order = (alerts.c.value_cents.desc(), alerts.c.id)
    asked = sa.select(alerts).where(alerts.c.as_of == as_of.isoformat()).order_by(*order)
    with closing(open_database(url)) as database, database.reading() as connection:
        return [_told(row) for row in connection.execute(asked).mappings()]


def _parted(
    connection: sa.Connection, standing: Sequence[Warned], as_of: str
) -> tuple[list[Warned], list[int]]:
    """The warnings that are no alert yet, and the ids of the alerts that the others are."""
    known = _known(connection)
    before = connection.execute(
        sa.select(sa.func.max(alerts.c.last_seen)).where(alerts.c.last_seen < as_of)
    ).scalar_one()
    new: list[Warned] = []
    seen: list[int] = []
    for warned in standing:
        same = _same(warned, known.get(warned.name, {}), before)
        if same is None:
            new.append(warned)
        else:
            seen.append(same)
    return new, seen


def standing_in(scores: pa.Table) -> list[Warned]:
    """The warnings of a night, the most value at risk first.

    One that is about a customer stands on each of its invoices: it is one, with their sums.
    """
    if not scores.num_rows:
        return []
    columns = ["invoice_id", "customer_id", "open_cents", "value_at_risk_cents", "signals"]
    carriers = scores.select(columns).filter(pc.greater(pc.list_value_length(scores["signals"]), 0))
    found: dict[Name, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for row in carriers.to_pylist():
        for signal in row["signals"]:
            invoice = row["invoice_id"] if signal["code"] in _OF_ONE_INVOICE else ""
            name = (signal["code"], row["customer_id"], invoice)
            found.setdefault(name, []).append((row, signal))
    warned = [_warned(name, rows) for name, rows in found.items()]
    return sorted(warned, key=lambda one: (-one.value_cents, one.name))


def _warned(name: Name, rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> Warned:
    worst = max((signal for _, signal in rows), key=lambda s: _SEVERITY.get(s["severity"], 0))
    began = [signal["since"] for _, signal in rows if signal["since"] is not None]
    return Warned(
        name,
        min(began, default=None),
        worst["severity"],
        sum(row["value_at_risk_cents"] for row, _ in rows),
        {
            "before": _number(worst["before"]),
            "now": _number(worst["now"]),
            "invoices": len(rows),
            "open_cents": sum(row["open_cents"] for row, _ in rows),
        },
    )


def _number(value: float | None) -> float | None:
    """The figure, None for one that is missing: JSON has no NaN."""
    return value if value is not None and value == value else None


def _known(connection: sa.Connection) -> dict[Name, dict[str, tuple[int, str | None]]]:
    """Each alert there is, by name and by the day on which it began."""
    found: dict[Name, dict[str, tuple[int, str | None]]] = {}
    columns = (alerts.c.code, alerts.c.customer_id, alerts.c.invoice_id, alerts.c.since)
    for code, customer, invoice, since, id_, last in connection.execute(
        sa.select(*columns, alerts.c.id, alerts.c.last_seen)
    ):
        found.setdefault((code, customer, invoice), {})[since] = (id_, last)
    return found


def _same(
    warned: Warned, known: Mapping[str, tuple[int, str | None]], before: str | None
) -> int | None:
    """The alert that the warning is already; None for a new one."""
    if warned.since is not None:
        same = known.get(warned.since.isoformat())
        return None if same is None else same[0]
    going_on = [id_ for id_, last in known.values() if last and (before is None or last >= before)]
    return max(going_on, default=None)


def _see(connection: sa.Connection, ids: Sequence[int], as_of: str) -> None:
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        older = sa.or_(alerts.c.last_seen.is_(None), alerts.c.last_seen < as_of)
        connection.execute(
            alerts.update().where(alerts.c.id.in_(part), older).values(last_seen=as_of)
        )


def _insert(
    connection: sa.Connection, new: Sequence[Warned], *, as_of: str, at: datetime
) -> list[int]:
    """Keep the new alerts in their order, so that of equal values the first has the lower id."""
    rows = [
        {
            "as_of": as_of,
            "customer_id": warned.name[1],
            "invoice_id": warned.name[2],
            "code": warned.name[0],
            "since": warned.since.isoformat() if warned.since else as_of,
            "severity": warned.severity,
            "value_cents": warned.value_cents,
            "facts": json.dumps(dict(warned.facts), sort_keys=True, allow_nan=False),
            "state": "open",
            "changed_at": moment(at),
            "last_seen": as_of,
        }
        for warned in new
    ]
    kept = alerts.insert().returning(alerts.c.id, sort_by_parameter_order=True)
    ids: list[int] = []
    for start in range(0, len(rows), _AT_ONCE):
        ids += connection.execute(kept, rows[start : start + _AT_ONCE]).scalars()
    return ids


def _queue(connection: sa.Connection, snapshot: Snapshot, ids: Sequence[int], at: datetime) -> None:
    """The messages of the night: its scores are there, and its alerts, the most worth first."""
    as_of = snapshot.as_of.isoformat()
    about = {"as_of": as_of, "model_version": snapshot.model_version, "invoices": snapshot.rows}
    webhooks.let_go(connection, at=at)
    webhooks.queue(connection, "scores.published", snapshot.name, about, at=at)
    for start in range(0, len(ids), PER_MESSAGE):
        part = ids[start : start + PER_MESSAGE]
        told = [_message(row) for row in _rows(connection, part)]
        body = {"as_of": as_of, "alerts": told}
        webhooks.queue(connection, "alert.raised", f"{as_of} {part[0]}", body, at=at)


def _rows(connection: sa.Connection, ids: Sequence[int]) -> Iterator[Mapping[str, Any]]:
    order = (alerts.c.value_cents.desc(), alerts.c.id)
    found = connection.execute(sa.select(alerts).where(alerts.c.id.in_(ids)).order_by(*order))
    return (_told(row) for row in found.mappings())


def _message(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "code", "severity", "customer_id", "invoice_id", "since", "value_cents")
    return {name: row[name] for name in names} | {"facts": row["facts"]}


def page(
    connection: sa.Connection,
    *,
    today: date,
    limit: int,
    after: tuple[int, int] | None = None,
    state: State | None = None,
    code: str | None = None,
    customer_id: str | None = None,
) -> list[dict[str, Any]]:
    """Alerts under the filters, the most value first; `after` is the value and id of the last one.

    One that was put off until today or before is open again.
    """
    asked = sa.select(alerts).order_by(alerts.c.value_cents.desc(), alerts.c.id).limit(limit)
    back = sa.and_(alerts.c.state == "snoozed", alerts.c.until <= today.isoformat())
    if state == "open":
        asked = asked.where(sa.or_(alerts.c.state == "open", back))
    elif state is not None:
        asked = asked.where(alerts.c.state == state, sa.not_(back))
    for column, wanted in ((alerts.c.code, code), (alerts.c.customer_id, customer_id)):
        if wanted is not None:
            asked = asked.where(column == wanted)
    if after is not None:
        value, id_ = after
        later = sa.and_(alerts.c.value_cents == value, alerts.c.id > id_)
        asked = asked.where(sa.or_(alerts.c.value_cents < value, later))
    return [_told(row, today) for row in connection.execute(asked).mappings()]


def change(
    connection: sa.Connection,
    alert_id: int,
    *,
    state: State,
    writer: Writer,
    today: date,
    until: date | None = None,
) -> dict[str, Any]:
    """What a person says of an alert; LookupError where there is none of this id."""
    found = connection.execute(
        alerts.update()
        .where(alerts.c.id == alert_id)
        .values(
            state=state,
            until=until.isoformat() if until else None,
            changed_at=moment(writer.at),
            changed_by=writer.name,
        )
        .returning(alerts)
    ).mappings()
    row = found.one_or_none()
    if row is None:
        raise LookupError(f"no alert has the id {alert_id}")
    detail = {"state": state} | ({"until": until.isoformat()} if until else {})
    audit.note(connection, writer, "alert", str(alert_id), detail)
    return _told(row, today)


def _told(row: sa.RowMapping | Mapping[str, Any], today: date | None = None) -> dict[str, Any]:
    told = {**row, "facts": json.loads(row["facts"]), "invoice_id": row["invoice_id"] or None}
    if today and row["state"] == "snoozed" and row["until"] <= today.isoformat():
        told |= {"state": "open", "until": None}
    return told
