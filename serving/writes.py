"""What every write over HTTP shares: who writes, and a request sent twice that counts once."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pipelines.records import replies
from pipelines.records.audit import Writer
from pipelines.records.replies import Asked, KeyReused, Reply
from serving.access import ANYBODY, Caller
from serving.problems import Problem, request_id_of
from serving.records_at_hand import RecordsAtHand

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

IDEMPOTENCY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
    "description": "The same key with the same request is done once and answered the same.",
}

Write = Callable[[sa.Connection, Writer], dict[str, Any]]


async def once(
    request: Request, records: RecordsAtHand, body: bytes, write: Write, *, key: str | None = None
) -> Response:
    """What the write answers, done once however often the request comes with its key.

    The key is that of the header, unless one is named.

    The write, its line in the audit log and the answer are kept together, or not at all.
    """
    writer = Writer(caller_of(request).name, datetime.now(UTC), request_id_of(request.scope))
    given = request.headers.getlist(HEADER) if key is None else [key]
    asked = _asked(request, given, writer.name, body)

    def work() -> tuple[Reply, bool]:
        with records.writing() as connection:
            if asked is not None and (before := replies.given(connection, asked)) is not None:
                return before, True
            told = json.dumps(write(connection, writer), ensure_ascii=False, allow_nan=False)
            reply = Reply(200, told)
            if asked is not None:
                replies.keep(connection, asked, reply, at=writer.at)
            return reply, False

    try:
        reply, is_replayed = await run_in_threadpool(work)
    except KeyReused:
        detail = f"This {HEADER} was used before, for another request."
        raise Problem("conflict", detail) from None
    headers = {"Idempotent-Replayed": "true"} if is_replayed else {}
    return Response(reply.body, reply.status, headers, media_type="application/json")


def caller_of(request: Request) -> Caller:
    """Who asks, as the access layer found."""
    caller = request.scope.get("state", {}).get("caller", ANYBODY)
    assert isinstance(caller, Caller)
    return caller


def _asked(request: Request, given: Sequence[str], owner: str, body: bytes) -> Asked | None:
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        detail = f"{HEADER} must be given once, with 1 to 255 visible ASCII characters."
        raise Problem("malformed-request", detail)
    method, path = request.method.encode(), request.url.path.encode()
    query = str(request.url.query).encode()
    return Asked.of(owner, given[0], method, path, query, body)
