"""The public names: listed once, documented once, and the rooms' own functions."""

import re
from datetime import date
from pathlib import Path

import pytest

from pipelines import promotion, scoring, workbench
from pipelines.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_public_name_is_documented_once_and_no_other() -> None:
    names = PAGE.read_text(encoding="utf-8").partition("\n## The names\n")[2]
    named = re.findall(r"^\| `(\w+)` \|", names, flags=re.MULTILINE)

    assert sorted(named) == sorted(workbench.__all__)
    assert all(getattr(workbench, name).__doc__ for name in workbench.__all__ if name != "BOOK")


def test_a_public_name_is_the_rooms_own() -> None:
    assert workbench.train is promotion.run
    assert workbench.score is scoring.score


def test_what_the_page_shows_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import small_company

    monkeypatch.chdir(tmp_path)
    Path("exports").symlink_to(small_company.ledger_folder())
    Path("mapping.toml").write_text('[format]\ndecimal = "."\n')
    text = "\n".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    own = text.replace(
        "HistGradientBoostingClassifier()", "HistGradientBoostingClassifier(max_iter=2)"
    )
    told: dict[str, object] = {}
    exec(compile(own, "docs/python.md", "exec"), told)  # the page is ours

    assert told["own"].predict_proba(told["X"][:5]).shape == (5, 2)


def test_a_desk_is_the_settings_unless_others_are_named(tmp_path: Path, monkeypatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PUNTUALE_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    job = workbench.desk("exports", mapping="m.toml", as_of="2026-07-01", home=tmp_path / "h")

    assert (job.source, job.mapping, job.as_of) == ("exports", "m.toml", date(2026, 7, 1))
    assert job.settings.home == tmp_path / "h"
