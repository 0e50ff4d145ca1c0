"""Idempotency: a request sent again with the same key is answered as the first time, done once."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from pipelines.records.database import moment, wait_turn
from pipelines.records.tables import replies

KEPT = timedelta(days=7)  # who has not tried again by then will not


class KeyReused(ValueError):  # noqa: N818 - the name says what happened
    """The idempotency key was used before, for another request."""


@dataclass(frozen=True)
class Reply:
    """What a request was answered."""

    status: int
    body: str


@dataclass(frozen=True)
class Asked:
    """A request that may come again: who asks, the key it names, and what it says."""

    owner: str
    key: str
    digest: str

    @classmethod
    def of(cls, owner: str, key: str, *content: bytes) -> "Asked":
        whole = hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in content))
        return cls(owner, key, whole.hexdigest())


def given(connection: sa.Connection, asked: Asked) -> Reply | None:
    """The answer given before; KeyReused where the key belongs to another request.

    Called in the transaction of the write: of two equal requests at once, the second waits for
    the first and then finds its answer.
    """
    wait_turn(connection, 7083222, about=f"{asked.owner} {asked.key}")
    row = connection.execute(
        sa.select(replies).where(
            replies.c.owner == asked.owner, replies.c.idempotency_key == asked.key
        )
    ).first()
    if row is None:
        return None
    if row.request_digest != asked.digest:
        raise KeyReused(f"the idempotency key {asked.key[:60]!r} was used for another request")
    return Reply(row.status, row.body)


def keep(connection: sa.Connection, asked: Asked, reply: Reply, *, at: datetime) -> None:
    """Keep the answer, in the transaction of the write; answers of last week are let go."""
    connection.execute(replies.delete().where(replies.c.made_at < moment(at - KEPT)))
    connection.execute(
        replies.insert().values(
            owner=asked.owner,
            idempotency_key=asked.key,
            request_digest=asked.digest,
            made_at=moment(at),
            status=reply.status,
            body=reply.body,
        )
    )
