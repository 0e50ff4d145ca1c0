"""Error pages: a problem as a page, for a browser that asks for one; everybody else gets the JSON.

A layer near the outside, so that it tells of refusals that no route has seen: without a key there
is no ledger behind the page, and what the problem says in detail is for programs.
"""

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import MEDIA_TYPE, TYPE_PREFIX
from serving.view import bare_page, language_asked, language_named

PROGRAMS = ("/v1/", "/metrics", "/healthz", "/readyz", "/static/")  # what people do not open
MEASURES = (b"content-type", b"content-length", b"content-language", b"vary")


class ErrorPages:
    """The layer that turns a problem's JSON into a page where a browser asked for HTML."""

    def __init__(self, app: ASGIApp, *, language: str) -> None:
        self.app, self.language = app, language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_wanted(scope):
            return await self.app(scope, receive, send)
        start: Message | None = None
        body = b""

        async def told(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            elif message["type"] == "http.response.body":
                body += message.get("body", b"")
                if not message.get("more_body"):
                    language = language_asked(scope, default=self.language)
                    await _send_page(scope, send, start, json.loads(body), language)

        await self.app(scope, receive, told)


def is_wanted(scope: Scope) -> bool:
    """Whether a browser asks, for an address that people open."""
    if scope["path"].startswith(PROGRAMS):
        return False
    accepted = Headers(scope=scope).get("accept", "").lower()
    return any(kind.split(";")[0].strip() == "text/html" for kind in accepted.split(","))


def _is_problem(start: Message) -> bool:
    given = dict(start["headers"])
    kind = given.get(b"content-type", b"").decode("latin-1")
    return kind.startswith(MEDIA_TYPE) and b"content-encoding" not in given


async def _send_page(
    scope: Scope, send: Send, start: Message, problem: dict[str, Any], language: str
) -> None:
    """The problem as a page, under the status and the headers that it came with."""
    page = bare_page(
        "error.html",
        language,
        asked=language_named(scope),
        here=scope["path"],
        kind=problem["type"].removeprefix(TYPE_PREFIX),
        status=problem["status"],
        request_id=problem["request_id"],
    ).encode()
    kept = [(name, value) for name, value in start["headers"] if name.lower() not in MEASURES]
    headers = [
        *kept,
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(page)).encode()),
        (b"content-language", language.encode()),
        (b"vary", b"Accept, Accept-Language"),
    ]
    await send({**start, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else page
    await send({"type": "http.response.body", "body": body})
