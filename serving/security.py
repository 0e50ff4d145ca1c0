"""Security: under which host name the service answers, and what a browser may do with a page.

Layers of plain ASGI: they answer before a byte of the body is read. Who may come in is
`serving/access.py`.
"""

import re
import uuid
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import refuse

LOOPBACK = ("localhost", "127.0.0.1", "::1")
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


def require_keys_off_loopback(*, has_keys: bool, host: str) -> None:
    """Refuses to serve a network without a key."""
    if not has_keys and host not in LOOPBACK:
        raise OpenServiceError(
            f"without an API key the host must be one of {', '.join(LOOPBACK)}, got: {host}. "
            "Make a key with `puntuale keys make`, set PUNTUALE_API_KEYS, or set "
            "PUNTUALE_HOST=127.0.0.1."
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
