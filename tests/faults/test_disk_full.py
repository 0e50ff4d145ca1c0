"""The disk is full at byte k: a loud error, the old night is read, the next one is whole."""

import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import thorough

from pipelines.records import audit
from pipelines.records.audit import Writer
from pipelines.records.database import RecordsAway, open_database
from tests.pipelines.killed_writers import forked, publish, seen

DISK_BYTES = 1 << 20


def in_a_process(work: Callable[[], None]) -> int:
    """The exit code of this work in a process of its own: 1 where it failed with an error."""

    def told() -> None:
        try:
            work()
        except Exception:  # the disk's, SQLite's or Arrow's own
            os._exit(1)

    _, status = os.waitpid(forked(told), 0)
    assert os.WIFEXITED(status), "it must not be killed"
    return os.WEXITSTATUS(status)


def limited(file_bytes: int, work: Callable[[], None]) -> Callable[[], None]:
    """The work where no file can grow beyond so many bytes: its write fails at that byte."""

    def under_the_limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        work()

    return under_the_limit


def test_f3_a_write_that_fails_at_byte_k_fails_the_night_and_not_the_one_before(
    tmp_path: Path,
) -> None:
    publish(tmp_path, 0)
    before = seen(tmp_path)
    largest = max(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    count = thorough.often(8, thorough=100)
    failed = 0
    for turn in range(count):
        room = 1 + turn * largest // count

        failed += in_a_process(limited(room, lambda: publish(tmp_path, 1)))
        assert seen(tmp_path) == before
    assert failed == count

    publish(tmp_path, 1)
    assert seen(tmp_path) != before
    assert not list(tmp_path.glob(".*"))


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of its own, of a megabyte; skips where none may be mounted."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("only root may mount a small disk")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def test_f3_a_full_disk_fails_the_night_and_not_the_one_before() -> None:
    with small_disk() as disk:
        root, ballast = disk / "scores", disk / "ballast"
        publish(root, 0)
        before, failed = seen(root), 0
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        count = thorough.often(4, thorough=40)
        for turn in range(count):
            room = turn * 40_960 // count
            ballast.write_bytes(b"x" * max(free - room, 0))
            failed += in_a_process(lambda: publish(root, 1))
            assert seen(root) == before
        assert failed == count
        ballast.unlink()
        publish(root, 1)
        assert seen(root) != before


def test_f3_records_on_a_full_disk_take_nothing_by_half_and_go_on_afterwards() -> None:
    writer = Writer("maria", datetime(2026, 7, 1, tzinfo=UTC))
    with small_disk() as disk:
        database = open_database(f"sqlite:///{disk / 'records.db'}")
        written = 0
        for _ in range(DISK_BYTES // 40_000):
            try:
                with database.writing() as connection:
                    audit.note(connection, writer, "tested", "x" * 20_000)
                    audit.note(connection, writer, "tested", "y" * 20_000)
            except RecordsAway:
                break
            written += 2
        else:
            pytest.fail("the disk took more than it has")
        with database.reading() as connection:
            assert audit.first_broken(connection) is None
            assert len(connection.execute(audit.audit.select()).all()) == written > 0
        database.close()


def test_f4_a_file_system_that_is_read_only_fails_the_night_and_is_read() -> None:
    with small_disk() as disk:
        root = disk / "scores"
        publish(root, 0)
        before = seen(root)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(OSError, match="Read-only"):
            publish(root, 1)
        assert seen(root) == before
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        publish(root, 1)
        assert seen(root) != before
