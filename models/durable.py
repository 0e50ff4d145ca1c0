"""Files that survive a kill and a power cut: written aside, flushed to the disk, then renamed.

A rename without the flushes loses an acknowledged file when the power goes; so does a flushed file
in a folder that was not flushed. Everything that must last is written through this room.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".tmp"  # what a killed writer leaves behind ends so, and is swept at the next start


def write(path: Path, content: bytes) -> None:
    """Put the content at the path: a reader sees all of the old file or all of the new."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    flush(path.parent)


@contextmanager
def aside(parent: Path) -> Iterator[Path]:
    """A temporary folder to fill and then to `place`; what was not placed is removed."""
    make(parent)
    temporary = parent / f".aside.{os.getpid()}{TEMPORARY}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def place(filled: Path, path: Path) -> None:
    """Give a filled folder its name, once the disk holds all that is in it.

    Raises FileExistsError when the name is taken: what was published is never written over.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists already and is never written over")
    for inside in sorted(filled.rglob("*")):
        flush(inside)
    flush(filled)
    os.rename(filled, path)
    flush(path.parent)


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A temporary folder to fill; it becomes `path` when the block ends without an error."""
    with aside(path.parent) as filled:
        yield filled
        place(filled, path)


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


def remove(path: Path) -> None:
    """Take a folder away: it loses its name at once, and its files after that."""
    gone = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    os.rename(path, gone)
    flush(path.parent)
    shutil.rmtree(gone)


def sweep(root: Path, *, older_than: float | None = None) -> list[str]:
    """Remove what killed writers left in a folder; the caller knows that no writer is alive.

    Where one may be, only what nobody has written into for so many seconds goes.
    """
    left = sorted(p for p in root.glob(f".*{TEMPORARY}")) if root.is_dir() else []
    if older_than is not None:
        left = [p for p in left if p.stat().st_mtime < time.time() - older_than]
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return [path.name for path in left]
