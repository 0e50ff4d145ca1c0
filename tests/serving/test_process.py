"""The process that serves, started as a supervisor starts it and told to end while it is asked."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from tests.live import PATIENCE_SECONDS

SERVE = """
from pipelines.settings import Settings
from serving.process import serve
serve(Settings())
"""
# systemd hands a socket over as number 3, and says for which process it is meant
HAND_OVER = """
import os
os.dup2(int(os.environ["GIVEN"]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, home_with):
    folder = tmp_path_factory.mktemp("served")
    home_with(folder, [{}])
    return folder


@contextmanager
def process(home, log, *, listener=None, **given):
    """A served process, ended by SIGTERM unless it has ended before."""
    settings = {f"PUNTUALE_{name.upper()}": str(value) for name, value in given.items()}
    env = os.environ | {"PUNTUALE_HOME": str(home), "OMP_NUM_THREADS": "1"} | settings
    command, fds = [sys.executable, "-c", SERVE], ()
    if listener is not None:
        fds = (listener.fileno(),)
        env["GIVEN"] = str(listener.fileno())
        command[2] = HAND_OVER + SERVE
    with log.open("a") as out:
        started = subprocess.Popen(command, env=env, pass_fds=fds, stderr=out, stdout=out)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            started.wait(60)
        started.kill()
        started.wait()


def get(address, path):
    connection = http.client.HTTPConnection(*address, timeout=2 * PATIENCE_SECONDS)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def ready(address):
    """Waits until a process answers at this address."""
    end = time.monotonic() + 2 * PATIENCE_SECONDS
    while True:
        try:
            return get(address, "/healthz")
        except OSError:
            assert time.monotonic() < end, "no process answers"
            time.sleep(0.1)


class Asking(threading.Thread):
    """Asks again and again, on one connection for as long as it is kept open."""

    def __init__(self, address, *, until):
        super().__init__(daemon=True)
        self.address, self.ended = address, until
        self.answered, self.failures = 0, []

    def run(self):
        connection = http.client.HTTPConnection(*self.address, timeout=2 * PATIENCE_SECONDS)
        while not self.ended.is_set():
            try:
                connection.request("GET", "/v1/worklist")
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
                self.answered += 1
            except Exception as failure:
                self.failures.append(repr(failure))
                connection.close()
        connection.close()


def test_restarts_under_load_lose_no_request(home, tmp_path):
    """F9: the socket stays with the supervisor, each process answers all that it has taken."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        address = listener.getsockname()
        clients = [Asking(address, until=ended) for _ in range(4)]
        for restart in range(2):
            with process(home, tmp_path / "log", listener=listener):
                assert ready(address)[0] == 200
                if not restart:
                    for client in clients:
                        client.start()
                before = [client.answered for client in clients]
                while any(c.answered < b + 20 for c, b in zip(clients, before, strict=True)):
                    assert not sum((c.failures for c in clients), [])
                    time.sleep(0.05)
                if restart:
                    ended.set()
                    for client in clients:
                        client.join()
    assert sum((client.failures for client in clients), []) == []


def test_several_processes_answer_together_and_add_up_what_they_count(home, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = ("127.0.0.1", port)
    with process(home, tmp_path / "log", workers=2, port=port) as started:
        ready(address)
        for _ in range(20):
            assert get(address, "/v1/worklist")[0] == 200
        told = get(address, "/metrics")[1].decode()
        counted = 'puntuale_requests_total{method="GET",route="/v1/worklist",status="200"} 20.0'
        assert counted in told, told[:2000]
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) == 0
    lines = (tmp_path / "log").read_text().splitlines()
    assert all(line.startswith("{") and line.endswith("}") for line in lines), lines[:5]


def test_what_was_made_at_the_start_is_never_searched_again(home):
    made = "import gc; from serving.process import service; service(); print(gc.get_freeze_count())"
    told = subprocess.run(
        [sys.executable, "-c", made],
        env=os.environ | {"PUNTUALE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(told.stdout.split()[-1]) > 10_000
