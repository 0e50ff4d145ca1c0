"""The power goes: a file system is shut down and loses all that was not flushed."""

import fcntl
import itertools
import os
import random
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import thorough

from pipelines.records import audit
from pipelines.records.audit import Writer
from pipelines.records.database import open_database
from pipelines.store import ScoreStore
from tests.live import until
from tests.pipelines.drawn_scores import AS_OF, drawn_scores
from tests.pipelines.killed_writers import forked

SHUT_DOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
LOSE_THE_LOG = 2  # what the journal has not yet on the disk goes too
Tell = Callable[[int], None]


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, to be shut down; skips where none may be made."""
    image, place = folder / "image", folder / "disk"
    place.mkdir(exist_ok=True)
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(64 << 20)
        made = subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], capture_output=True)
        if made.returncode:
            pytest.skip("no ext4 file system can be made here")
    mount = ["mount", "-o", "loop", str(image), str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk")
    try:
        yield place
    finally:
        until(lambda: not subprocess.run(["umount", str(place)], capture_output=True).returncode)


def acknowledged_until_the_cut(folder: Path, work: Callable[[Path, Tell], None]) -> int:
    """Let it work on the disk, cut the power, and give the last number that it has told."""
    hears, tells = os.pipe()
    with disk(folder) as place:

        def telling() -> None:
            work(place, lambda number: void(os.write(tells, struct.pack("i", number))))

        worker = forked(telling)
        os.close(tells)
        told = os.read(hears, 4)
        time.sleep(random.Random(str(folder)).uniform(0, 0.3))
        at = os.open(place, os.O_RDONLY)
        os.set_blocking(hears, False)
        with suppress(BlockingIOError):  # after the cut nobody is told anything
            while part := os.read(hears, 4):
                told = part
        fcntl.ioctl(at, SHUT_DOWN, struct.pack("I", LOSE_THE_LOG))
        os.close(at)
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
    os.close(hears)
    return int(struct.unpack("i", told)[0])


def void(_: object) -> None:
    return None


def publish_nights(place: Path, tell: Tell) -> None:
    store = ScoreStore(place / "scores")
    for number in itertools.count():
        with store.writing() as run:
            scores = drawn_scores(50, shift=number)
            store.publish(AS_OF, scores, run=run, facts={"number": number})
            store.prune(keep=2, run=run)
        tell(number)


def publish_unflushed(place: Path, tell: Tell) -> None:
    os.fsync = void  # type: ignore[assignment]
    publish_nights(place, tell)


def write_lines(place: Path, tell: Tell) -> None:
    database = open_database(f"sqlite:///{place / 'records.db'}")
    for number in itertools.count(1):
        with database.writing() as connection:
            audit.note(connection, Writer("maria", datetime(2026, 7, 1, tzinfo=UTC)), "tested", "x")
        tell(number)


def found_night(folder: Path) -> int:
    with disk(folder) as place:
        try:
            snapshot = ScoreStore(place / "scores").current()
        except ValueError:  # damaged
            return -1
        if snapshot is None:
            return -1
        number = int(snapshot.manifest["facts"]["number"])
        snapshot.close()
        return number


def test_f2_a_night_that_was_acknowledged_outlives_the_power(tmp_path: Path) -> None:
    for turn in range(thorough.often(2, thorough=12)):
        folder = tmp_path / str(turn)
        folder.mkdir()
        told = acknowledged_until_the_cut(folder, publish_nights)
        assert found_night(folder) >= told
        (folder / "image").unlink()


def test_f2_without_the_flushes_it_would_not(tmp_path: Path) -> None:
    told = acknowledged_until_the_cut(tmp_path, publish_unflushed)
    assert found_night(tmp_path) < told


def test_f2_a_line_that_was_acknowledged_outlives_the_power(tmp_path: Path) -> None:
    for turn in range(thorough.often(2, thorough=12)):
        folder = tmp_path / str(turn)
        folder.mkdir()
        told = acknowledged_until_the_cut(folder, write_lines)
        with disk(folder) as place:
            database = open_database(f"sqlite:///{place / 'records.db'}")
            database.check()
            with database.reading() as connection:
                kept = len(connection.execute(audit.audit.select()).all())
                assert audit.first_broken(connection) is None
            database.close()
        assert kept >= told
        (folder / "image").unlink()
