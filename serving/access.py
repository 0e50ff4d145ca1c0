"""Access: who comes in, what their key lets them do, and how often.

The layer answers before a byte of the body is read. Keys are those of the settings, which may do
everything, and those of the records (`puntuale keys`), each with its scopes, its end and its rate.
Tokens of an issuer (`serving/tokens.py`) open too where the settings name one.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.records import keys
from pipelines.records.database import RecordsAway, RecordsDamaged
from pipelines.records.keys import SCOPES, Key
from serving.limits import HEALTH_PATHS
from serving.problems import refuse

if TYPE_CHECKING:  # tokens need a library of their own, and only where they are asked for
    from serving.tokens import Bearer

logger = logging.getLogger(__name__)

KEY_BYTES = 512  # no key is longer; what is, is not worth hashing
READ_AGAIN_SECONDS = 2.0  # a key that was revoked works so long at most
ASKING_FOR_ANSWERS = frozenset({"/v1/scores", "/v1/scores/from-features", "/v1/what-if"})
ABOUT_AN_INVOICE = "/v1/what-if/"
FOR_ADMINISTRATORS = ("/v1/webhooks",)
LATER = {"Retry-After": "5", "Connection": "close"}
REALM = 'realm="Puntuale"'


@dataclass(frozen=True)
class Caller:
    """Who asks: the name of a key, and what it lets them do."""

    name: str
    scopes: frozenset[str]
    requests_per_minute: int | None = None

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


ANYBODY = Caller("local", frozenset(SCOPES))  # on loopback without any key


class Keys(Protocol):
    """What the layer asks of the keys."""

    @property
    def is_empty(self) -> bool: ...

    @property
    def is_read(self) -> bool: ...

    def find(self, given: bytes) -> Caller | None: ...


class Judge(Protocol):
    """What the layer asks of who judges tokens."""

    async def check(self, token: bytes) -> "Bearer": ...


@dataclass
class KeyRing:
    """Every key that opens, read again from the records every few seconds.

    While the records are away the keys that were known go on opening. Where they could never be
    read nobody comes in: there may be keys that nobody knows of yet.
    """

    from_settings: Sequence[str]
    read: Callable[[], Sequence[Key]]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    is_closed: bool = False  # nobody comes in without a key, even before the first was made
    is_read: bool = False
    fault: str | None = None  # why the last reading failed
    _known: list[tuple[str, Key | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._known = [(keys.digest(key), None) for key in self.from_settings]

    @property
    def has_keys(self) -> bool:
        """Whether any key is known, one that has ended too."""
        return bool(self._known)

    @property
    def is_empty(self) -> bool:
        """Whether no key was ever made: then the service is open, on loopback only."""
        return self.is_read and not self.has_keys and not self.is_closed

    def find(self, given: bytes) -> Caller | None:
        """The caller with this key; every known digest is compared, each in constant time."""
        digest = keys.digest(given[: KEY_BYTES + 1])
        matching = [key for known, key in self._known if hmac.compare_digest(known, digest)]
        if not matching:
            return None
        key = matching[0]
        if key is None:
            return Caller("settings", frozenset(SCOPES))
        if not key.is_valid(self.now()):
            return None
        return Caller(key.key_id, key.scopes, key.requests_per_minute)

    def refresh(self) -> None:
        """Read the records' keys again."""
        try:
            made: list[tuple[str, Key | None]] = [(key.digest, key) for key in self.read()]
        except (RecordsAway, RecordsDamaged) as fault:
            if self.fault is None:  # said once, not every two seconds
                logger.error("keys could not be read: %s", fault)
            self.fault = str(fault)
            return
        self._known = [(digest, key) for digest, key in self._known if key is None] + made
        self.is_read, self.fault = True, None

    async def keep_fresh(self) -> None:
        """Reads them again and again, beside the event loop: a database may take its time."""
        while True:
            await asyncio.sleep(READ_AGAIN_SECONDS)
            await asyncio.to_thread(self.refresh)


@dataclass
class Rates:
    """How many requests a caller has left: a bucket that refills evenly, for each one."""

    usual_per_minute: int | None
    clock: Callable[[], float] = time.monotonic
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, caller: Caller) -> tuple[int, float, float] | None:
        """The limit, what is left and the seconds until one more is; None without a limit.

        What is left is below zero where the request is one too many.
        """
        limit = caller.requests_per_minute or self.usual_per_minute
        if limit is None:
            return None
        now = self.clock()
        left, at = self._left.get(caller.name, (float(limit), now))
        left = min(float(limit), left + (now - at) * limit / 60)
        wait = 0.0 if left >= 2 else (2 - left) * 60 / limit
        if left < 1:
            self._left[caller.name] = (left, now)
            return limit, -1, (1 - left) * 60 / limit
        self._left[caller.name] = (left - 1, now)
        return limit, left - 1, wait


def caller_name(scope: Scope) -> str:
    """By which name a request counts, once its key was checked."""
    caller = scope.get("state", {}).get("caller")
    return caller.name if isinstance(caller, Caller) else ""


def scope_needed(method: str, path: str) -> str:
    """What a key must allow for this request."""
    if path in ASKING_FOR_ANSWERS or path.startswith(ABOUT_AN_INVOICE):
        return "score"
    if path.startswith(FOR_ADMINISTRATORS):
        return "admin"
    return "read" if method in ("GET", "HEAD", "OPTIONS") else "write"


class ApiKeys:
    """The layer that lets in who has a key or a token.

    `X-API-Key` comes first; then `Authorization`: a bearer token where an issuer is known, and on
    pages the password of HTTP Basic.
    """

    def __init__(
        self, app: ASGIApp, *, ring: Keys, rates: Rates, tokens: Judge | None = None
    ) -> None:
        self.app, self.ring, self.rates, self.tokens = app, ring, rates, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in HEALTH_PATHS:
            return await self.app(scope, receive, send)
        given = keys_given(scope)
        if len(given) > 1:
            detail = "Send X-API-Key once."
            return await refuse(scope, receive, send, "malformed-request", detail)
        if self.tokens and not given and (token := bearer_token(scope)) is not None:
            return await self._with_token(self.tokens, token, scope, receive, send)
        is_page = not scope["path"].startswith("/v1/")
        if not given and is_page:
            given = basic_password(scope)
        is_open = self.ring.is_empty and self.tokens is None
        caller = ANYBODY if is_open else given and self.ring.find(given[0])
        if not caller:
            if not self.ring.is_read:
                detail = "The keys cannot be read: the records' database does not answer."
                return await refuse(scope, receive, send, "records-away", detail, headers=LATER)
            challenges = [f"{'Basic' if is_page else 'ApiKey'} {REALM}"]
            challenges += [f"Bearer {REALM}"] if self.tokens else []
            detail = "Send a key in the header X-API-Key."
            headers = {"WWW-Authenticate": ", ".join(challenges), "Connection": "close"}
            return await refuse(scope, receive, send, "unauthorized", detail, headers=headers)
        needed = scope_needed(scope["method"], scope["path"])
        if not caller.may(needed):
            detail = f"This key has no scope {needed}."
            return await refuse(scope, receive, send, "forbidden", detail)
        await self._counted(caller, scope, receive, send)

    async def _with_token(
        self, tokens: Judge, token: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        from serving.issuer import IssuerAway
        from serving.tokens import TokenRefused

        try:
            bearer = await tokens.check(token)
        except TokenRefused as refused:
            told = f'Bearer {REALM}, error="invalid_token", error_description="{refused}"'
            headers = {"WWW-Authenticate": told, "Connection": "close"}
            return await refuse(scope, receive, send, "unauthorized", str(refused), headers=headers)
        except IssuerAway:
            detail = "The issuer's keys cannot be read, so no token can be checked."
            return await refuse(scope, receive, send, "issuer-away", detail, headers=LATER)
        caller = Caller(bearer.name, bearer.scopes)
        needed = scope_needed(scope["method"], scope["path"])
        if not caller.may(needed):
            told = f'Bearer {REALM}, error="insufficient_scope"'
            detail = f"This token has no scope {needed}."
            headers = {"WWW-Authenticate": told}
            return await refuse(scope, receive, send, "forbidden", detail, headers=headers)
        await self._counted(caller, scope, receive, send)

    async def _counted(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["caller"] = caller
        taken = self.rates.take(caller)
        if taken is None:
            return await self.app(scope, receive, send)
        limit, left, wait = taken
        told = {
            "RateLimit-Limit": str(limit),
            "RateLimit-Remaining": str(max(int(left), 0)),
            "RateLimit-Reset": str(int(wait) + 1),
        }
        if left < 0:
            detail = f"This key may send {limit} requests a minute."
            headers = told | {"Retry-After": told["RateLimit-Reset"]}
            return await refuse(scope, receive, send, "too-many-requests", detail, headers=headers)

        async def told_too(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        await self.app(scope, receive, told_too)


def keys_given(scope: Scope) -> list[bytes]:
    """The keys that came as X-API-Key: one, where the request is well formed."""
    return [value for name, value in scope["headers"] if name == b"x-api-key"]


def bearer_token(scope: Scope) -> bytes | None:
    """The token that came, None where none did."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    scheme, _, token = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    return token.strip() if scheme.lower() == b"bearer" else None


def basic_password(scope: Scope) -> list[bytes]:
    """The password a browser asked its user for."""
    scheme, _, encoded = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        _, _, password = base64.b64decode(encoded, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return []
    return [password]
