"""Security: who may come in, under which host name, and what a browser may do with a page.

Layers of plain ASGI: they answer before a byte of the body is read. Health checks pass them.
"""

import base64
import binascii
import hashlib
import hmac
import re
import uuid
from collections.abc import Collection, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import refuse

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
LOOPBACK = ("localhost", "127.0.0.1", "::1")
KEY_BYTES = 512  # no key is longer; what is, is not worth hashing
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Swagger and Redoc start from a script inside their page; no data of the ledger is on it
DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; frame-ancestors 'none'"
)
DOCS_PATHS = frozenset({"/docs", "/redoc"})


class OpenServiceError(ValueError):
    """The service would answer strangers: it has no API key and listens beyond loopback."""


def require_keys_off_loopback(keys: Collection[str], *, host: str) -> None:
    """Refuses to serve a network without a key."""
    if not keys and host not in LOOPBACK:
        raise OpenServiceError(
            f"without an API key the host must be one of {', '.join(LOOPBACK)}, got: {host}. "
            "Set PUNTUALE_API_KEYS, or PUNTUALE_HOST=127.0.0.1."
        )


class RequestIds:
    """The layer that gives each request an id: the client's own where it is a plain one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        asked = Headers(scope=scope).get("x-request-id", "")
        request_id = asked if _REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self.app(scope, receive, named)


class SecurityHeaders:
    """The layer that tells browsers to run nothing, embed nothing and keep nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        policy = DOCS_POLICY if scope["path"] in DOCS_PATHS else PAGE_POLICY

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, guarded)


class KnownHosts:
    """The layer that answers only to the service's own names.

    A service without keys is reached from this machine alone; a page from elsewhere whose name
    points here (DNS rebinding) would come from this machine too, but calls us by the wrong name.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        named = Headers(scope=scope).getlist("host")
        if len(named) != 1 or not self.knows(named[0]):
            detail = "The Host header must name this service, once."
            return await refuse(scope, receive, send, "malformed-request", detail)
        await self.app(scope, receive, send)

    def knows(self, host: str) -> bool:
        name = re.sub(r":\d{1,5}$", "", host) if not host.endswith("]") else host
        return "*" in self.hosts or name.strip("[]").lower() in self.hosts


class ApiKeys:
    """The layer that lets in who has a key: `X-API-Key`, or on pages the password of HTTP Basic.

    Keys are compared by digest, each in constant time and all of them always.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self.app = app
        self.digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.digests or scope["path"] in HEALTH_PATHS:
            return await self.app(scope, receive, send)
        is_page = not scope["path"].startswith("/v1/")
        given = [value for name, value in scope["headers"] if name == b"x-api-key"]
        if len(given) > 1:
            detail = "Send X-API-Key once."
            return await refuse(scope, receive, send, "malformed-request", detail)
        if not given and is_page and scope["method"] in ("GET", "HEAD"):
            given = _basic_password(scope)
        if not given or not self.knows(given[0]):
            scheme = "Basic" if is_page else "ApiKey"
            challenge = {"WWW-Authenticate": f'{scheme} realm="Puntuale"', "Connection": "close"}
            detail = "Send a key in the header X-API-Key."
            return await refuse(scope, receive, send, "unauthorized", detail, headers=challenge)
        await self.app(scope, receive, send)

    def knows(self, key: bytes) -> bool:
        given = hashlib.sha256(key[: KEY_BYTES + 1]).digest()
        return sum(hmac.compare_digest(given, digest) for digest in self.digests) > 0


def _basic_password(scope: Scope) -> list[bytes]:
    """The password a browser asked its user for."""
    scheme, _, encoded = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        _, _, password = base64.b64decode(encoded, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return []
    return [password]
