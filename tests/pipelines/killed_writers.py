"""Writers killed while they publish, each in its own process, and what a reader saw after each.

`python -m tests.pipelines.killed_writers FOLDER KILLS`: first one writer for every step at which
the disk is touched, killed right there, then as many as asked for, killed at random moments.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.store import ScoreStore
from tests.pipelines.drawn_scores import AS_OF, drawn_scores


def publish(root: Path, shift: int) -> None:
    store = ScoreStore(root)
    with store.writing() as run:
        store.publish(AS_OF, drawn_scores(300, shift=shift), run=run)


def publish_for_ever(root: Path, shift: int) -> None:
    for more in itertools.count():
        publish(root, shift + more)


def die_at(step: int) -> None:
    """Kill this process when it touches the disk for the n-th time."""
    left = itertools.count(step, -1)

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def touch(*given: Any) -> Any:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given)

        return touch

    for name in ("fsync", "rename", "replace", "mkdir"):
        setattr(os, name, dying(getattr(os, name)))


def forked(work: Callable[[], None]) -> int:
    """Starts the work in a process of its own, which ends with it, well or with code 1."""
    if child := os.fork():
        return child
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def seen(root: Path) -> dict[str, object]:
    """What a reader finds: opening checks every hash, and the row must be there."""
    snapshot = ScoreStore(root).current()
    assert snapshot is not None
    row = snapshot.get_invoice("INV-00299")
    return {"name": snapshot.name, "rows": snapshot.count(), "p": row and row["p_late_0"]}


def tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()  # or each child would carry the unwritten lines along


def main(root: Path, kills: int) -> None:
    publish(root, 0)
    for step in itertools.count():
        before = seen(root)

        def work(step: int = step) -> None:
            die_at(step)
            publish(root, 1_000 + step)

        _, status = os.waitpid(forked(work), 0)
        tell(how=f"step {step}", before=before, after=seen(root))
        if os.WIFEXITED(status):
            break

    dice = random.Random(5)
    for kill in range(kills):
        child = forked(lambda kill=kill: publish_for_ever(root, 10_000 * (kill + 1)))  # type: ignore[misc]
        time.sleep(dice.uniform(0.005, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        tell(how="random", after=seen(root))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
