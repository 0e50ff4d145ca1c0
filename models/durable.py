"""Files that survive a kill and a power cut: written aside, flushed to the disk, then renamed.

A rename without the flushes loses an acknowledged file when the power goes; so does a flushed file
in a folder that was not flushed. Everything that must last is written through this room.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".tmp"  # what a killed writer leaves behind ends so, and is swept at the next start


def write(path: Path, content: bytes) -> None:
    """Put the content at the path: a reader sees all of the old file or all of the new."""
    aside = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    flush(path.parent)


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill; it becomes `path` when the block ends without an error.

    Raises FileExistsError when `path` is there: what was published is never written over.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists already and is never written over")
    make(path.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        for inside in sorted(aside.rglob("*")):
            flush(inside)
        flush(aside)
        os.rename(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    flush(path.parent)


def make(path: Path) -> None:
    """Make the folder and its parents, so that they outlive a power cut."""
    if path.is_dir():
        return
    make(path.parent)
    path.mkdir(exist_ok=True)
    flush(path.parent)


def flush(path: Path) -> None:
    """Wait until the disk holds the file's content, or the folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(root: Path) -> list[str]:
    """Remove what killed writers left in a folder; the caller knows that no writer is alive."""
    left = sorted(p for p in root.glob(f".*{TEMPORARY}")) if root.is_dir() else []
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return [path.name for path in left]
