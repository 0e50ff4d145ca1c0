"""API keys: made once, shown once, kept as a digest; each with what it may do and until when."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from pipelines.records import audit
from pipelines.records.audit import Writer
from pipelines.records.database import moment
from pipelines.records.tables import api_keys

SCOPES = ("score", "read", "write", "admin")
PREFIX = "puntuale_"  # so that a key that leaked is found by a search


@dataclass(frozen=True)
class Key:
    """What is known of a key, which is not the key itself."""

    key_id: str
    name: str
    digest: str
    scopes: frozenset[str]
    made_at: str
    expires_at: str | None
    revoked_at: str | None
    requests_per_minute: int | None

    def is_valid(self, at: datetime) -> bool:
        ended = (self.expires_at, self.revoked_at)
        return all(end is None or moment(at) < end for end in ended)


def digest(key: str | bytes) -> str:
    """What is kept of a key. It is 256 random bits: a slow hash would add nothing."""
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).hexdigest()


def make(
    connection: sa.Connection,
    name: str,
    *,
    scopes: Collection[str],
    writer: Writer,
    days: int | None = None,
    requests_per_minute: int | None = None,
) -> tuple[Key, str]:
    """A new key, and the text of it that nobody will see again."""
    if not scopes or not set(scopes) <= set(SCOPES):
        got = ", ".join(sorted(scopes)) or "none"
        raise ValueError(f"scopes must be some of {', '.join(SCOPES)}, got: {got}")
    text = PREFIX + secrets.token_urlsafe(32)
    expires = moment(writer.at + timedelta(days=days)) if days is not None else None
    key = Key(
        key_id=secrets.token_hex(6),
        name=name,
        digest=digest(text),
        scopes=frozenset(scopes),
        made_at=moment(writer.at),
        expires_at=expires,
        revoked_at=None,
        requests_per_minute=requests_per_minute,
    )
    connection.execute(
        api_keys.insert().values(**{**vars(key), "scopes": " ".join(sorted(scopes))})
    )
    audit.note(connection, writer, "key made", key.key_id, {"scopes": sorted(scopes)})
    return key, text


def rotate(
    connection: sa.Connection, key_id: str, *, writer: Writer, overlap: timedelta
) -> tuple[Key, str]:
    """A new key like this one, which itself ends after the overlap."""
    old = find(connection, key_id)
    end = moment(writer.at + overlap)
    if old.expires_at is None or end < old.expires_at:
        connection.execute(
            api_keys.update().where(api_keys.c.key_id == key_id).values(expires_at=end)
        )
    return make(
        connection,
        old.name,
        scopes=old.scopes,
        writer=writer,
        requests_per_minute=old.requests_per_minute,
    )


def revoke(connection: sa.Connection, key_id: str, *, writer: Writer) -> None:
    """End a key now; LookupError where there is none of this id."""
    find(connection, key_id)
    connection.execute(
        api_keys.update()
        .where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=moment(writer.at))
    )
    audit.note(connection, writer, "key revoked", key_id)


def find(connection: sa.Connection, key_id: str) -> Key:
    """A key by its id, else LookupError."""
    row = connection.execute(sa.select(api_keys).where(api_keys.c.key_id == key_id)).first()
    if row is None:
        raise LookupError(f"no key has the id {key_id[:20]!r}; `puntuale keys` lists them")
    return _key(row)


def all_keys(connection: sa.Connection) -> list[Key]:
    """Every key there ever was, the oldest first."""
    return [_key(row) for row in connection.execute(sa.select(api_keys).order_by("made_at"))]


def _key(row: sa.Row[tuple[object, ...]]) -> Key:
    told = dict(row._mapping)
    return Key(**{**told, "scopes": frozenset(str(told["scopes"]).split())})
