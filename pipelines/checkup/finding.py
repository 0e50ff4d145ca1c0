"""What a check found: whether it is well, and what to do where it is not."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "look", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `wrong` stops the work, `look` may become wrong."""

    what: str
    state: State
    found: str
    advice: str = ""


def well(what: str, found: str) -> Finding:
    return Finding(what, "ok", found)


def look(what: str, found: str, advice: str) -> Finding:
    return Finding(what, "look", found, advice)


def wrong(what: str, found: str, advice: str) -> Finding:
    return Finding(what, "wrong", found, advice)
