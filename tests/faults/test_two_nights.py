"""Two nights at once, in two real processes, one of them stopped in the middle."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.store import STUCK_SECONDS, RunOvertaken, ScoreStore, StoreBusy
from tests.pipelines.drawn_scores import AS_OF, drawn_scores

PROJECT = Path(__file__).parents[2]
STOPPING = """
import os, signal, sys
from pathlib import Path
from pipelines import store
from tests.pipelines.drawn_scores import AS_OF, drawn_scores

def stopping(*given, **named):
    os.kill(os.getpid(), signal.SIGSTOP)
    return real(*given, **named)

real = getattr(store, sys.argv[2])
setattr(store, sys.argv[2], stopping)
ours = store.ScoreStore(Path(sys.argv[1]))
with ours.writing() as run:
    ours.publish(AS_OF, drawn_scores(50, shift=1), run=run)
"""


def stopped(root: Path, *, before: str) -> subprocess.Popen[str]:
    """A run that holds the lock and has stopped before this step of publishing."""
    command = [sys.executable, "-c", STOPPING, str(root), before]
    run = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
    _, status = os.waitpid(run.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    return run


def publish(store: ScoreStore, shift: int) -> str:
    with store.writing() as run:
        return store.publish(AS_OF, drawn_scores(50, shift=shift), run=run)


@pytest.mark.parametrize(
    ("before", "fault"),
    [("write_lookup", "unable to open"), ("verify", RunOvertaken.__name__)],  # half, all but done
)
def test_f5_f22_a_run_that_stopped_holds_up_nobody_for_ever_and_publishes_nothing_late(
    tmp_path: Path, before: str, fault: str
) -> None:
    store = ScoreStore(tmp_path)
    first = publish(store, 0)
    late = stopped(tmp_path, before=before)
    try:
        with pytest.raises(StoreBusy, match="let it end"):
            publish(store, 2)
        assert store.current_name() == first

        hours_later = ScoreStore(tmp_path, clock=lambda: time.time() + STUCK_SECONDS + 60)
        newest = publish(hours_later, 2)
        late.send_signal(signal.SIGCONT)
        _, told = late.communicate(timeout=60)
    finally:
        late.kill()
        late.wait()

    assert late.returncode == 1
    assert fault in told
    assert store.current_name() == newest
    assert ScoreStore(tmp_path).current() is not None
    assert publish(store, 3) != newest, "and the store goes on"


def test_f22_a_run_that_was_killed_holds_up_nobody(tmp_path: Path) -> None:
    store = ScoreStore(tmp_path)
    late = stopped(tmp_path, before="verify")
    late.kill()
    late.communicate(timeout=60)
    assert publish(store, 2) == store.current_name()


def test_f17_a_clock_that_jumps_neither_loses_nor_doubles_a_night(tmp_path: Path) -> None:
    now = time.time()
    jumping = ScoreStore(tmp_path, clock=lambda: now)
    names = []
    for hours in (0, -1, 24, 23, 24 * 400, 0):
        now = time.time() + 3600 * hours
        names.append(publish(jumping, 5))
    assert set(names) == {jumping.current_name()}
    assert jumping.names() == names[:1]

    with jumping.writing() as run:
        now += 86_400  # a day too late by a clock that was wrong: another run takes over
        newest = publish(ScoreStore(tmp_path, clock=lambda: now), 6)
        with pytest.raises(RunOvertaken):
            jumping.publish(AS_OF, drawn_scores(50, shift=7), run=run)
    assert jumping.current_name() == newest
