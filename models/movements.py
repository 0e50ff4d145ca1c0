"""Movements: how a value that has a side is said, by which side and how far, never by a minus."""

from collections.abc import Callable
from typing import NamedTuple

Size = Callable[[float, str, str], str]  # a value in a unit, as a language writes it


class Sides(NamedTuple):
    """How to say more, less and neither in one language."""

    more: str
    less: str
    neither: str


class Movement(NamedTuple):
    """The unit of the size, what turns the value into it, and the words by language."""

    unit: str
    factor: float
    it: Sides
    en: Sides


MOVEMENTS = {
    "days_later": Movement(
        "days",
        1,
        Sides("{} più tardi", "{} prima", "come sempre"),
        Sides("{} later", "{} sooner", "as ever"),
    ),
    "days_longer": Movement(
        "days",
        1,
        Sides("{} più lunghi", "{} più corti", "gli stessi"),
        Sides("{} longer", "{} shorter", "the same"),
    ),
    "days_until": Movement(
        "days",
        1,
        Sides("tra {}", "passata da {}", "oggi"),
        Sides("{} away", "{} past", "today"),
    ),
    "days_a_day": Movement(  # said by the month: nobody thinks of hundredths of a day
        "days",
        30,
        Sides("cresce di {} al mese", "cala di {} al mese", "non cambia"),
        Sides("grows by {} a month", "shrinks by {} a month", "does not change"),
    ),
    "share_grown": Movement(
        "share",
        1,
        Sides("salito del {}", "sceso del {}", "rimasto lo stesso"),
        Sides("risen by {}", "fallen by {}", "stayed the same"),
    ),
    "share_missing": Movement(
        "share",
        1,
        Sides(
            "manca il {} di quanto è scaduto",
            "è entrato il {} in più di quanto è scaduto",
            "non manca nulla di quanto è scaduto",
        ),
        Sides(
            "{} of what fell due is missing",
            "{} more was paid than fell due",
            "nothing of what fell due is missing",
        ),
    ),
    "cents_left": Movement(
        "cents",
        1,
        Sides("lascia ancora {}", "è superato di {}", "è tutto usato"),
        Sides("leaves {} more", "is exceeded by {}", "is used up"),
    ),
    "safer": Movement(
        "number",
        1,
        Sides("migliorato di {}", "peggiorato di {}", "rimasto lo stesso"),
        Sides("become better by {}", "become worse by {}", "stayed the same"),
    ),
    "deviations": Movement(
        "tenths",
        1,
        Sides("sopra la media di {} scarti tipici", "sotto la media di {} scarti tipici", "medio"),
        Sides(
            "{} standard deviations above average",
            "{} standard deviations below average",
            "average",
        ),
    ),
}


def said(value: float, unit: str, language: str, *, size: Size) -> str:
    """The movement in words; one that is too small to be written is none."""
    movement = MOVEMENTS[unit]
    sides = movement.it if language == "it" else movement.en
    far = size(abs(value) * movement.factor, movement.unit, language)
    if far == size(0.0, movement.unit, language):
        return sides.neither
    return (sides.more if value > 0 else sides.less).format(far)
