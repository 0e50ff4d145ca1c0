"""PostgreSQL goes away in the middle, is slow, and comes back: 503 in time, and no restart."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import databases
import pytest
import sqlalchemy as sa

from pipelines.records.database import BUSY_SECONDS
from serving.problems import Problem
from serving.records_at_hand import RecordsAtHand


class Line:
    """A line to the server that can be cut, mended and slowed down."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server, self.is_cut, self.delay_seconds = server, False, 0.0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self.is_cut = True
        for end in self.open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.open.clear()

    def mend(self) -> None:
        self.is_cut = False

    def close(self) -> None:
        self.cut()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                if self.is_cut:
                    near.close()
                    continue
                far = socket.create_connection(self.server)
                self.open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while part := one.recv(65_536):
                time.sleep(self.delay_seconds)
                other.sendall(part)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def line(tmp_path) -> Iterator[tuple[Line, RecordsAtHand]]:
    with databases.empty("postgresql", tmp_path) as url:
        address = sa.make_url(url)
        line = Line((address.host or "127.0.0.1", address.port or 5432))
        through = address.set(host="127.0.0.1", port=line.listener.getsockname()[1])
        records = RecordsAtHand(through.render_as_string(hide_password=False))
        try:
            yield line, records
        finally:
            line.close()
            records.close()


def asked(records: RecordsAtHand) -> int:
    with records.reading() as connection:
        return int(connection.scalar(sa.text("SELECT 1")))


@contextmanager
def refused_in_time() -> Iterator[None]:
    began = time.monotonic()
    with pytest.raises(Problem) as refused:
        yield
    assert refused.value.status_code == 503
    assert refused.value.headers["Retry-After"]
    assert time.monotonic() - began < 10 * BUSY_SECONDS, "and not after minutes"


@pytest.mark.postgres
def test_f20_a_database_that_goes_and_comes_back_is_used_again_without_a_restart(line):
    wire, records = line
    assert asked(records) == 1
    for _ in range(3):
        wire.cut()
        with refused_in_time():
            asked(records)
        wire.mend()
        assert asked(records) == 1, "the first request after it is back is answered"


@pytest.mark.postgres
def test_f20_a_transaction_whose_database_goes_away_is_503_and_left_no_half(line):
    wire, records = line
    with records.writing() as connection:
        connection.execute(sa.text("CREATE TABLE kept (n int)"))

    def write() -> None:
        with records.writing() as connection:
            connection.execute(sa.text("INSERT INTO kept VALUES (1)"))
            wire.cut()
            connection.execute(sa.text("INSERT INTO kept VALUES (2)"))

    with refused_in_time():
        write()
    wire.mend()
    with records.reading() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM kept")) == 0


@pytest.mark.postgres
def test_f20_a_slow_line_is_waited_for(line):
    wire, records = line
    asked(records)
    wire.delay_seconds = 0.1
    assert asked(records) == 1


@pytest.mark.postgres
def test_f20_when_every_connection_is_taken_the_next_is_refused(line, monkeypatch):
    _, records = line
    pool = records.database().engine.pool
    monkeypatch.setattr(pool, "_timeout", 0.2)
    taken = [pool.connect() for _ in range(pool.size() + pool._max_overflow)]
    try:
        with refused_in_time():
            asked(records)
    finally:
        for connection in taken:
            connection.close()
    assert asked(records) == 1
