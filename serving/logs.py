"""Logs: one JSON object a line, and one line a request; what the ledger says is in none of them.

A request is told by its id, its route (never its address, which may name a customer), its status,
its time and the name of its key.
"""

import json
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import request_id_of
from serving.security import careful_headers, request_id_for

REQUESTS = "puntuale.requests"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"  # an address that nothing answers, or that was refused before it was looked at
FRAMES = 20  # of a failure, the innermost

logger = logging.getLogger(REQUESTS)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of a request after its answer."""

    request_id: str
    method: str
    route: str
    status: int
    ms: float
    key: str | None


SEEN = tuple(field.name for field in fields(Seen))
Watcher = Callable[[Seen], None]
_AS_JSON = json.JSONEncoder(ensure_ascii=True, default=str).encode  # made once, for every line


def write_line(seen: Seen, tenant: str | None = None) -> None:
    """The request's line in the log, with its company where there are several."""
    if logger.isEnabledFor(logging.INFO):  # by hand: where it is written is not worth looking up
        extra: dict[str, object] = {"seen": seen}
        if tenant is not None:
            extra["tenant"] = tenant
        about = (REQUESTS, logging.INFO, __file__, 0, "request", (), None)
        logger.handle(logger.makeRecord(*about, extra=extra))


class EveryAnswer:
    """The outermost layer: each request has an id, each answer bears it and tells browsers to be
    careful, and once it is out the watchers are told what became of the request."""

    def __init__(self, app: ASGIApp, *, watchers: Sequence[Watcher]) -> None:
        self.app, self.watchers = app, watchers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 0
        request_id = request_id_for(scope["headers"])
        scope.setdefault("state", {})["request_id"] = request_id

        async def heard(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status, given = message["status"], message["headers"]
                named = (b"x-request-id", request_id.encode())
                message["headers"] = [*given, *careful_headers(scope["path"], given), named]
            await send(message)

        try:
            await self.app(scope, receive, heard)
        finally:
            seen = _seen(scope, status, (time.perf_counter() - began) * 1000)
            for watcher in self.watchers:
                watcher(seen)


def _seen(scope: Scope, status: int, ms: float) -> Seen:
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    route = getattr(scope.get("route"), "path", None) or NO_ROUTE
    caller = scope.get("state", {}).get("caller")
    key = caller.name if caller is not None else None
    return Seen(request_id_of(scope), method, route, status or 499, round(ms, 2), key)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: a line break in a text stays inside its quotes.

    Of a failure its kind and place are told, not its message, which may quote somebody's data.
    """

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if isinstance(seen := getattr(record, "seen", None), Seen):
            told |= {name: getattr(seen, name) for name in SEEN}
        if (tenant := getattr(record, "tenant", None)) is not None:
            told["tenant"] = tenant
        if record.exc_info and record.exc_info[1] is not None:
            told["failure"] = _failure(record.exc_info[1])
        return _AS_JSON(told)


def _failure(fault: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(fault.__traceback__)[-FRAMES:]
    cause = fault.__cause__ or fault.__context__
    return {
        "kind": type(fault).__name__,
        "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        **({"cause": type(cause).__name__} if cause is not None else {}),
    }


def to_standard_error() -> dict[str, Any]:
    """How the served process logs: what `logging.config.dictConfig` takes."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": JsonLines}},
        "handlers": {
            "out": {
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["out"], "level": "INFO"},
        "loggers": {
            "uvicorn.access": {"handlers": [], "propagate": False},
            "alembic": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},  # it tells whole addresses
        },
    }
