"""Strict requests: what a request must be before its message is read.

`StrictRoute` refuses an answer format we do not have, a body that is not plain JSON, and query
parameters that are unknown or given twice. `parse_json` reads JSON as its standard says and as no
default parser does: no duplicate keys, no NaN, numbers exactly as they were written.
"""

import json
import re
from collections.abc import Callable, Coroutine
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.datastructures import Headers

from serving.problems import Fault, Problem, counted, path_of

JSON_TYPES = ("application/json", "application/problem+json")
KEPT = 256  # verdicts on headers that clients send again and again


class _NotStrictError(ValueError):
    """JSON that parsers accept and its standard does not; carries the problem's kind."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def parse_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8, with every fraction as an exact Decimal.

    Raises Problem: 400 for what is not JSON (or repeats a key, or is nested too deep), 422 for
    numbers that are not finite.
    """
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_float=_number,
            parse_constant=_not_finite,
            object_pairs_hook=_without_repeats,
        )
    except UnicodeDecodeError:
        raise Problem("malformed-request", "The body must be UTF-8.") from None
    except RecursionError:
        raise Problem("malformed-request", "The body is nested too deep.") from None
    except _NotStrictError as fault:
        raise Problem(fault.kind, str(fault)) from None
    except json.JSONDecodeError as fault:
        what = f"{fault.msg} at line {fault.lineno}, column {fault.colno}"
        raise Problem("malformed-request", f"The body is not JSON: {what}.") from None
    except ValueError:  # an integer longer than Python reads
        raise Problem("malformed-request", "A number has too many digits.") from None


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _NotStrictError("invalid-request", "A number is out of range.") from None


def _not_finite(name: str) -> NoReturn:
    raise _NotStrictError("invalid-request", f"Numbers must be finite, got: {name}.")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = path_of([next(name for name in names if names.count(name) > 1)])
        raise _NotStrictError("malformed-request", f"An object names a field twice: {repeated}.")
    return found


class StrictRequest(Request):
    """A request whose JSON is read by `parse_json`."""

    async def json(self) -> Any:
        return parse_json(await self.body())


class StrictRoute(APIRoute):
    """A route that checks the request around its message before it reads the message."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        params = get_flat_params(self.dependant)
        known = {param.alias for param in params if isinstance(param.field_info, Query)}
        reads_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            check_accept(request.headers)
            check_query(request, known)
            if reads_body:
                check_content(request.headers)
            asked = StrictRequest(request.scope, request.receive)
            return await self.quickly(asked) or await handle(asked)

        return strict

    async def quickly(self, request: Request) -> Response | None:
        """An answer that needs no message to be read; None where the usual way answers."""
        return None


Quickly = Callable[[Request], Coroutine[Any, Any, Response | None]]


def answered_quickly(answer: Quickly) -> type[StrictRoute]:
    """A route on which requests are answered in this way wherever it gives an answer."""

    class QuickRoute(StrictRoute):
        async def quickly(self, request: Request) -> Response | None:
            return await answer(request)

    return QuickRoute


def check_accept(headers: Headers) -> None:
    """Refuses (406) a client that takes no JSON."""
    if not _takes_json(",".join(headers.getlist("accept")) or "*/*"):
        raise Problem("not-acceptable", "Ask for application/json.")


@lru_cache(KEPT)
def _takes_json(accept: str) -> bool:
    for choice in accept.split(","):
        kind, *parameters = _parts(choice)
        refused = any(re.fullmatch(r"q=0(\.0*)?", p) for p in parameters)
        if kind in ("*/*", "application/*", *JSON_TYPES) and not refused:
            return True
    return False


def check_content(headers: Headers) -> None:
    """Refuses (415) a body that is compressed, or is not JSON in UTF-8."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem("unsupported-media-type", "Send the body without Content-Encoding.")
    if not _is_json(headers.get("content-type", "")):
        raise Problem("unsupported-media-type", "Send Content-Type: application/json in UTF-8.")


@lru_cache(KEPT)
def _is_json(content_type: str) -> bool:
    kind, *parameters = _parts(content_type)
    charsets = {
        p.removeprefix("charset=").strip('"') for p in parameters if p.startswith("charset=")
    }
    return kind == "application/json" and charsets <= {"utf-8", "utf8", "us-ascii"}


def _parts(value: str) -> list[str]:
    return [part.strip().lower() for part in value.split(";")]


def check_query(request: Request, known: set[str]) -> None:
    """Refuses (422) query parameters that the route does not have, or that are given twice."""
    if not request.scope["query_string"]:
        return
    given = [name for name, _ in request.query_params.multi_items()]
    faults = [
        Fault(path_of([name]), "unknown_parameter", _among(known), "a parameter of another name")
        for name in sorted(set(given) - known)
    ]
    faults += [
        Fault(name, "repeated_parameter", "the parameter once", f"it {given.count(name)} times")
        for name in sorted(known)
        if given.count(name) > 1
    ]
    if faults:
        raise Problem("invalid-request", counted(len(faults)), faults=faults)


def _among(known: set[str]) -> str:
    return f"only {', '.join(sorted(known))}" if known else "no parameters"
