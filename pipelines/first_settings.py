"""A first `.env`: every setting with its meaning as a comment, and those that are known, set."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from models import durable

_EXAMPLE = ".env.example"
_PLAIN = re.compile(r"[\w./:+~-]+")


class FileThere(FileExistsError):  # noqa: N818 - the name says what happened
    """A file that would be written is there already."""


def text(given: Mapping[str, str]) -> str:
    """The settings file: all settings as comments, these without the `#`."""
    lines, left = [], dict(given)
    for line in example().splitlines():
        name = line.removeprefix("# PUNTUALE_").partition("=")[0].lower()
        is_setting = line.startswith("# PUNTUALE_") and name in left
        lines.append(f"PUNTUALE_{name.upper()}={_quoted(left.pop(name))}" if is_setting else line)
    lines += [f"PUNTUALE_{name.upper()}={_quoted(value)}" for name, value in left.items()]
    return "\n".join(lines) + "\n"


@cache
def example() -> str:
    """What is said of every setting: beside the sources, or in the installed package."""
    here = Path(__file__).parent
    for path in (here / "settings.env", here.parent / _EXAMPLE):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return "# Settings of Puntuale: every one is explained in the project's .env.example.\n"


def write_all(files: Mapping[Path, str], *, overwrite: bool) -> None:
    """Write each file whole; raises FileThere, before any is written, where one is there."""
    if not overwrite:
        refuse_if_there(files)
    for path, content in files.items():
        durable.make(path.parent)
        durable.write(path, content.encode())


def refuse_if_there(paths: Iterable[Path]) -> None:
    """Raises FileThere, naming all that are there."""
    if there := [str(path) for path in paths if path.exists()]:
        raise FileThere(
            f"{' and '.join(there)} would be overwritten, and nothing was written: add "
            "--overwrite, or choose another folder with --to"
        )


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
