"""A Prefect server of our own, for a schedule on a machine that has none."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

START_SECONDS = 300  # its first start makes a database, and the machine may be busy
END_SECONDS = 20


class ServerFailed(OSError):  # noqa: N818 - the name says what happened
    """Prefect's server ended, or did not answer in time."""


def require_scheduler(sqlalchemy: str) -> None:
    """Raises ServerFailed where this SQLAlchemy keeps Prefect's server from scheduling anything.

    Prefect 3.8 plans runs by a bulk insert that SQLAlchemy 2.1 refuses ("Can't evaluate bulk DML
    statement"): the server answers, logs the error, and no run ever comes due.
    """
    if tuple(int(part) for part in sqlalchemy.split(".")[:2]) >= (2, 1):
        raise ServerFailed(
            f"Prefect's server schedules nothing with SQLAlchemy {sqlalchemy}: pip install "
            "'sqlalchemy<2.1', or name another server in PREFECT_API_URL, or use the timer"
        )


@contextmanager
def running(environment: Mapping[str, str]) -> Iterator[str]:
    """The address of a server on this machine alone, which ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], env=dict(environment)
    )
    try:
        url = f"http://127.0.0.1:{port}/api"
        _wait(server, f"{url}/health")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if (code := server.poll()) is not None:
            raise ServerFailed(f"Prefect's server ended with the code {code}")
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.5)
    raise ServerFailed(f"Prefect's server did not answer within {START_SECONDS} s")
