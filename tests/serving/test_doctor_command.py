"""`puntuale doctor`: what is wrong, what to do, and an exit code for programs."""

import json
import os
import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest

from serving import cli


@pytest.fixture(autouse=True)
def _a_clean_desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith(("PUNTUALE_", "PREFECT_API"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PUNTUALE_PORT", str(free.getsockname()[1]))
    monkeypatch.chdir(tmp_path)


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    before, sys.argv = sys.argv, ["puntuale", *words]
    try:
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    printed = capfd.readouterr()
    return code, " ".join(printed.out.split()), " ".join(printed.err.split())


def test_a_new_users_folder_is_not_wrong_and_each_line_says_what_comes_next(capfd) -> None:
    code, out, _ = run(capfd, "doctor")

    assert code == 0
    assert "look model none was promoted yet next: puntuale train LEDGER, or puntuale demo" in out
    assert "0 wrong, " in out
    assert list(Path().iterdir()) == []


def test_the_exit_code_says_that_something_is_wrong(capfd, monkeypatch) -> None:
    monkeypatch.setenv("PUNTUALE_MAPPING", "nowhere.toml")
    monkeypatch.setenv("PUNTUALE_LEDGER", "nowhere")
    code, out, _ = run(capfd, "doctor", "--json")

    assert code == 1
    wrong = [finding["what"] for finding in json.loads(out) if finding["state"] == "wrong"]
    assert wrong == ["mapping", "ledger"]


def test_settings_that_cannot_be_read_are_told_before_anything_else(capfd, monkeypatch) -> None:
    monkeypatch.setenv("PUNTUALE_PORT", "many")
    code, out, err = run(capfd, "doctor")

    assert (code, out) == (1, "")
    assert "next: look at .env and .env.example" in err
