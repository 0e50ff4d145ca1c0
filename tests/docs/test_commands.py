"""Every command that README and the documentation show is run here, or is listed with a reason."""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from pipelines import synthetic
from serving import cli
from tests import small_company
from tests.docs.shown import ROOT, Shown, blocks, commands, in_prose

pytestmark = small_company.QUIET_MLFLOW

AS_OF = small_company.AS_OF.isoformat()

# Ours, but not run here; the tests that run the same are named.
RUN_ELSEWHERE = {
    "init": "tests/docs/test_first_hour.py"
    "::test_an_own_csv_is_scored_by_the_commands_that_are_printed",
    "doctor": "tests/docs/test_first_hour.py"
    "::test_an_own_csv_is_scored_by_the_commands_that_are_printed",
    "demo": "train and nightly, which it calls, are run here; on 200 customers it takes a minute",
    "serve": "tests/serving/test_process.py::test_f9_restarts_under_load_lose_no_request",
    "backtest": "tests/serving/test_cli.py::test_backtest_writes_a_report_and_logs_it_when_asked",
    "rollback": "tests/serving/test_models_command.py"
    "::test_rollback_lets_the_champion_before_answer_and_another_brings_it_back",
}
MAY_END_WITH = {"doctor": (0, 1)}  # 1: something is wrong, such as scores of last summer
# Other programs, and why nothing runs their commands here.
OTHER_PROGRAMS = {
    "make": "the targets are there (below); `make test` is what runs this test",
    "python": "the files are there (below); benchmarks and trials at length take hours",
    "python3": "sets up a machine: as root, with a network",
    "pip": "installs: from a network",
    "useradd": "sets up a machine",
    "cp": "sets up a machine",
    "systemctl": "sets up a machine",
    "export": "sets variables for the lines after it",
    "docker": "needs a daemon; the files it reads have tests (tests/test_deployment.py)",
    "cd": "for the lines after it; both bridges are run by tests/clients/test_integrations.py",
    "pre-commit": "its hooks are the commands of `make check` (tests/docs/test_habits.py)",
}
XERO = {
    "xero_contact_data.csv": "contact_id,name,_fivetran_deleted\nC1,Rossi S.p.A.,false\n",
    "xero_invoice_data.csv": "invoice_id,contact_id,type,status,reference,date,due_date,total,"
    "currency_code,currency_rate,amount_paid,amount_credited,fully_paid_on_date\n"
    "I1,C1,ACCREC,PAID,,2026-01-05,2026-02-04,100.00,CAD,1,100.00,0,2026-02-10\n",
}


def ours() -> list[Shown]:
    return [shown for shown in commands() if shown.program == "puntuale"]


def test_many_commands_are_shown() -> None:
    assert len(ours()) > 30
    assert len({shown.page for shown in commands()}) > 6


def parsed(words: list[str], *, in_prose: bool = False) -> None:
    """Fails where the command line would not take these words; prose may leave some out."""
    at = typer.main.get_command(cli.app)
    while hasattr(at, "commands"):
        name = words.pop(0)
        assert name in at.commands, f"there is no command {name}"
        at = at.commands[name]
    try:
        at.make_context("puntuale", words)
    except Exception as fault:
        if not in_prose or type(fault).__name__ != "MissingParameter":
            raise AssertionError(f"{words}: {fault}") from None


@pytest.mark.parametrize("shown", ours(), ids=lambda shown: f"{shown.page}: {shown.line[:60]}")
def test_the_command_line_takes_what_is_shown(shown: Shown) -> None:
    parsed(list(shown.words))


def test_the_command_line_takes_what_is_said_in_passing() -> None:
    said = [(page, words) for page, words in in_prose() if "COMMAND" not in words]
    assert len(said) > 30
    for page, words in said:
        one = (
            words.partition(" > ")[0]
            .replace("read|score|write|admin", "read")
            .replace("DATE", AS_OF)
        )
        try:
            parsed(shlex.split(one), in_prose=True)
        except AssertionError as fault:
            raise AssertionError(f"{page}: `puntuale {words}`: {fault}") from None


def test_every_other_program_that_is_shown_is_listed_with_a_reason() -> None:
    shown = {command.program: command.page for command in commands()}
    del shown["puntuale"]
    assert {name: page for name, page in shown.items() if name not in OTHER_PROGRAMS} == {}
    assert set(OTHER_PROGRAMS) <= set(shown), "listed and not shown any more"


def test_every_make_target_that_is_shown_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    asked = [word for c in commands() if c.program == "make" for word in c.words]
    assert asked
    assert set(asked) <= targets


def test_every_python_file_that_is_shown_is_there() -> None:
    asked = [word for c in commands() if c.program == "python" for word in c.words]
    files = [word.partition("::")[0] for word in asked if re.search(r"\.py$|^tests/", word)]
    assert len(files) > 5
    folders = (ROOT, ROOT / "docs" / "examples")
    assert [name for name in files if not any((f / name).exists() for f in folders)] == []


def test_a_block_without_a_language_holds_no_command() -> None:
    programs = {*OTHER_PROGRAMS, "puntuale", "curl"} - {"export"}
    for page, text in blocks(""):
        for line in text.splitlines():
            first = line.split(" ")[0].rpartition("/")[2]
            assert first not in programs, f"{page}: {line}: call the block sh"


@pytest.mark.parametrize("why", [why for why in RUN_ELSEWHERE.values() if "::" in why])
def test_the_tests_that_run_the_others_are_there(why: str) -> None:
    file, _, name = why.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty folder to type in, an empty home, and a ledger on which training takes seconds."""
    for name in [name for name in os.environ if name.startswith("PUNTUALE_")]:
        monkeypatch.delenv(name)
    settings = small_company.settings(tmp_path / "home")
    monkeypatch.setenv("PUNTUALE_HOME", str(settings.home))
    monkeypatch.setenv("PUNTUALE_LEDGER", str(tmp_path / "ledger"))
    synthetic.write(tmp_path / "ledger", customers=12, months=18)
    (tmp_path / "desk" / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "desk")
    Path("data/sample").symlink_to(ROOT / "data" / "sample")
    Path("export").mkdir()
    for name, text in XERO.items():
        (Path("export") / name).write_text(text, encoding="utf-8")
    yield Path.cwd()
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)


def typed(shown: Shown, desk: Path) -> list[str]:
    """The words with something real for each placeholder, and a day that does not pass."""
    backups = sorted((desk / "BACKUPS").glob("*"))
    instead = {
        **dict.fromkeys(
            ("FOLDER", "FOLDER_OR_DATABASE_URL", "LEDGER"), str(desk.parent / "ledger")
        ),
        "EXPORT": "data/sample",
        "EXPORT_FOLDER": "export",
        "BACKUPS/2026-07-01T030000Z": str(backups[0]) if backups else "",
    }
    words = [instead.get(word, word) for word in shown.words]
    command = typer.main.get_command(cli.app)
    for word in shown.words[:2]:
        command = getattr(command, "commands", {}).get(word, command)
    takes_a_day = any("--as-of" in parameter.opts for parameter in command.params)
    return [*words, "--as-of", AS_OF] if takes_a_day and "--as-of" not in words else words


def in_order() -> list[Shown]:
    """Each command once, after what it needs: a model, a night, a back-up; companies come late."""
    first = {"train": 0, "nightly": 1, "backup": 2, "restore": 4, "tenants": 5}
    once = {shown.words: shown for shown in ours() if shown.words[0] not in RUN_ELSEWHERE}
    return sorted(once.values(), key=lambda shown: (first.get(shown.words[0], 3), len(shown.words)))


def test_every_command_that_is_shown_works_on_a_small_ledger(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ran = set()
    for shown in in_order():
        words = typed(shown, desk)
        for written in (".env", "mapping.toml"):  # by init, for whoever types next
            (desk / written).unlink(missing_ok=True)
        monkeypatch.setattr(sys, "argv", ["puntuale", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capfd.readouterr()
        code = end.value.code or 0
        assert code in MAY_END_WITH.get(shown.words[0], (0,)), (
            f"{shown.page}: {shown.line}\n{words}\n{printed.err}"
        )
        assert printed.out.strip(), f"{shown.page}: {shown.line} says nothing"
        ran.add(shown.words[0])
    assert {"check", "train", "nightly", "monitor", "backup", "restore", "keys"} <= ran
