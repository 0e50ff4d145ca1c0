"""`puntuale policy`: what other ways of dunning would have brought."""

import json
from pathlib import Path

import pytest
import small_company
from typer.testing import CliRunner

from serving.cli import app


def test_policies_are_valued_from_a_ledgers_log_and_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUNTUALE_HOME", str(tmp_path / "home"))
    words = ("policy", str(small_company.ledger_folder()), "--as-of", "2026-07-01", "--json")
    told = CliRunner().invoke(app, [*words, "--report", str(tmp_path / "report")])
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    assert answer["log"][0]["policy"] == "current_practice"
    assert answer == json.loads((tmp_path / "report" / "policy.json").read_text())
    assert (tmp_path / "report" / "policy.html").exists()
