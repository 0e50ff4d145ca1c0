"""A feature: one expression as of a day, and how to say its value to a person."""

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.as_of import Node

WINDOWS = (None, 90, 180, 365)


@dataclass(frozen=True)
class Feature:
    """One column of the book. The sentences have places for {value} and {usual}."""

    name: str
    family: str
    cause: str  # the reason under which a person finds it
    node: Node
    unit: str  # how `models.wording` says its value
    usual: tuple[float, float]  # the range in which most customers lie
    it: str
    en: str


def family(name: str, *, cause: str) -> Callable[..., Feature]:
    """Makes the features of one family; a line may name another cause than the family's."""

    def feature(
        name_: str,
        node: Node,
        unit: str,
        usual: tuple[float, float],
        *,
        it: str,
        en: str,
        cause: str = cause,
    ) -> Feature:
        return Feature(name_, name, cause, node, unit, usual, it, en)

    return feature


def suffix(days: int | None) -> str:
    """What a window adds to a feature's name."""
    return "" if days is None else f"_{days}"


def over_it(days: int | None) -> str:
    return "" if days is None else f" negli ultimi {days} giorni"


def over_en(days: int | None) -> str:
    return "" if days is None else f" over the last {days} days"
