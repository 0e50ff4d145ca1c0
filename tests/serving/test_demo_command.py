"""`puntuale demo` tells a story, and keeps what is invented away from what is real."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines import night, reading
from pipelines.job import Job
from pipelines.promotion import Trained
from pipelines.settings import Settings
from serving import demo_command, terminal
from tests import small_company

AT = datetime(2026, 7, 1, 6, tzinfo=UTC)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    settings = small_company.settings(tmp_path / "home")
    shutil.copytree(small_company.ledger_folder(), settings.home / "sample")
    small_company.crowned(settings)
    return Job.of(settings.model_copy(update={"ledger": None}), at=AT)


def test_the_story_says_what_was_invented_learned_and_found(job: Job) -> None:
    done = night.run(job)
    trained = Trained(done.model_version, "1", job.as_of, True, ("tells late from not late",), {})
    ledger = reading.read(job).ledger
    told = dict(demo_command.story(job, ledger, trained, done))

    assert list(told) == ["Invented", "Learned", "Found"]
    assert told["Invented"][0].startswith("40 customers, 2,287 invoices and 2,075 payments from")
    assert told["Learned"][-1] == f"Model {done.model_version} answers from now on."
    assert f"{done.invoices:,} open invoices as of 2026-07-01" in told["Found"][0]
    assert sum(done.by_band.values()) == done.invoices
    assert told["Found"][-1].endswith("points.")


def test_three_commands_are_shown_whole_in_a_narrow_window(
    job: Job, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    commands = demo_command.next_commands(job.settings, job.settings)
    terminal.commands(commands)

    lines = capsys.readouterr().out.splitlines()
    assert len(commands) == 3
    assert all(any(command in line for line in lines) for command, _ in commands)


def test_beside_a_real_ledger_the_demo_lives_apart(tmp_path: Path) -> None:
    real = Settings(
        _env_file=None,
        home=tmp_path / "home",
        ledger="exports",
        mapping="m.toml",
        database_url="postgresql://there/records",
        tracking_uri="http://mlflow.example",
    )
    apart = demo_command.invented_only(real)

    assert apart.home == tmp_path / "home" / "demo"
    assert (apart.ledger, apart.mapping, apart.database_url) == (None, None, None)
    assert apart.mlflow_uri.endswith("/home/demo/mlflow.db")
    assert Job.of(apart, at=AT).is_invented
    first, _ = demo_command.next_commands(real, apart)[0]
    assert first == f"PUNTUALE_HOME={apart.home} PUNTUALE_LEDGER= puntuale serve"

    alone = Settings(_env_file=None, home=tmp_path / "home")
    assert demo_command.invented_only(alone) is alone
