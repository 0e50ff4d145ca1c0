"""Security: under which host name the service answers, and what a browser may do with a page.

Layers of plain ASGI: they answer before a byte of the body is read. Who may come in is
`serving/access.py`.
"""

import re
import secrets
from collections.abc import Collection, Iterable

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.problems import refuse

LOOPBACK = ("localhost", "127.0.0.1", "::1")
HEADERS = 100  # of one request; browsers behind three proxies send about 40
RANGES = (b"range", b"if-range")
FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_PORT = re.compile(r":\d{1,5}$")

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Swagger and Redoc start from a script inside their page; no data of the ledger is on it
DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; frame-ancestors 'none'"
)
CAREFUL = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def _with_policy(policy: str) -> list[tuple[bytes, bytes]]:
    """The headers as they go out; made once, for every answer bears them."""
    headers = {"content-security-policy": policy} | CAREFUL
    return [(name.encode(), value.encode()) for name, value in headers.items()]


PAGE_HEADERS, DOCS_HEADERS = _with_policy(PAGE_POLICY), _with_policy(DOCS_POLICY)
NOT_KEPT = [(b"cache-control", b"no-store")]
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


def careful_headers(path: str, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What tells browsers to run nothing, embed nothing and keep nothing of this answer."""
    careful = DOCS_HEADERS if path in DOCS_PATHS else PAGE_HEADERS
    says_what_is_kept = any(name == b"cache-control" for name, _ in given)
    return careful if says_what_is_kept else careful + NOT_KEPT


def request_id_for(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id of a request: the client's own where it is a plain one."""
    for name, value in headers:
        if name == b"x-request-id":
            asked = value.decode("latin-1")
            return asked if _REQUEST_ID.fullmatch(asked) else secrets.token_hex(16)
    return secrets.token_hex(16)


class PlainHeads:
    """The layer that refuses a head which two readers could understand differently (smuggling),
    and answers only to the service's own names.

    A service without keys is reached from this machine alone; a page from elsewhere whose name
    points here (DNS rebinding) would come from this machine too, but calls us by the wrong name.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers, lengths, named = scope["headers"], 0, []
        for name, value in headers:
            if name == b"host":
                named.append(value)
            elif name in FRAMING:
                lengths += 1
        if lengths > 1 or len(headers) > HEADERS:
            detail = f"Send one length or chunks, and at most {HEADERS} headers."
            close = {"Connection": "close"}
            return await refuse(scope, receive, send, "malformed-request", detail, headers=close)
        if len(named) != 1 or not self.knows(named[0].decode("latin-1")):
            detail = "The Host header must name this service, once."
            return await refuse(scope, receive, send, "malformed-request", detail)
        await self.app(scope, receive, send)

    def knows(self, host: str) -> bool:
        if "*" in self.hosts:
            return bool(host)
        name = _PORT.sub("", host) if not host.endswith("]") else host
        return name.strip("[]").lower() in self.hosts


class WholeFiles(StaticFiles):
    """Files of a few kB, sent whole: ranges of them are an attack and no help to anybody."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name not in RANGES]
        await super().__call__({**scope, "headers": headers}, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        return await super().get_response(path, scope)
