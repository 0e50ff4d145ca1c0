"""The commands that README and the documentation show, as one would type them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), ROOT / "data" / "README.md", *ROOT.glob("docs/**/*.md"))
    if path.name != "CHANGELOG.md"
)
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_OURS = re.compile(r"`(?:\.venv/bin/)?puntuale ([a-z][^`]*)`")
_VARIABLE = re.compile(r"\w+=\S*")


class Shown(NamedTuple):
    """A command on a page: its variables, the program without its folder, and its words."""

    page: str
    variables: dict[str, str]
    program: str
    words: tuple[str, ...]
    line: str


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Each block of a language (none for ""), with the name of its page."""
    for path in PAGES:
        for _, kind, text in _BLOCK.findall(path.read_text(encoding="utf-8")):
            if kind == language:
                yield path.relative_to(ROOT).as_posix(), text


def commands() -> list[Shown]:
    """Every command of a shell block, but those of docs/http.md, which have a test of their own."""
    return [
        command(page, line)
        for page, text in blocks("sh")
        if page != "docs/http.md"
        for line in text.replace("\\\n", " ").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]


def command(page: str, line: str) -> Shown:
    words = shlex.split(line, comments=True)
    variables = {}
    while words and _VARIABLE.fullmatch(words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    program = words[0].rpartition("/")[2]
    return Shown(page, variables, program, tuple(words[1:]), line.strip())


def in_prose() -> list[tuple[str, str]]:
    """Our commands in the middle of sentences, each with its page."""
    return [
        (path.relative_to(ROOT).as_posix(), said)
        for path in PAGES
        for said in _OURS.findall(path.read_text(encoding="utf-8"))
    ]
