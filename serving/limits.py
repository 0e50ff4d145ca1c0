"""Limits: how much one request may weigh, how many are under way and how many score at once."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problems import Problem, refuse

BODY_BYTES = 4 * 1024 * 1024  # 1,000 invoices with ten lines of history each are about 3.5 MB
URL_BYTES = 4096  # an id has at most 200 characters, a query a few short parameters
INVOICES_PER_REQUEST = 1_000
INVOICES_INLINE = 50  # up to here scoring is shorter than handing it to a thread

# One unit is an invoice with its reasons and the history that comes with it. Measured on one core:
# about 0.1 ms for the invoice, but 3 ms for any request at all, as much as thirty invoices
REQUEST_UNITS = 30
UNITS_WAITING = 4_000  # a request of the largest size is begun on as many wait; about 0.5 s of work
PATIENT_SECONDS = 0.05  # nobody has gone who has waited less; asking takes time too
WAIT_SECONDS = 5.0  # who has waited so long has gone, or will ask again

WEIGHT_BYTES = 128 * 1024  # a request weighs one, and one more for each of these of its body
WEIGHT_AT_ONCE = 64  # of all requests under way: the largest body and thirty small, or that many
WEIGHT_OF_A_KEY = 48  # of one caller's, so that others find a place beside it
EVERYBODY = ""  # the name under which all that is under way counts
HEALTH_PATHS = frozenset({"/healthz", "/readyz"})  # answered always
FULL = "Too many requests are under way; ask again in a second."
LATER = {"Retry-After": "1"}
CLOSED = LATER | {"Connection": "close"}  # where a body is on its way that nobody reads

T = TypeVar("T")


class Gate:
    """How much is under way, and what was refused for want of a place.

    Shares are counted by name: one name for all in front of the keys, the caller's behind them.
    """

    def __init__(self, most: int = WEIGHT_AT_ONCE) -> None:
        self.most = most
        self.refused: Counter[str] = Counter()
        self._weight: Counter[str] = Counter()

    def enter(self, name: str, weight: int) -> bool:
        """Whether so much more may come in; whoever is alone does, however heavy."""
        before = self._weight[name]
        if before and before + weight > self.most:
            self.refused["requests"] += 1
            return False
        self._weight[name] += weight
        return True

    def leave(self, name: str, weight: int) -> None:
        self._weight[name] -= weight
        if not self._weight[name]:
            del self._weight[name]

    def under_way(self, name: str = EVERYBODY) -> int:
        return self._weight[name]

    @property
    def is_full(self) -> bool:
        """Whether nobody comes in any more: asked by the protocol before it reads a request."""
        return self._weight[EVERYBODY] >= self.most


class Turns:
    """Lets one request begin in each round of the event loop, in the order in which they came.

    Between any two the loop sees to health, refusals and answers: without it they would wait for
    all that has arrived at once.
    """

    def __init__(self, *, seconds: float = WAIT_SECONDS) -> None:
        self.seconds = seconds
        self._queue: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def come(self) -> bool:
        """Whether the turn came while the client may still be waiting."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            loop.call_soon(self._next)
            return True
        began, turn = loop.time(), loop.create_future()
        self._queue.append(turn)
        await turn
        return loop.time() - began <= self.seconds

    def _next(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._next)
                return
        self._is_taken = False


class UnderWay:
    """The layer that lets in what there is a place for, and tells the others at once that it is
    full; a request weighs what its body is announced to weigh."""

    def __init__(
        self, app: ASGIApp, *, gate: Gate, name: Callable[[Scope], str], turns: Turns | None = None
    ) -> None:
        self.app, self.gate, self.name, self.turns = app, gate, name, turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in HEALTH_PATHS:
            return await self.app(scope, receive, send)
        weight, name = weight_of(scope), self.name(scope)
        if not self.gate.enter(name, weight):
            headers = CLOSED if weight > 1 else LATER
            return await refuse(scope, receive, send, "busy", FULL, headers=headers)
        try:
            if self.turns is not None and not await self.turns.come():
                self.gate.refused["waited_too_long"] += 1
                return await refuse(scope, receive, send, "busy", FULL, headers=CLOSED)
            await self.app(scope, receive, send)
        finally:
            self.gate.leave(name, weight)


def weight_of(scope: Scope) -> int:
    """What a request weighs by the length it announces; the largest where it announces none."""
    length = 0
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return 1 + BODY_BYTES // WEIGHT_BYTES
        if name == b"content-length" and value.isdigit():
            length = int(value[:20])
    return 1 + min(length, BODY_BYTES) // WEIGHT_BYTES


class RequestSizes:
    """The layer that refuses what is too large or compressed, without reading the body."""

    def __init__(self, app: ASGIApp, *, body_bytes: int = BODY_BYTES) -> None:
        self.app = app
        self.body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > URL_BYTES:
            detail = f"The address may have at most {URL_BYTES} bytes."
            return await refuse(scope, receive, send, "malformed-request", detail)
        close, announced, encoding = {"Connection": "close"}, b"0", b"identity"
        for name, value in scope["headers"]:
            if name == b"content-length":
                announced = value
            elif name == b"content-encoding":
                encoding = value
        if encoding.lower() != b"identity":
            detail = "Send the body without Content-Encoding."
            kind = "unsupported-media-type"
            return await refuse(scope, receive, send, kind, detail, headers=close)

        too_large = f"The body may have at most {self.body_bytes} bytes."
        if announced.isdigit() and int(announced[:20]) > self.body_bytes:
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
    """Where scoring runs: one request at a time, in the order in which they came.

    Small requests run on the event loop, which looks after connections and health between any two
    of them; large ones on one thread. The queue is bounded by the work in it, not by its length.
    """

    def __init__(
        self,
        *,
        units: int = UNITS_WAITING,
        refused: Counter[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scoring")
        self._units, self._clock = units, clock
        self._small, self._large = asyncio.Lock(), asyncio.Lock()
        self.waiting = 0
        self.units_waiting = 0
        self.refused: Counter[str] = Counter() if refused is None else refused

    async def run(
        self,
        work: Callable[[], T],
        *,
        invoices: int,
        is_gone: Callable[[], Awaitable[bool]] | None = None,
    ) -> T:
        """What the work gives; Problem (503) where the queue is full or took too long.

        Work that nobody waits for any more is not begun.
        """
        units = REQUEST_UNITS + invoices
        if self.units_waiting and self.units_waiting + units > self._units:
            raise self._refusal("queue_full")
        came, is_small = self._clock(), invoices <= INVOICES_INLINE
        self.waiting, self.units_waiting = self.waiting + 1, self.units_waiting + units
        try:
            async with self._small if is_small else self._large:
                await self._check_worth(came, is_gone)
                if is_small:
                    return work()
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self.waiting, self.units_waiting = self.waiting - 1, self.units_waiting - units

    async def _check_worth(
        self, came: float, is_gone: Callable[[], Awaitable[bool]] | None
    ) -> None:
        waited = self._clock() - came
        if waited > WAIT_SECONDS:
            raise self._refusal("waited_too_long")
        if waited > PATIENT_SECONDS and is_gone is not None and await is_gone():
            self.refused["client_gone"] += 1
            raise ClientDisconnect

    def _refusal(self, why: str) -> Problem:
        self.refused[why] += 1
        return Problem("busy", "Ask again in a second.", headers=LATER)

    def close(self) -> None:
        self._thread.shutdown(wait=True)
