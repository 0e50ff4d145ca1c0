"""`puntuale effects`: what is believed of each action, what was before, and on what evidence."""

import json
from datetime import date
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import drawn_logs as world
import numpy as np
import pytest
from ledgers import drawn, to_ledger
from typer.testing import CliRunner

from models.catalogue import Catalogue
from pipelines import learned_effects, promotion, reading
from pipelines.learned_effects import Learned
from serving import effects_command
from serving.cli import app

LEDGER = """
customers customer_id
          A
invoices  invoice_id  customer_id  issue_date  due_date  amount
          one         A            0           30        100.00
"""


@cache
def learned() -> Learned:
    """From a log of reminders in which nobody was ever called: half is not identified."""
    chance = np.tile([0.5, 0.5, 0.0], (120 * 4, 1))
    log = world.draw(0, customers=120, each=4, chance=chance).log
    return learned_effects.learn(log, Catalogue.load(), as_of=date(2026, 7, 1))


def asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: Learned | None, *options: str
) -> str:
    monkeypatch.setenv("PUNTUALE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "220")
    ledger = SimpleNamespace(ledger=to_ledger(drawn(LEDGER)))
    monkeypatch.setattr(reading, "read", lambda job: ledger)
    monkeypatch.setattr(promotion, "teach", lambda job, known: answer)
    told = CliRunner().invoke(app, ["effects", "folder", "--as-of", "2026-07-01", *options])
    assert told.exit_code == 0, told.output
    return told.output


def test_each_effect_is_told_with_the_prior_its_interval_and_the_overlap() -> None:
    rows = effects_command.told(learned(), Catalogue.load())
    assert len(rows) == len(learned().beliefs)
    for row in rows:
        expected, lowest, highest = row["now"]
        assert lowest <= expected <= highest
        assert (row["not_identified"] is None) == (row["source"] == "randomised")
    by_cell = {(row["action"], row["cause"], row["outcome"]): row for row in rows}
    call = Catalogue.load().action("call").days["habit"]
    never = by_cell["call", "habit", "days"]
    assert never["prior"] == [call.expected, call.lowest, call.highest]
    assert never["overlap_rows"] == 0
    assert "no case in which both had a chance" in never["not_identified"]
    assert by_cell["reminder_1", "habit", "days"]["overlap_customers"] > 10


def test_the_command_prints_the_same_to_a_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = json.loads(asked(monkeypatch, tmp_path, learned(), "--json"))
    assert told["learned"] is True
    rows = effects_command.told(learned(), Catalogue.load())
    assert told["effects"] == json.loads(json.dumps(rows))


def test_the_command_says_to_a_person_what_is_not_identified_and_where_it_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = asked(monkeypatch, tmp_path, learned())
    assert "not identified: no case in which both had a chance" in said
    assert "customers' worth" in said
    assert "effects.toml" in said


def test_a_log_that_is_too_short_teaches_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "too short to learn from" in asked(monkeypatch, tmp_path, None)
    told = json.loads(asked(monkeypatch, tmp_path, None, "--json"))
    assert told == {"learned": False, "effects": []}
