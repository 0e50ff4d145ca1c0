"""`puntuale pull`, and the night that pulls first."""

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines import night, pulling, reading, sources
from pipelines.job import Job
from pipelines.reading import IntakeRefused
from pipelines.settings import Settings
from serving import cli
from tests import small_company
from tests.small_company import AS_OF

pytestmark = small_company.QUIET_MLFLOW
INVOICES = "invoice_id,customer_id,due_date,amount\nF1,C1,2026-07-31,100\nF2,C1,2026-02-31,5\n"


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder into which two files came an hour ago."""
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "customers.csv").write_text("customer_id,name\nC1,Rossi\n", encoding="utf-8")
    (folder / "invoices-1.csv").write_text(INVOICES, encoding="utf-8")
    before = datetime.now(UTC).timestamp() - 3600
    for file in folder.iterdir():
        os.utime(file, (before, before))
    return folder


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """What a person would get: the exit code, what is printed and what is said beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUNTUALE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def running(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["puntuale", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), *capfd.readouterr()

    return running


def test_a_pull_tells_what_became_of_the_rows_of_each_table(run, drop):
    code, told, _ = run("pull", str(drop), "--json")
    assert code == 0
    tables = {row.pop("table"): row for row in json.loads(told)["tables"]}
    nothing = {"revised": 0, "unchanged": 0, "removed": 0}
    assert tables == {
        "customers": {"pulled": 1, "accepted": 1, "held": 0, **nothing},
        "invoices": {"pulled": 2, "accepted": 1, "held": 1, **nothing},
    }
    assert "There was nothing new." in run("pull", str(drop))[1]


def test_a_refused_file_is_the_commands_end_and_the_others_are_in(run, drop):
    (drop / "payments.csv").write_text("paid_on;amount\n2026-07-01;5\n", encoding="utf-8")
    os.utime(drop / "payments.csv", (0, 0))
    code, told, said = run("pull", str(drop))
    assert code == 1
    assert "invoices" in told
    assert "payments.csv: one column named" in " ".join(said.split())


def test_a_database_that_is_away_is_told_without_its_password(run):
    code, _, said = run("pull", "postgresql+psycopg://someone:secret@127.0.0.1:1/none")
    assert code == 1
    assert "does not answer" in " ".join(said.split())  # the terminal breaks lines
    assert "secret" not in said


def test_without_a_source_the_command_says_how_to_name_one(run):
    code, _, said = run("pull")
    assert code == 2
    assert "PUNTUALE_PULL_FROM" in said


def test_a_night_pulls_first_and_scores_what_came(tmp_path):
    before = datetime.now(UTC).timestamp() - 3600
    folder = tmp_path / "drop"
    folder.mkdir()
    for file in small_company.ledger_folder().glob("*.parquet"):
        (folder / file.name).write_bytes(file.read_bytes())
        os.utime(folder / file.name, (before, before))
    settings = Settings(_env_file=None, home=tmp_path / "home", pull_from=str(folder))
    small_company.crowned(settings)
    job = Job.of(settings, at=datetime.now(UTC), as_of=AS_OF)
    assert job.source == "records"
    pulling.for_night(settings, at=job.at)
    by_pull, by_files = reading.take_in(job).ledger, sources.read(folder).ledger
    for name, table in by_files.tables().items():
        assert by_pull.tables()[name].num_rows == table.num_rows
    assert sum(by_pull.invoices["amount_cents"].to_pylist()) == sum(
        by_files.invoices["amount_cents"].to_pylist()
    )

    (folder / "disputes-2.csv").write_text("invoice_id\nF1\n", encoding="utf-8")
    os.utime(folder / "disputes-2.csv", (before, before))
    with pytest.raises(IntakeRefused, match="disputes-2.csv: expected columns opened_on"):
        night.run(job)
