"""`puntuale actions`: the effective catalogue, whole for a program and short for a person."""

import json
import os
import sys
from pathlib import Path

import pytest

from models.catalogue import Catalogue
from serving import cli


@pytest.fixture(autouse=True)
def _a_clean_desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith("PUNTUALE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PUNTUALE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["puntuale", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    out, err = capfd.readouterr()
    return int(ended.value.code or 0), out, err


def test_every_action_is_listed_with_when_and_to_what_effect(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(capfd, "actions")
    assert code == 0
    for action in Catalogue.load().actions:
        assert action.code in out
    assert "+10 to +24" in out
    assert "a day of phone: 360 minutes" in out
    assert "prior" in out


def test_the_company_s_own_file_and_its_log_are_what_is_shown(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        "[capacity]\nphone = [inf, 'minutes']\nletter = [5, 'pieces']\n"
        "[actions.call]\nenabled = false\n[actions.reminder_1]\nen = 'soft reminder'\n"
    )
    monkeypatch.setenv("PUNTUALE_CATALOGUE", str(own))
    monkeypatch.setenv("PUNTUALE_LANGUAGE", "en")
    home = tmp_path / "home"
    home.mkdir()
    (home / "effects.toml").write_text(
        "[[effects]]\naction = 'reminder_1'\ncause = 'habit'\nsegment = 'small'\n"
        "days = [9.0, 8.0, 10.0]\nunpaid = [0.2, 0.1, 0.3]\nsource = 'randomised'\n"
    )
    told = json.loads(run(capfd, "actions", "--json")[1])
    actions = {action["code"]: action for action in told["actions"]}
    assert not actions["call"]["enabled"]
    assert actions["reminder_1"]["name"] == "soft reminder"
    assert actions["payment_plan"]["needs"][0] == "cause_difficulty > 0"
    assert told["capacity"]["phone"] == {"amount": None, "of": "minutes"}
    assert told["capacity"]["letter"] == {"amount": 5.0, "of": "pieces"}
    learned = [e for e in actions["reminder_1"]["effects"] if e["source"] == "randomised"]
    assert [(e["cause"], e["segment"], e["days"][0]) for e in learned] == [("habit", "small", 9.0)]
    _, out, _ = run(capfd, "actions")
    assert "a day of phone: no limit" in out
    assert "not enabled" in out


def test_a_catalogue_with_faults_is_refused_with_all_of_them(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[capacity]\nfax = [1, 'pieces']\nphone = 3\n[actions.call]\nstep = -1\n")
    monkeypatch.setenv("PUNTUALE_CATALOGUE", str(own))
    code, _, err = run(capfd, "actions")
    assert code == 1
    for fault in ("capacity.fax", "capacity.phone", "actions.call.step"):
        assert fault in err
