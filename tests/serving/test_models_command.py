"""The commands about models: which there are, who answers, its card, going back, its health."""

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from models import bundle
from pipelines import promotion
from pipelines.job import Job
from pipelines.settings import Settings
from serving import cli
from tests import small_company
from tests.small_company import AS_OF

pytestmark = small_company.QUIET_MLFLOW

AT = datetime(2026, 7, 1, 2, tzinfo=UTC)
EARLIER = date(2026, 6, 1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two champions, one after the other."""
    settings = small_company.settings(tmp_path_factory.mktemp("home"))
    for day in (EARLIER, AS_OF):
        assert promotion.run(Job.of(settings, at=AT, as_of=day)).promoted
    return settings


@pytest.fixture(autouse=True)
def _a_clean_desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in [n for n in os.environ if n.startswith("PUNTUALE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PUNTUALE_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, home: Settings) -> Settings:
    monkeypatch.setenv("PUNTUALE_HOME", str(home.home))
    return home


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """What a person would get: the exit code, what is printed and what is said beside it."""
    before, sys.argv = sys.argv, ["puntuale", *words]
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    printed = capfd.readouterr()
    return code, printed.out, printed.err


def test_models_lists_versions_with_alias_cut_off_and_verdict(
    capfd: pytest.CaptureFixture[str], at_home: Settings
) -> None:
    code, out, _ = run(capfd, "models", "--json")
    newest, older = json.loads(out)

    assert code == 0
    assert (newest["cut_off"], older["cut_off"]) == ("2026-07-01", "2026-06-01")
    assert (newest["alias"], older["alias"]) == ("challenger, champion", "previous")
    assert (newest["answers"], older["answers"]) == ("yes", "")
    assert newest["verdict"] == "promoted"
    assert newest["why"].startswith("tells late from not late")
    assert "Models, the newest first" in run(capfd, "models")[1]


def test_the_card_is_the_champions_unless_another_is_named(
    capfd: pytest.CaptureFixture[str], at_home: Settings
) -> None:
    champion = bundle.champion_version(at_home.models_folder)
    code, out, _ = run(capfd, "card")
    older = next(v for v in os.listdir(at_home.models_folder) if v.startswith("2026-06-01"))

    assert code == 0
    assert out.startswith(f"# Model {champion}\n")
    assert out == (at_home.models_folder / str(champion) / bundle.CARD).read_text()
    assert run(capfd, "card", older)[1].startswith(f"# Model {older}\n")
    assert run(capfd, "card", "../elsewhere")[0] == 1


def test_rollback_lets_the_champion_before_answer_and_another_brings_it_back(
    capfd: pytest.CaptureFixture[str], at_home: Settings
) -> None:
    newest = bundle.champion_version(at_home.models_folder)
    code, out, _ = run(capfd, "rollback")
    assert code == 0
    assert "Model 2026-06-01-" in out
    assert str(bundle.champion_version(at_home.models_folder)).startswith("2026-06-01-")

    code, _, err = run(capfd, "rollback", "2020-01-01-nothing")
    assert code == 1
    assert "version must be one that was champion" in err
    assert "next: puntuale models" in err

    assert run(capfd, "rollback", str(newest))[0] == 0
    assert bundle.champion_version(at_home.models_folder) == newest


def test_monitor_says_how_the_model_does(
    capfd: pytest.CaptureFixture[str], at_home: Settings
) -> None:
    words = ("monitor", str(small_company.ledger_folder()), "--as-of", "2026-07-01")
    code, out, err = run(capfd, *words)
    assert code == 0, err
    assert "nothing to report" in out

    told = json.loads(run(capfd, *words, "--retrain", "--json")[1])
    assert told["health"]["retrain"] is False
    assert told["trained"] is None


def test_without_a_model_each_command_says_what_to_do(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    small_company.settings(tmp_path / "empty")

    assert "no model yet: puntuale train" in run(capfd, "models")[1]
    for words in (("card",), ("rollback",), ("monitor", str(small_company.ledger_folder()))):
        code, _, err = run(capfd, *words)
        assert code == 1
        assert "refused:" in err
        assert "next: puntuale" in err
