"""Every command with its arguments and options, as the command line itself knows them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import typer

from docs.made.markdown import code, sentence, table
from serving.cli import app

TYPES: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "",
    datetime: "a day, YYYY-MM-DD",
    Path: "a path",
}


def commands() -> Iterator[tuple[str, Any]]:
    """Each command by the words that call it, `puntuale keys make`; groups that have options."""
    yield from _below("puntuale", typer.main.get_command(app))


def _below(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    within = getattr(command, "commands", {})
    if not within or command.params:
        yield words, command
    for name in within:
        yield from _below(f"{words} {name}", within[name])


def markdown() -> str:
    """A section for each command."""
    return "\n".join(_section(words, command) for words, command in commands())


def _section(words: str, command: Any) -> str:
    shown = [parameter for parameter in command.params if not parameter.hidden]
    rows = [
        (_name(parameter), _kind(parameter), sentence(parameter.help or ""), _default(parameter))
        for parameter in shown
    ]
    of_options = table(("argument or option", "takes", "meaning", "default"), rows) if rows else ""
    return f"## {words}\n\n{sentence(command.help)}\n\n{of_options}"


def _name(parameter: Any) -> str:
    if not _is_option(parameter):
        return code(parameter.name.upper())
    return ", ".join(code(option) for option in parameter.opts)


def _is_option(parameter: Any) -> bool:
    return parameter.opts[0].startswith("-")


def _kind(parameter: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return ""
    said = [_type(parameter)]
    said += [f"at least {parameter.min}"] if parameter.min is not None else []
    said += [f"at most {parameter.max}"] if parameter.max is not None else []
    said += ["several times"] if parameter.multiple else []
    said += ["needed"] if parameter.required else []
    return ", ".join(word for word in said if word)


def _type(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    return TYPES[(get_args(kind) or (kind,))[0]]


def _default(parameter: Any) -> str:
    default = parameter.default
    return "" if default in (None, False, (), []) else code(default)
