"""Effects learned over the priors: the most specific one that is known holds."""

from pathlib import Path

import pytest

from models.action import Effect
from models.catalogue import Catalogue
from models.causes import CODES
from models.effect_table import PRIORS, SOURCES, EffectTable, LearnedEffect

CALL = Catalogue.load().action("call")
HABIT, DIFFICULTY = CODES.index("habit"), CODES.index("difficulty")


def learned(days: float, **of: str) -> LearnedEffect:
    unpaid = Effect(0.1, 0.0, 0.2)
    return LearnedEffect("call", Effect(days, days - 1, days + 1), unpaid, "observational", **of)


def expected(table: EffectTable, cause: int, segment: str | None) -> float:
    return float(table.cells(CALL).days[0, cause, table.segment_places([segment])[0]])


def test_the_most_specific_effect_holds_and_causes_go_before_segments() -> None:
    rows = [
        learned(4, cause="habit", segment="small"),
        learned(1),
        learned(3, cause="habit"),
        learned(2, segment="small"),
    ]
    for order in (rows, rows[::-1]):
        table = EffectTable.of(order)
        assert expected(table, HABIT, "small") == 4
        assert expected(table, HABIT, "large") == 3
        assert expected(table, HABIT, None) == 3
        assert expected(table, DIFFICULTY, "small") == 2
        assert expected(table, DIFFICULTY, "large") == 1


def test_what_was_not_learned_is_the_prior() -> None:
    table = EffectTable.of([learned(9, cause="habit")])
    cells = table.cells(CALL)
    assert cells.days[:, DIFFICULTY, 0].tolist() == [4.0, 1.0, 8.0]
    assert SOURCES[cells.source[DIFFICULTY, 0]] == "prior"
    assert SOURCES[cells.source[HABIT, 0]] == "observational"
    reminder = Catalogue.load().action("reminder_1")
    assert (table.cells(reminder).source == SOURCES.index("prior")).all()


def test_all_faults_are_told_at_once() -> None:
    wrong = [
        LearnedEffect("call", Effect(1, 2, 3), Effect(0, 0, 0), "prior", cause="luck"),
        LearnedEffect("call", Effect(1, 0, 3), Effect(0, 0, 0), "guessed"),  # type: ignore[arg-type]
        learned(1, cause="habit"),
        learned(2, cause="habit"),
    ]
    with pytest.raises(ValueError, match="learned effects") as refused:
        EffectTable.of(wrong)
    for fault in ("cause must be", "days must be lowest", "source must be", "habit: is told twice"):
        assert fault in str(refused.value)


def test_effects_are_read_from_a_file_and_are_the_priors_without_one(tmp_path: Path) -> None:
    assert EffectTable.load(tmp_path / "effects.toml") is PRIORS
    path = tmp_path / "effects.toml"
    path.write_text(
        "[[effects]]\naction = 'call'\ncause = 'habit'\nsegment = ''\ndays = [5.0, 4.0, 6.0]\n"
        "unpaid = [0.1, 0.0, 0.2]\nsource = 'randomised'\n"
    )
    assert expected(EffectTable.load(path), HABIT, None) == 5
