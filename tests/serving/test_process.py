"""The process that serves, started as a supervisor starts it and told to end while it is asked."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import thorough

from tests.served import START_SECONDS, Asking, get, process, ready


@pytest.fixture(scope="module")
def home(tmp_path_factory, home_with):
    folder = tmp_path_factory.mktemp("served")
    home_with(folder, [{}])
    return folder


def test_f9_restarts_under_load_lose_no_request(home, tmp_path):
    """The socket stays with the supervisor, each process answers all that it has taken."""
    rounds = thorough.often(2, thorough=21)  # one restart less
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        address = listener.getsockname()
        clients = [Asking(address, until=ended) for _ in range(4)]
        for restart in range(rounds):
            with process(home, tmp_path / "log", listener=listener):
                assert ready(address)[0] == 200
                if not restart:
                    for client in clients:
                        client.start()
                before = [client.answered for client in clients]
                while any(c.answered < b + 20 for c, b in zip(clients, before, strict=True)):
                    assert not sum((c.failures for c in clients), [])
                    time.sleep(0.05)
                if restart == rounds - 1:
                    ended.set()
                    for client in clients:
                        client.join()
    assert sum((client.failures for client in clients), []) == []
    told = {"restarts": rounds - 1, "answered": sum(client.answered for client in clients)}
    (Path(os.environ.get("FAULTS_TOLD", tmp_path)) / "restarts.json").write_text(json.dumps(told))


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


def test_f10_a_process_that_is_stopped_is_replaced_and_the_others_serve(home, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = ("127.0.0.1", port)

    def children(pid):
        return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    with process(home, tmp_path / "log", workers=2, port=port) as started:
        ready(address)
        serving = {
            child
            for child in children(started.pid)
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()
        }
        assert len(serving) == 2
        stopped = min(serving)
        os.kill(int(stopped), signal.SIGSTOP)
        end = time.monotonic() + START_SECONDS
        while stopped in children(started.pid):
            assert time.monotonic() < end, "the process is not replaced"
            time.sleep(0.5)
        ready(address)
        assert get(address, "/v1/worklist")[0] == 200


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
