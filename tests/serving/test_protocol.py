import json
import socket
import threading
import time

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from starlette.middleware import Middleware

from serving import logs, problems, security
from serving.limits import EVERYBODY, Gate, UnderWay
from serving.protocol import is_whole_and_plain
from tests.live import Wire, listening, until

HELLO = b"GET /v1/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
SOON = {"receive_seconds": 0.3, "read_seconds": 0.3, "linger_seconds": 0.2}


def application(gate=None):
    """Some routes behind the layers that look at a request's head."""
    gate = gate or Gate()

    async def lifespan(_):
        yield {"gate": gate}

    from contextlib import asynccontextmanager

    app = FastAPI(
        lifespan=asynccontextmanager(lifespan),
        middleware=[
            Middleware(logs.EveryAnswer, watchers=()),
            Middleware(security.PlainHeads, hosts=("localhost",)),
            Middleware(UnderWay, gate=gate, name=lambda _: EVERYBODY),
        ],
    )
    problems.install(app)

    @app.get("/v1/hello")
    async def hello():
        return PlainTextResponse("hello")

    @app.get("/healthz")
    async def healthz():
        return PlainTextResponse("live")

    @app.get("/v1/large")
    async def large():
        return PlainTextResponse(b"x" * 30_000_000)

    @app.post("/v1/body")
    async def body(request: Request):
        return PlainTextResponse(str(len(await request.body())))

    return app


@pytest.fixture(scope="module")
def address():
    with listening(application(), **SOON) as address:
        yield address


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v1/hello HTTP/1.1\r\nHost: localhost\r\nX-",
        b"POST /v1/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345",
        HELLO + b"GET /v1/hello HT",
    ],
)
def test_who_begins_a_request_and_falls_silent_is_let_go(address, sent):
    """B11."""
    with Wire(address) as wire:
        told = wire.send(sent).rest()
    assert told.count(b"200 OK") == sent.count(HELLO)


def test_who_sends_a_header_now_and_then_is_let_go_and_others_are_served(address):
    """B12, F12."""
    ended = threading.Event()

    def drip():
        with Wire(address) as wire:
            wire.send(b"GET /v1/hello HTTP/1.1\r\n")
            try:
                for _ in range(300):
                    wire.send(b"X-Slow: 1\r\n")
                    time.sleep(0.1)
            except (BrokenPipeError, ConnectionResetError):
                ended.set()

    slow = [threading.Thread(target=drip) for _ in range(5)]
    for thread in slow:
        thread.start()
    with Wire(address) as wire:
        assert wire.send(HELLO).answer()[0] == 200
    for thread in slow:
        thread.join()
    assert ended.is_set()


def test_a_body_that_comes_in_parts_in_time_is_read(address):
    with Wire(address) as wire:
        wire.send(b"POST /v1/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")
        time.sleep(0.05)
        assert wire.send(b"12345").send(b"67890").answer()[2] == b"10"
        assert wire.send(HELLO).answer()[0] == 200, "and the connection goes on"


def test_who_does_not_read_the_answer_is_let_go(address):
    """B13."""
    with Wire(address, receive_buffer=4096) as wire:
        wire.send(b"GET /v1/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(2)
        assert len(wire.rest()) < 30_000_000


def test_who_reads_a_large_answer_gets_all_of_it(address):
    with Wire(address) as wire:
        wire.send(b"GET /v1/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert len(wire.answer()[2]) == 30_000_000


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET /v1/hello HTTP/1.1\r\n\r\n", id="B17 no host"),
        pytest.param(b"GET /v1/hello HTTP/1.1\r\nHost: evil\r\n\r\n", id="B17 another host"),
        pytest.param(HELLO[:-2] + b"Host: localhost\r\n\r\n", id="B17 two hosts"),
        pytest.param(HELLO[:-2] + b"X: " + b"x" * 200_000 + b"\r\n\r\n", id="B14 a long header"),
        pytest.param(HELLO[:-2] + b"a:b\r\n" * 5000 + b"\r\n", id="B14 many headers"),
        pytest.param(b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\n\r\n", id="B15 a long address"),
        pytest.param(
            b"POST /v1/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
            b"Content-Length: 2\r\n\r\nx",
            id="B16 two lengths",
        ),
        pytest.param(
            b"POST /v1/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
            id="B16 a negative length",
        ),
        pytest.param(
            b"POST /v1/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="B16 a length and chunks",
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", id="TLS to a plain port"),
    ],
)
def test_a_request_that_cannot_be_understood_is_refused_and_tells_so(address, sent):
    with Wire(address) as wire:
        told = wire.send(sent).rest()
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["type"] == "urn:puntuale:problem:malformed-request"


async def refusing(scope, receive, send):
    """Answers before it has read anything, as one does who knows no key."""
    if scope["type"] == "lifespan":
        return
    headers = [(b"content-length", b"5"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": b"a key"})


def test_b1_who_is_answered_before_the_body_reads_the_answer_after_it():
    head = b"POST /v1/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n"
    with listening(refusing, drain_seconds=20) as address, Wire(address) as wire:
        wire.send(head)
        until(lambda: wire.socket.recv(1, socket.MSG_PEEK) == b"H")  # the answer is on its way
        for _ in range(4):
            wire.send(b"x" * 100_000)
        status, _, body = wire.answer()
        assert (status, body) == (401, b"a key")
        assert wire.rest() == b"", "and the connection ends"


def test_who_goes_on_sending_after_its_answer_is_let_go():
    head = b"POST /v1/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n"
    with listening(refusing, drain_seconds=0.1) as address, Wire(address) as wire:
        wire.send(head).answer()

        def is_let_go():
            try:
                wire.send(b"x")
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        until(is_let_go)


def test_requests_sent_at_once_are_answered_in_their_order(address):
    """B27."""
    with Wire(address) as wire:
        for n in range(100):
            body = b"x" * n
            head = f"POST /v1/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: {n}\r\n\r\n"
            wire.send(head.encode() + body)
        assert [int(wire.answer()[2]) for _ in range(100)] == list(range(100))


def test_a_full_service_refuses_at_once_and_keeps_the_connection_and_health_answers():
    """F11."""
    gate = Gate(most=3)
    with listening(application(gate)) as address, Wire(address) as wire:
        assert gate.enter(EVERYBODY, 3)
        for _ in range(3):
            status, headers, body = wire.send(HELLO).answer()
            assert (status, headers["retry-after"]) == (503, "1")
            told = json.loads(body)
            assert told["type"] == "urn:puntuale:problem:busy"
            assert told["request_id"] == headers["x-request-id"]
        assert wire.send(HELLO.replace(b"/v1/hello", b"/healthz")).answer()[0] == 200
        status, _, body = (
            wire.send(b"GET /v1/he").send(b"llo HTTP/1.1\r\nHost: localhost\r\n\r\n").answer()
        )
        assert status == 503, "one that comes in parts is refused behind h11"
        gate.leave(EVERYBODY, 3)
        assert wire.send(HELLO).answer()[0] == 200
    assert gate.refused["requests"] == 4


@pytest.mark.parametrize(
    ("request_bytes", "plain"),
    [
        (HELLO, True),
        (b"POST /v1/scores HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", True),
        (
            b"POST /v1/scores HTTP/1.1\r\ncontent-length: 2\r\nConnection: keep-alive\r\n\r\n{}",
            True,
        ),
        (b"POST /v1/scores HTTP/1.1\r\nContent-Length: 2\r\n\r\n{", False),
        (b"POST /v1/scores HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}G", False),
        (b"POST /v1/scores HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"POST /v1/scores HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"POST /v1/scores HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", False),
        (b"GET /v1/hello HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (HELLO + HELLO, False),
        (HELLO.replace(b"1.1", b"1.0"), False),
        (HELLO.replace(b"/v1/hello", b"/healthz"), False),
        (HELLO[:-2], False),
    ],
)
def test_only_a_whole_plain_request_is_refused_unread(request_bytes, plain):
    assert is_whole_and_plain(request_bytes) is plain


def test_a_silent_connection_is_still_answered_when_the_process_is_told_to_end():
    """F9."""
    with listening(application(), linger_seconds=1.0) as address:
        wire = Wire(address).send(HELLO)
        assert wire.answer()[0] == 200
    # the server has been told to end and has ended: what was silent was closed in peace
    assert wire.rest() == b""
    wire.socket.close()


def test_the_last_answer_says_that_the_connection_closes():
    """F9."""
    told = []

    def ask(wire):
        until(lambda: threading.active_count() > before)
        told.append(wire.send(HELLO).answer())

    before = threading.active_count()
    context = listening(application(), linger_seconds=3.0)
    address = context.__enter__()
    wire = Wire(address).send(HELLO)
    wire.answer()
    ending = threading.Thread(target=context.__exit__, args=(None, None, None))
    ending.start()
    time.sleep(0.5)  # long enough to be told, shorter than the connection lingers
    ask(wire)
    ending.join()
    assert [(status, headers["connection"]) for status, headers, _ in told] == [(200, "close")]
    assert wire.rest() == b""
    wire.socket.close()
