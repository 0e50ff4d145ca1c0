"""Not modified: who has an answer from the last scores already is told so, without the answer.

The tag is of the night, the day, what is away and the address with its query: all that an answer
from stored scores depends on. A door whose answer depends on more does not belong in `TAGGED`.
"""

import hashlib

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.at_hand import AtHand

TAGGED = (
    "/v1/customers/",
    "/v1/exports/",
    "/v1/invoices/",
    "/v1/portfolio",
    "/v1/worklist",
)


class NotModified:
    """The layer behind the keys that answers 304 to a known `If-None-Match`, and tags what goes
    out."""

    def __init__(self, app: ASGIApp, *, at_hand: AtHand) -> None:
        self.app, self.at_hand = app, at_hand

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_read = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if not is_read or not scope["path"].startswith(TAGGED):
            return await self.app(scope, receive, send)
        tag = self._tag(scope)
        if tag is None:
            return await self.app(scope, receive, send)
        if _names(Headers(scope=scope).getlist("if-none-match"), tag):
            known = Response(status_code=304, headers={"ETag": tag})
            return await known(scope, receive, send)

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                message["headers"] = [*message["headers"], (b"etag", tag.encode())]
            await send(message)

        await self.app(scope, receive, tagged)

    def _tag(self, scope: Scope) -> str | None:
        snapshot = self.at_hand.snapshot()
        if snapshot is None:
            return None
        parts = (
            snapshot.name,
            self.at_hand.today().isoformat(),
            str(self.at_hand.is_degraded),
            scope["path"],
        )
        whole = "\0".join(parts).encode("utf-8", "surrogatepass") + b"\0" + scope["query_string"]
        # weak: a compressed answer has other bytes
        return f'W/"{hashlib.sha256(whole).hexdigest()[:32]}"'


def _names(given: list[str], tag: str) -> bool:
    """Whether the client has the tag."""
    named = {part.strip().removeprefix("W/") for value in given for part in value.split(",")}
    return tag.removeprefix("W/") in named
