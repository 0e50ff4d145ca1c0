"""The real service as a process of its own, started as a supervisor would, and clients of it."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

START_SECONDS = 300.0  # what a process may take to answer on a machine that has much else to do

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
    connection = http.client.HTTPConnection(*address, timeout=START_SECONDS)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def ready(address):
    """Waits until a process answers at this address."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            return get(address, "/healthz")
        except OSError:
            assert time.monotonic() < end, "no process answers"
            time.sleep(0.1)


class Asking(threading.Thread):
    """Asks again and again, on one connection for as long as it is kept open."""

    def __init__(self, address, *, until, ask=("GET", "/v1/worklist"), see=lambda told: None):
        super().__init__(daemon=True)
        self.address, self.ended, self.ask, self.see = address, until, ask, see
        self.answered, self.failures = 0, []

    def run(self):
        connection = http.client.HTTPConnection(*self.address, timeout=START_SECONDS)
        while not self.ended.is_set():
            try:
                connection.request(*self.ask)
                answer = connection.getresponse()
                told = answer.read()
                assert answer.status == 200, (answer.status, told[:300])
                self.see(told)
                self.answered += 1
            except Exception as failure:
                self.failures.append(repr(failure))
                connection.close()
        connection.close()
