"""Whatever stops a command is told with what to do next, and what is named is there."""

import ast
import builtins
import re
from pathlib import Path

import typer

from serving import cli, terminal

ROOT = Path(__file__).parents[2]
# They never stop a command: told over HTTP, or caught where they are raised.
NEVER_STOPS = {
    "AddressRefused",
    "Differs",
    "IssuerAway",
    "KeyReused",
    "NotFiltered",
    "NotPlain",
    "TokenRefused",
    "TooManyWebhooks",
    "_NotStrictError",
}


def _errors() -> dict[str, list[str]]:
    """Every class of error of ours, with its bases, by name."""
    bases: dict[str, list[str]] = {}
    for package in ("models", "pipelines", "serving"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    bases[node.name] = [ast.unparse(b).rpartition(".")[2] for b in node.bases]
    return {name: of for name, of in bases.items() if _is_error(name, bases)}


def _is_error(name: str, bases: dict[str, list[str]]) -> bool:
    if name in bases:
        return any(_is_error(base, bases) for base in bases[name])
    known = getattr(builtins, name, None)
    return isinstance(known, type) and issubclass(known, Exception)


def test_every_error_of_ours_says_what_to_do_next() -> None:
    ours = _errors()
    assert len(ours) > 30
    silent = [
        name
        for name, bases in ours.items()
        if not ({name, *bases} & terminal.NEXT.keys()) and name not in NEVER_STOPS
    ]
    assert silent == []
    assert NEVER_STOPS <= ours.keys()


def test_every_command_that_is_advised_is_there() -> None:
    commands = typer.main.get_command(cli.app).commands
    named = [word for advice in terminal.NEXT.values() for word in _commands(advice)]

    assert len(named) > 20
    assert [word for word in named if word not in commands] == []


def _commands(advice: str) -> list[str]:
    return re.findall(r"puntuale ([a-z]+)", advice)
