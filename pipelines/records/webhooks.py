"""Webhooks: who wants to be told of what, and the messages that wait to be delivered.

A message is queued in the transaction of what it tells, so it is told if and only if that was kept;
it is delivered at least once. Headers and signature are those of Standard Webhooks, for which
there are libraries in every language: the receiver knows a message again by its id.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipelines.records import audit
from pipelines.records.audit import Writer
from pipelines.records.database import moment
from pipelines.records.tables import deliveries, webhooks

EVENTS = ("alert.raised", "night.failed", "scores.published")
SECRET_PREFIX = "whsec_"
FIRST_WAIT = timedelta(seconds=30)  # before the second attempt; each wait doubles the one before
LONGEST_WAIT = timedelta(hours=12)
GIVEN_UP_AFTER = timedelta(days=3)  # a receiver that is away for a week-end misses nothing
LEASE = timedelta(minutes=2)  # a message whose sender died is taken up again after it
KEPT = timedelta(days=30)  # delivered or given up, a message can be looked up so long
MAX_WEBHOOKS = 50  # each costs a message of every event


class TooManyWebhooks(ValueError):  # noqa: N818 - the name says what happened
    """As many webhooks as there may be are there already."""


@dataclass(frozen=True)
class Due:
    """A message that is to be delivered now, taken by one sender alone."""

    id: int
    event_id: str
    url: str
    secret: str
    body: str
    attempts: int


def make(
    connection: sa.Connection, url: str, *, events: Collection[str], writer: Writer
) -> tuple[dict[str, Any], str]:
    """A new webhook, and its secret, which is shown this once."""
    if not events or not set(events) <= set(EVENTS):
        raise ValueError(f"events must be some of {', '.join(EVENTS)}")
    counted = sa.select(sa.func.count()).where(webhooks.c.disabled_at.is_(None))
    if connection.execute(counted).scalar_one() >= MAX_WEBHOOKS:
        raise TooManyWebhooks(f"there may be {MAX_WEBHOOKS} webhooks at most")
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    row = {
        "webhook_id": secrets.token_hex(8),
        "url": url,
        "secret": secret,
        "events": " ".join(sorted(set(events))),
        "made_at": moment(writer.at),
    }
    connection.execute(webhooks.insert().values(**row))
    audit.note(
        connection, writer, "webhook made", row["webhook_id"], {"events": sorted(set(events))}
    )
    return _told(row), secret


def remove(connection: sa.Connection, webhook_id: str, *, writer: Writer) -> None:
    """End a webhook and what waits for it; LookupError where none of this id is in force."""
    at = moment(writer.at)
    ended = connection.execute(
        webhooks.update()
        .where(webhooks.c.webhook_id == webhook_id, webhooks.c.disabled_at.is_(None))
        .values(disabled_at=at, secret="")
    )
    if not ended.rowcount:
        raise LookupError("no webhook has this id")
    connection.execute(
        deliveries.update()
        .where(deliveries.c.webhook_id == webhook_id, deliveries.c.next_at.is_not(None))
        .values(next_at=None, dead_at=at, last_answer="the webhook was removed")
    )
    audit.note(connection, writer, "webhook removed", webhook_id)


def in_force(connection: sa.Connection) -> list[dict[str, Any]]:
    """Every webhook that was not removed, the oldest first, with what became of its messages."""
    of = deliveries.c
    any_ = deliveries.alias("any_delivery").c
    last = sa.select(any_.last_answer).where(any_.webhook_id == webhooks.c.webhook_id)
    last = last.where(any_.last_answer.is_not(None)).order_by(any_.id.desc()).limit(1)
    asked = (
        sa.select(
            webhooks,
            sa.func.count(of.next_at).label("waiting"),
            sa.func.count(of.delivered_at).label("delivered"),
            sa.func.count(of.dead_at).label("given_up"),
            last.scalar_subquery().label("last_answer"),
        )
        .outerjoin(deliveries, of.webhook_id == webhooks.c.webhook_id)
        .where(webhooks.c.disabled_at.is_(None))
        .group_by(*webhooks.c)
        .order_by(webhooks.c.made_at, webhooks.c.webhook_id)
    )
    return [_told(row) for row in connection.execute(asked).mappings()]


def queue(
    connection: sa.Connection, event: str, about: str, data: Mapping[str, Any], *, at: datetime
) -> int:
    """Queue a message for every webhook that wants it, once for what it is about; how many."""
    event_id = "msg_" + hashlib.sha256(f"{event} {about}".encode()).hexdigest()[:32]
    content = {"type": event, "timestamp": moment(at), "data": dict(data)}
    body = json.dumps(content, ensure_ascii=False, allow_nan=False)
    wanting = sa.select(webhooks.c.webhook_id, webhooks.c.events).where(
        webhooks.c.disabled_at.is_(None)
    )
    known = sa.select(deliveries.c.webhook_id).where(deliveries.c.event_id == event_id)
    told = set(connection.execute(known).scalars())
    rows = [
        {
            "webhook_id": webhook_id,
            "event_id": event_id,
            "body": body,
            "made_at": moment(at),
            "attempts": 0,
            "next_at": moment(at),
        }
        for webhook_id, events in connection.execute(wanting)
        if event in events.split() and webhook_id not in told
    ]
    if rows:
        connection.execute(deliveries.insert(), rows)
    return len(rows)


def let_go(connection: sa.Connection, *, at: datetime) -> None:
    """Forget the messages of which nothing has been to do for a month."""
    ended = sa.func.coalesce(deliveries.c.delivered_at, deliveries.c.dead_at)
    connection.execute(deliveries.delete().where(ended < moment(at - KEPT)))


def is_any_due(connection: sa.Connection, *, at: datetime) -> bool:
    """Whether `take` would give anything; a look, which holds nobody up."""
    waiting = sa.select(deliveries.c.id).where(deliveries.c.next_at <= moment(at)).limit(1)
    return connection.execute(waiting).first() is not None


def take(connection: sa.Connection, *, at: datetime, limit: int) -> list[Due]:
    """The messages that are due, the oldest first; nobody else gets them while the lease lasts."""
    of = deliveries.c
    asked = (
        sa.select(of.id, of.event_id, of.body, of.attempts, webhooks.c.url, webhooks.c.secret)
        .join(webhooks, webhooks.c.webhook_id == of.webhook_id)
        .where(of.next_at <= moment(at))
        .order_by(of.next_at, of.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=deliveries)
    )
    due = [Due(**row) for row in connection.execute(asked).mappings()]
    if due:
        leased = deliveries.update().where(of.id.in_([one.id for one in due]))
        connection.execute(leased.values(next_at=moment(at + LEASE), attempts=of.attempts + 1))
    return due


def delivered(connection: sa.Connection, due: Due, answer: str, *, at: datetime) -> None:
    """The receiver took the message."""
    _close(connection, due, last_answer=answer, next_at=None, delivered_at=moment(at))


def failed(connection: sa.Connection, due: Due, why: str, *, at: datetime) -> None:
    """The receiver did not take it: again after a while, and after three days never."""
    made = connection.execute(
        sa.select(deliveries.c.made_at).where(deliveries.c.id == due.id)
    ).scalar_one()
    again = at + min(FIRST_WAIT * 2 ** min(due.attempts, 20), LONGEST_WAIT)
    if again > datetime.fromisoformat(made) + GIVEN_UP_AFTER:
        _close(connection, due, last_answer=why, next_at=None, dead_at=moment(at))
    else:
        _close(connection, due, last_answer=why, next_at=moment(again))


def signature(secret: str, event_id: str, *, at: datetime, body: str) -> dict[str, str]:
    """The headers that let a receiver know who wrote a message, and when."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    seconds = str(int(at.timestamp()))
    signed = hmac.new(key, f"{event_id}.{seconds}.{body}".encode(), hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def _close(connection: sa.Connection, due: Due, **values: object) -> None:
    """Note what became of a message, unless its webhook was removed meanwhile."""
    waits = deliveries.c.next_at.is_not(None)
    connection.execute(deliveries.update().where(deliveries.c.id == due.id, waits).values(**values))


def _told(row: sa.RowMapping | Mapping[str, Any]) -> dict[str, Any]:
    """A webhook without its secret."""
    counts: Sequence[str] = ("waiting", "delivered", "given_up")
    return {
        "id": row["webhook_id"],
        "url": row["url"],
        "events": row["events"].split(),
        "made_at": row["made_at"],
        **{name: row.get(name, 0) for name in counts},
        "last_answer": row.get("last_answer"),
    }
