"""A mail server of a few lines: it takes what is sent on this machine, and keeps it."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Thread


@dataclass
class Sink:
    """What arrived, and which commands it came by."""

    url: str = ""
    offers: tuple[str, ...] = ()
    mails: list[EmailMessage] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@contextmanager
def listening(*offers: str) -> Iterator[Sink]:
    """A server on a free port that offers these extensions."""
    sink = Sink(offers=offers)

    class Session(socketserver.StreamRequestHandler):
        def answer(self, *lines: str) -> None:
            self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

        def handle(self) -> None:
            self.answer("220 here")
            while line := self.rfile.readline().decode().strip():
                sink.said.append(line)
                verb = line.split()[0].upper()
                if verb == "EHLO":
                    told = ["here", *sink.offers]
                    self.answer(*(f"250-{word}" for word in told[:-1]), f"250 {told[-1]}")
                elif verb == "DATA":
                    self.answer("354 go on")
                    body = b"".join(iter(self.rfile.readline, b".\r\n"))
                    sink.mails.append(message_from_bytes(body, policy=policy.default))  # type: ignore[arg-type]
                    self.answer("250 kept")
                else:
                    self.answer({"QUIT": "221 bye", "AUTH": "235 known"}.get(verb, "250 well"))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        sink.url = f"smtp://{{}}127.0.0.1:{server.server_address[1]}"
        yield sink
        server.shutdown()
        thread.join()
