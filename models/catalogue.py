"""The catalogue of actions, read from TOML: a company's file over any part of ours."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from models.action import Action, CatalogueError, Economics, Limit
from models.catalogue_checks import read


@dataclass(frozen=True)
class Catalogue:
    """The actions in the order of the file, the economics that weigh them, and what a day holds."""

    actions: tuple[Action, ...]
    economics: Economics
    capacity: Mapping[str, Limit] = field(default_factory=dict)  # by channel; absent: no limit

    @property
    def enabled(self) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.enabled)

    def action(self, code: str) -> Action:
        for action in self.actions:
            if action.code == code:
                return action
        known = ", ".join(action.code for action in self.actions)
        raise ValueError(f"action must be one of {known}, got: {code}")

    @property
    def version(self) -> str:
        """A short name that changes with anything the catalogue says."""
        said = repr((self.actions, self.economics, sorted(self.capacity.items())))
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    @classmethod
    def load(cls, path: str | Path | None = None) -> "Catalogue":
        """The shipped catalogue, with what the file at `path` says in place of it."""
        return cls.parse(Path(path).read_text("utf-8")) if path else _shipped()

    @classmethod
    def parse(cls, text: str) -> "Catalogue":
        """The shipped catalogue, with what this TOML text says in place of it."""
        try:
            ours, theirs = tomllib.loads(_shipped_text()), tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            raise CatalogueError(f"the catalogue must be TOML: {fault}") from None
        return cls(*read(_over(ours, theirs)))


def _shipped_text() -> str:
    return Path(__file__).with_name("actions.toml").read_text("utf-8")


@cache
def _shipped() -> Catalogue:
    return Catalogue.parse("")


def _over(ours: Mapping[str, object], theirs: Mapping[str, object]) -> dict[str, object]:
    """Their values in place of ours, table by table."""
    merged = dict(ours)
    for key, value in theirs.items():
        mine = ours.get(key)
        both = isinstance(mine, Mapping) and isinstance(value, Mapping)
        merged[key] = _over(mine, value) if both else value  # type: ignore[arg-type]
    return merged
