"""The HTTP protocol on a connection: uvicorn's own, with deadlines and a calm end.

uvicorn waits for ever for a client that sends slowly or reads slowly; here either is let go. When
the process is to end, a connection that is silent stays open for a moment, so that a request that
is on its way is still answered.
"""

import asyncio
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving.limits import FULL
from serving.problems import MEDIA_TYPE, problem_content

RECEIVE_SECONDS = 5.0  # from the first byte of a request to its last
RECEIVE_BYTES_A_SECOND = 64 * 1024  # a large body may take longer, at this pace
READ_SECONDS = 10.0  # in which a client must take READ_BYTES of what waits for it, or all
READ_BYTES = 64 * 1024
DRAIN_SECONDS = 2.0  # in which a client that was answered early may finish what it was sending
DRAIN_BYTES = 16 * 1024 * 1024  # and so much of it
LINGER_SECONDS = 0.5  # what a silent connection has left when the process is to end
HEADER_BYTES = 32 * 1024  # handed to h11, which otherwise takes 64 kB


_PLAIN = re.compile(rb"(?:GET|POST|PUT) /v1/[!-~]{1,200} HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,8})\r\n", re.IGNORECASE)
_NOT_PLAIN = re.compile(
    rb"\r\n(?:transfer-encoding:|expect:|upgrade:|connection:(?! *keep-alive\r))", re.IGNORECASE
)
_REFUSAL = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: {media_type}\r\n"
    "Content-Length: {length}\r\nRetry-After: 1\r\nCache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\nX-Request-ID: {request_id}\r\n\r\n{body}"
)


def is_whole_and_plain(data: bytes) -> bool:
    """Whether the bytes are one request to the API from its first to its last, without more."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or not _PLAIN.match(data) or _NOT_PLAIN.search(data, 0, end + 2):
        return False
    lengths = _LENGTH.findall(data, 0, end + 2)
    if len(lengths) > 1:
        return False
    return len(data) == end + 4 + (int(lengths[0]) if lengths else 0)


def _refusal(request_id: str) -> bytes:
    body = json.dumps(problem_content("busy", FULL, request_id=request_id))
    return _REFUSAL.format(
        media_type=MEDIA_TYPE, length=len(body), request_id=request_id, body=body
    ).encode()


class CalmEnd:
    """A transport that, closed while a client is still sending, lets it finish first.

    Bytes that arrive at a closed socket make the system reset the connection, and the answer is
    lost before the client has read it: a 401 or 413 must arrive although its body is not read.
    """

    def __init__(
        self, transport: asyncio.Transport, is_sending: Callable[[], bool], *, seconds: float
    ) -> None:
        self._transport, self._is_sending, self._seconds = transport, is_sending, seconds
        self._until: asyncio.TimerHandle | None = None
        self._drained = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    @property
    def is_draining(self) -> bool:
        return self._until is not None

    def is_closing(self) -> bool:
        return self.is_draining or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing() or not self._is_sending():
            return self._transport.close()
        self._transport.write_eof()
        self._transport.resume_reading()
        loop = asyncio.get_running_loop()
        self._until = loop.call_later(self._seconds, self._transport.close)

    def abort(self) -> None:
        self._transport.abort()

    def drain(self, data: bytes) -> None:
        """Throws away what a client sends that was answered already."""
        self._drained += len(data)
        if self._drained > DRAIN_BYTES:
            self._transport.close()

    def ended(self) -> None:
        if self._until is not None:
            self._until.cancel()


class DeadlineProtocol(H11Protocol):
    """HTTP/1.1 by h11; a request arrives in time, an answer is taken in time."""

    transport: CalmEnd  # type: ignore[assignment]
    receive_seconds = RECEIVE_SECONDS
    read_seconds = READ_SECONDS
    drain_seconds = DRAIN_SECONDS
    linger_seconds = LINGER_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._began, self._received, self._untaken = 0.0, 0, 0
        self._is_ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        calm = CalmEnd(transport, self._is_answered_early, seconds=self.drain_seconds)
        super().connection_made(calm)  # type: ignore[arg-type]
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting()
        if self._leaving is not None:
            self._leaving.cancel()
        self.transport.ended()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_draining:
            return self.transport.drain(data)
        if self._is_refused_unread(data):
            return
        self._received += len(data)
        super().data_received(data)
        self._after_events()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._after_events()
        if self.transport.get_write_buffer_size():
            self._expect_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()

    def send_400_response(self, msg: str) -> None:
        """A request that cannot be read is a problem too; it may be none for h11 any more."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return self.transport.close()
        content = problem_content("malformed-request", msg, request_id=uuid.uuid4().hex)
        body = json.dumps(content).encode()
        headers = [
            ("Content-Type", MEDIA_TYPE),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        answer = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def shutdown(self) -> None:
        """The process ends: what is asked is answered, and says that the connection closes."""
        self._is_ending = True
        self._close_after_answer()
        self.loop.call_later(self.linger_seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._is_idle() and not self.transport.is_closing():
            super().shutdown()

    def _is_refused_unread(self, data: bytes) -> bool:
        """While the service is full, a whole plain request is answered as it stands.

        h11 never sees it: a refusal has to cost a hundredth of an answer, or refusing would be
        all that is done at ten times the load. Whatever is not plain goes the usual way.
        """
        gate = self.app_state.get("gate")
        if gate is None or not gate.is_full or self._is_ending:
            return False
        if self.conn.their_state is not h11.IDLE or self.conn.trailing_data[0]:
            return False
        if not is_whole_and_plain(data):
            return False
        gate.refused["requests"] += 1
        self._stop_expecting()
        self._unset_keepalive_if_required()
        self.transport.write(_refusal(uuid.uuid4().hex))
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        return True

    def _after_events(self) -> None:
        if self._is_ending:
            self._close_after_answer()
        if self._request_is_whole():
            self._stop_expecting()
        elif self._arriving is None and not self.transport.is_closing():
            self._expect_request()

    def _close_after_answer(self) -> None:
        """uvicorn says `Connection: close` where the request said so: now it did."""
        if not self._is_idle():
            self.cycle.keep_alive = False
            if CLOSE_HEADER not in self.scope["headers"]:
                self.scope["headers"] = [*self.scope["headers"], CLOSE_HEADER]

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _is_answered_early(self) -> bool:
        """Whether the client has its answer and is still sending."""
        if self.conn.their_state is h11.ERROR:
            return True
        return self._is_idle() and self.conn.their_state is h11.SEND_BODY

    def _request_is_whole(self) -> bool:
        """Whether nothing of a request is still to come, or none was begun since the last."""
        if self.conn.their_state is h11.IDLE:
            return self.cycle is not None and not self.conn.trailing_data[0]
        return self.conn.their_state is not h11.SEND_BODY

    def _expect_request(self) -> None:
        self._began, self._received = self.loop.time(), 0
        self._arriving = self.loop.call_later(self.receive_seconds, self._check_arrival)

    def _stop_expecting(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _check_arrival(self) -> None:
        allowed = self.receive_seconds + self._received / RECEIVE_BYTES_A_SECOND
        left = self._began + allowed - self.loop.time()
        if self.flow.read_paused:  # it is we who do not read
            left = max(left, self.receive_seconds)
        if left > 0:
            self._arriving = self.loop.call_later(left, self._check_arrival)
            return
        self._arriving = None
        self.transport.close()

    def _expect_reading(self) -> None:
        if self._leaving is None:
            self._untaken = self.transport.get_write_buffer_size()
            self._leaving = self.loop.call_later(self.read_seconds, self._check_reading)

    def _check_reading(self) -> None:
        """Lets a client go who takes too little; what it has not taken is thrown away."""
        self._leaving = None
        now = self.transport.get_write_buffer_size()
        if not now:
            return
        if self._untaken - now < READ_BYTES:
            return self.transport.abort()
        self._expect_reading()
