"""Limits: how much one request may weigh and how many score at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import Problem, refuse

BODY_BYTES = 4 * 1024 * 1024  # 1,000 invoices with ten lines of history each are about 3.5 MB
URL_BYTES = 4096  # an id has at most 200 characters, a query a few short parameters
INVOICES_PER_REQUEST = 1_000
INVOICES_INLINE = 50  # up to here scoring is shorter than handing it to a thread
BATCHES_AT_ONCE = 8  # one runs, the others wait their turn; more would only wait longer

T = TypeVar("T")


class RequestSizes:
    """The layer that refuses a body or an address that is too large, without reading the body."""

    def __init__(self, app: ASGIApp, *, body_bytes: int = BODY_BYTES) -> None:
        self.app = app
        self.body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > URL_BYTES:
            detail = f"The address may have at most {URL_BYTES} bytes."
            return await refuse(scope, receive, send, "malformed-request", detail)

        too_large = f"The body may have at most {self.body_bytes} bytes."
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced[:20]) > self.body_bytes:
            close = {"Connection": "close"}
            return await refuse(scope, receive, send, "body-too-large", too_large, headers=close)
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.body_bytes:
                raise Problem("body-too-large", too_large, headers={"Connection": "close"})
            return message

        await self.app(scope, counted, send)


class ScoringPlaces:
    """Where scoring runs: small requests at once, large ones on one thread with a short queue."""

    def __init__(self, *, batches: int = BATCHES_AT_ONCE) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scoring")
        self._free = batches

    async def run(self, work: Callable[[], T], *, invoices: int) -> T:
        if invoices <= INVOICES_INLINE:
            return work()
        async with self._place():
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._free == 0:
            raise Problem("busy", "Ask again in a second.", headers={"Retry-After": "1"})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    def close(self) -> None:
        self._thread.shutdown(wait=True)
