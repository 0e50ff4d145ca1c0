"""Servers killed while rows are sent to them, and what the records hold at the end.

`python -m tests.faults.killed_servers HOME KILLS`: a supervisor starts the real service on a socket
of its own, kills it at a random moment after it answers, and starts it again. Meanwhile clients
send batches of rows, each with its own idempotency key, and each until it is acknowledged. The
database is that of the settings (PUNTUALE_DATABASE_URL).
"""

import http.client
import json
import os
import random
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

import serving.app  # noqa: F401  # the servers are forked with their libraries loaded
from pipelines.records import audit, ledger_rows, tables
from pipelines.records.database import open_database
from pipelines.settings import Settings
from serving import process

CLIENTS, ROWS = 3, 40  # a batch has one row more, which is wrong and must be held once
LONGEST_SECONDS = 0.8  # between the first answer and the kill: some batches are written by then
Address = tuple[str, int]


def supervise(listener: socket.socket, kills: int, told: int) -> None:
    """Kill so many servers, tell of each, and leave the last one to end in peace."""
    dice = random.Random(kills)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    for _ in range(kills):
        server = forked_server(listener)
        is_answering(listener.getsockname())
        time.sleep(dice.uniform(0, LONGEST_SECONDS))
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        os.write(told, b"x")
    server = forked_server(listener)
    os.write(told, b"!")
    stopped.wait()
    os.kill(server, signal.SIGTERM)
    os.waitpid(server, 0)


def forked_server(listener: socket.socket) -> int:
    if child := os.fork():
        return child
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(listener.fileno(), process.FIRST_SOCKET)
    os.environ["LISTEN_PID"] = str(os.getpid())
    process.serve(Settings())
    os._exit(0)


def is_answering(address: Address) -> None:
    while True:
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(*address, timeout=30)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            connection.close()
            return


@dataclass
class Client(threading.Thread):
    """Sends its batches one after the other, each until it is acknowledged."""

    number: int
    address: Address
    ended: threading.Event
    acknowledged: list[dict[str, object]] = field(default_factory=list)
    broken: int = 0  # requests whose connection broke
    replayed: int = 0  # answers to a batch that had been written before its server died

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        batch = 0
        while not self.ended.is_set():
            body, headers = self.batch(batch)
            try:
                connection.request("PUT", "/v1/ledger/invoices", body, headers)
                answer = connection.getresponse()
                told = json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection.close()
                continue
            if answer.status == 200:
                self.replayed += answer.headers.get("Idempotent-Replayed") == "true"
                self.acknowledged.append({name: told[name] for name in ("accepted", "held")})
                batch += 1
            elif answer.status != 503:
                raise AssertionError(told)
        connection.close()

    def batch(self, number: int) -> tuple[bytes, dict[str, str]]:
        name = f"{self.number}-{number}"
        rows: list[dict[str, object]] = [
            {"invoice_id": f"{name}-{row}", "customer_id": "C1", "due_date": "2026-07-01"}
            | {"amount": 100.5}
            for row in range(ROWS)
        ]
        rows.append({"invoice_id": f"{name}-wrong", "customer_id": "C1", "due_date": "2026-02-31"})
        key = f"batch-{name}"
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return json.dumps({"rows": rows}).encode(), headers


def found(settings: Settings) -> dict[str, object]:
    """What the records hold, counted; asked of the database itself."""
    database = open_database(settings.records_url)
    database.check()
    rows, held = tables.ledger_rows, tables.held_rows
    with database.reading() as connection:
        revisions = connection.scalar(sa.select(sa.func.count()).select_from(rows))
        waiting = connection.scalar(sa.select(sa.func.count()).select_from(held))
        noted = connection.scalar(sa.select(sa.func.count()).select_from(tables.audit))
        told: dict[str, object] = {
            "in_force": ledger_rows.count(connection).get("invoices", 0),
            "revisions": revisions,
            "held": waiting,
            "audit_lines": noted,
            "audit_broken": audit.first_broken(connection),
        }
    database.close()
    return told


def main(home: Path, kills: int) -> None:
    os.environ["PUNTUALE_HOME"] = str(home)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        address = listener.getsockname()
        hears, tells = os.pipe()
        supervisor = os.fork()
        if not supervisor:
            os.close(hears)
            supervise(listener, kills, tells)
            os._exit(0)
        os.close(tells)
        ended = threading.Event()
        clients = [Client(number, address, ended) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        killed = 0
        while not (told := os.read(hears, 64)).endswith(b"!"):
            assert told, "the supervisor died"
            killed += len(told)
        killed += len(told) - 1
        is_answering(address)
        before = [len(client.acknowledged) for client in clients]
        while any(len(c.acknowledged) == b for c, b in zip(clients, before, strict=True)):
            time.sleep(0.05)
        ended.set()
        for client in clients:
            client.join()
        os.kill(supervisor, signal.SIGTERM)
        os.waitpid(supervisor, 0)

    batches = [batch for client in clients for batch in client.acknowledged]
    answer = {
        "kills": killed,
        "broken": sum(client.broken for client in clients),
        "replayed": sum(client.replayed for client in clients),
        "batches": len(batches),
        "accepted": sum(int(str(batch["accepted"])) for batch in batches),
        "held_told": sum(int(str(batch["held"])) for batch in batches),
        **found(Settings()),
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
