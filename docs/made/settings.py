"""Every setting: its default and bounds from the class, its meaning from `.env.example`."""

import re
from collections.abc import Iterator
from pathlib import Path

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from docs.made.markdown import code, table
from pipelines.settings import Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
BOUNDS = {Ge: "at least {0.ge}", Gt: "above {0.gt}", Le: "at most {0.le}"}


def markdown() -> str:
    """One row for each paragraph of the example: settings that belong together stand together."""
    rows = [
        (
            "<br>".join(f"`{name}`" for name in names),
            "<br>".join(_default(name) or "–" for name in names),
            meaning,
        )
        for names, meaning in paragraphs()
    ]
    return table(("variable", "default", "meaning"), rows)


def paragraphs() -> Iterator[tuple[list[str], str]]:
    """The names of each paragraph of `.env.example`, and what it says of them."""
    for block in EXAMPLE.read_text(encoding="utf-8").split("\n\n"):
        lines = [line.removeprefix("#").strip() for line in block.splitlines()]
        names = [found[1] for line in lines if (found := re.match(r"(PUNTUALE_\w+)=", line))]
        said = " ".join(line for line in lines if not re.match(r"PUNTUALE_\w+=", line))
        if names:
            yield names, said


def _default(name: str) -> str:
    field = Settings.model_fields[name.removeprefix("PUNTUALE_").lower()]
    default = "" if field.default in (None, ()) else field.default
    return ", ".join(part for part in (code(default), *_bounds(field)) if part)


def _bounds(field: FieldInfo) -> Iterator[str]:
    for rule in field.metadata:
        if said := BOUNDS.get(type(rule)):
            yield said.format(rule)
