"""An application on a real socket, for what only shows there: slow clients, broken requests."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from serving.protocol import HEADER_BYTES, DeadlineProtocol

PATIENCE_SECONDS = 30.0  # a loaded machine may take so long over anything here


@contextmanager
def listening(app: Any, **deadlines: float) -> Iterator[tuple[str, int]]:
    """The address of a server of ours, in a thread of this process, with deadlines of the test."""
    protocol = type("Protocol", (DeadlineProtocol,), deadlines)
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        until(lambda: server.started)
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)


def until(is_so: Any) -> None:
    """Waits until it is so; fails after a time that no machine needs."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Wire:
    """A connection on which a test writes its bytes and reads all that comes."""

    def __init__(self, address: tuple[str, int], *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect(address)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> "Wire":
        self.socket.sendall(data)
        return self

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: its status, headers and body."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, f"the connection ended after {head!r}"
            head += byte
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length, body = int(headers.get("content-length", "0")), b""
        while len(body) < length:
            body += self.socket.recv(length - len(body)) or b"!" * length
        return int(first.split()[1]), headers, body

    def rest(self) -> bytes:
        """Everything until the other side closes; what it broke off counts as closed too."""
        told = b""
        try:
            while part := self.socket.recv(65_536):
                told += part
        except ConnectionResetError:
            pass
        return told
