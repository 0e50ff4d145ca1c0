import os
from pathlib import Path

import pytest

from models import durable


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    durable.write(tmp_path / "a", b"old")
    durable.write(tmp_path / "a", b"new")

    assert (tmp_path / "a").read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_folder_appears_only_when_it_is_full(tmp_path: Path) -> None:
    with durable.folder(tmp_path / "deep" / "night") as aside:
        (aside / "one").write_bytes(b"1")
        assert not (tmp_path / "deep" / "night").exists()

    assert (tmp_path / "deep" / "night" / "one").read_bytes() == b"1"


def test_a_folder_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with durable.folder(tmp_path / "night") as aside:
            (aside / "one").write_bytes(b"1")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        fill()

    assert list(tmp_path.iterdir()) == []


def test_a_published_folder_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()

    with (
        pytest.raises(FileExistsError, match="never written over"),
        durable.folder(tmp_path / "night"),
    ):
        pass


def test_every_file_and_folder_is_flushed_before_the_rename_and_the_parent_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fsync, rename = os.fsync, os.rename

    def name(descriptor: int) -> str:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}")).name

    def flushing(descriptor: int) -> None:
        steps.append(f"flush {name(descriptor)}")
        fsync(descriptor)

    def renaming(source: Path, target: Path) -> None:
        steps.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", flushing)
    monkeypatch.setattr(os, "rename", renaming)
    with durable.folder(tmp_path / "night") as aside:
        (aside / "one").write_bytes(b"1")

    assert steps == ["flush one", f"flush {aside.name}", "rename", f"flush {tmp_path.name}"]


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".night.77.tmp").mkdir()
    (tmp_path / ".night.77.tmp" / "one").write_bytes(b"1")
    (tmp_path / ".CURRENT.77.tmp").write_bytes(b"x")
    (tmp_path / "CURRENT").write_bytes(b"kept")

    assert durable.sweep(tmp_path) == [".CURRENT.77.tmp", ".night.77.tmp"]
    assert [p.name for p in tmp_path.iterdir()] == ["CURRENT"]


def test_beside_writers_at_work_only_what_is_old_is_swept(tmp_path: Path) -> None:
    for name in (".aside.77.tmp", ".aside.78.tmp"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / ".aside.77.tmp", (0, 0))

    assert durable.sweep(tmp_path, older_than=3600) == [".aside.77.tmp"]
    assert (tmp_path / ".aside.78.tmp").is_dir()
