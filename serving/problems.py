"""Problems: the one shape of every error that leaves by HTTP (RFC 9457, application/problem+json).

The tree: `Problem` is the only exception that the doors raise; each has a kind from `KINDS`, and a
kind has one status. What a client sent is described by its shape ("text of 12 characters"), never
repeated: it may be somebody's name.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:puntuale:problem:"
FAULTS_LISTED = 100  # a client mends the first hundred and asks again

KINDS: Mapping[str, tuple[int, str]] = {
    "malformed-request": (400, "The request is not well formed"),
    "unauthorized": (401, "An API key is needed"),
    "forbidden": (403, "This key may not do that"),
    "not-found": (404, "There is no such thing here"),
    "method-not-allowed": (405, "This address does not answer that method"),
    "not-acceptable": (406, "The answer exists only as JSON"),
    "conflict": (409, "This contradicts what is known already"),
    "body-too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body must be plain JSON in UTF-8"),
    "invalid-request": (422, "The request breaks rules of its schema"),
    "too-many-requests": (429, "Too many requests for this key"),
    "internal-error": (500, "Something failed here"),
    "busy": (503, "All places for scoring are taken"),
    "no-model": (503, "No model is loaded"),
    "records-away": (503, "The records cannot be read or written"),
    "no-scores": (503, "No scores have been published yet"),
    "issuer-away": (503, "The issuer of tokens does not answer"),
    "tenant-away": (503, "This company is not served"),
}
STATUS_KIND = {status: kind for kind, (status, _) in reversed(list(KINDS.items()))}


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a request: where, which rule, what was expected and what came."""

    path: str
    rule: str
    expected: str
    got: str


class Problem(HTTPException):
    """What a door raises to refuse a request."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(KINDS[kind][0], detail, dict(headers or {}))
        self.kind = kind
        self.faults = faults


class FaultMessage(BaseModel):
    """One thing wrong with the request."""

    path: str = Field(examples=["customers[0].invoices[2].due_date"])
    rule: str = Field(examples=["iso_date"])
    expected: str = Field(examples=["a date as YYYY-MM-DD"])
    got: str = Field(examples=["text of 10 characters"])


class ProblemMessage(BaseModel):
    """The shape of every error."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(examples=[f"{TYPE_PREFIX}invalid-request"])
    title: str = Field(examples=[KINDS["invalid-request"][1]])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["1 fault found"])
    request_id: str = Field(examples=["5f0c2b7e9d4a4b1e8f3a6c5d2e1f0a9b"])
    errors: list[FaultMessage] = []


def shape(value: object) -> str:
    """What kind of thing a value is and how large, without the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return f"text of {len(value)} characters" if value else "empty text"
        case int():
            return "a whole number"
        case list() | tuple():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
        case _:
            return "a number"


def path_of(parts: Iterable[str | int]) -> str:
    """The place of a fault in the body (`customers[0].invoices[2].due_date`) or the query."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            # a key is the client's text: kept short and printable
            printable = part.encode("ascii", "backslashreplace").decode()[:60]
            path += f".{printable}" if path else printable
    return path


def faults_of(error: RequestValidationError) -> list[Fault]:
    """The faults that pydantic found, without the values that it found them in."""
    return [_fault(found) for found in error.errors()]


_EXPECTED = {
    "missing": "the field to be there",
    "extra_forbidden": "only the fields that the schema names",
    "string_unicode": "text that is valid Unicode",
    "model_attributes_type": "an object",
    "model_type": "an object",
}


def _fault(found: Mapping[str, Any]) -> Fault:
    rule = str(found["type"])
    place = found["loc"][1:]  # without "body", "query" or "path"
    expected = _EXPECTED.get(rule) or str(found["msg"]).removeprefix("Input should be ")
    got = "nothing" if rule == "missing" else shape(found.get("input"))
    return Fault(path_of(place), rule, expected, got)


def problem_content(
    kind: str, detail: str, *, request_id: str, faults: Sequence[Fault] = ()
) -> dict[str, Any]:
    """The problem as a message: all faults at once, up to `FAULTS_LISTED`."""
    status, title = KINDS[kind]
    return {
        "type": TYPE_PREFIX + kind,
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
        "errors": [asdict(fault) for fault in faults[:FAULTS_LISTED]],
    }


def problem_response(
    kind: str,
    detail: str,
    *,
    request_id: str,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The problem as an answer."""
    content = problem_content(kind, detail, request_id=request_id, faults=faults)
    body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    return Response(body, KINDS[kind][0], dict(headers or {}), media_type=MEDIA_TYPE)


def request_id_of(scope: Scope) -> str:
    """The id that this request carries in logs and answers."""
    return str(scope.get("state", {}).get("request_id", ""))


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    kind: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answers with a problem from a layer that stands before the routes."""
    answer = problem_response(kind, detail, request_id=request_id_of(scope), headers=headers)
    await answer(scope, receive, send)


class UnexpectedFailures:
    """The layer that turns an unexpected exception into a 500 that keeps its cause to itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            logger.exception("request %s failed", request_id_of(scope))
            if started:  # half an answer is out: only breaking the connection tells the client
                raise
            detail = "The failure is in the log under this request_id."
            await refuse(scope, receive, send, "internal-error", detail)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problem_response(
            error.kind,
            error.detail,
            request_id=request_id_of(request.scope),
            faults=error.faults,
            headers=error.headers,
        )

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = faults_of(error)
        return problem_response(
            "invalid-request",
            counted(len(faults)),
            request_id=request_id_of(request.scope),
            faults=faults,
        )

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        kind = STATUS_KIND.get(error.status_code, "malformed-request")
        headers = dict(error.headers or {})
        if error.status_code == 405 and (methods := methods_of(request)):
            headers["Allow"] = ", ".join(methods)
        return problem_response(
            kind,
            KINDS[kind][1] + ".",
            request_id=request_id_of(request.scope),
            headers=headers,
        )

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(StarletteHTTPException, on_http)


METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def methods_of(request: Request) -> list[str]:
    """What an address answers: the route that refused a method knows only its own.

    Files under a mount are asked for their methods themselves.
    """
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]

    def is_answered(method: str) -> bool:
        scope = {"type": "http", "path": request.scope["path"], "method": method, "headers": []}
        return any(route.matches(scope)[0] == Match.FULL for route in routes)

    return [method for method in METHODS if is_answered(method)]


def counted(faults: int) -> str:
    """How many faults there are, and how many of them are listed."""
    found = "1 fault found" if faults == 1 else f"{faults} faults found"
    return found if faults <= FAULTS_LISTED else f"{found}, the first {FAULTS_LISTED} listed"


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of these statuses as an OpenAPI declaration, each with its example."""
    return {status: _declaration(STATUS_KIND[status]) for status in statuses}


def _declaration(kind: str) -> dict[str, Any]:
    status, title = KINDS[kind]
    example = {
        "type": TYPE_PREFIX + kind,
        "title": title,
        "status": status,
        "detail": title + ".",
        "request_id": "5f0c2b7e9d4a4b1e8f3a6c5d2e1f0a9b",
        "errors": [],
    }
    content = {MEDIA_TYPE: {"schema": SCHEMA_REF, "example": example}}
    return {"description": title, "content": content}


SCHEMA_REF = {"$ref": "#/components/schemas/Problem"}
EVERY_ROUTE = (400, 401, 403, 404, 405, 406, 413, 415, 422, 429, 503)
