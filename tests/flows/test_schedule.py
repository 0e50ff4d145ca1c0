"""When the night is run, and who is told where it fails; no server is started here."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import ValidationError

from pipelines import night_failed, prefect_server
from pipelines.gate import PublishRefused
from pipelines.records import webhooks
from pipelines.records.audit import Writer
from pipelines.records.database import open_database
from pipelines.settings import Settings
from pipelines.store import STUCK_SECONDS
from tests import mail_sink

AT = datetime(2026, 7, 1, 0, 0, tzinfo=UTC)
ROME = ZoneInfo("Europe/Rome")
PROJECT = Path(__file__).parents[2]


def _runs(cron: str, start: datetime, days: int) -> list[datetime]:
    from prefect.server.schemas.schedules import CronSchedule

    schedule = CronSchedule(cron=cron, timezone="Europe/Rome")
    found = asyncio.run(schedule.get_dates(n=100, start=start, end=start + timedelta(days=days)))
    return [datetime.fromtimestamp(moment.timestamp(), UTC) for moment in found]


@pytest.mark.parametrize("cron", ["0 2 * * *", "30 2 * * *", "0 3 * * *"])
@pytest.mark.parametrize("noon", [datetime(2026, 3, 26, 12), datetime(2026, 10, 22, 12)])
def test_every_night_has_one_run_when_clocks_change_too(cron: str, noon: datetime) -> None:
    runs = _runs(cron, noon.replace(tzinfo=ROME), 6)

    nights = [run.astimezone(ROME).date() for run in runs]
    assert nights == [noon.date() + timedelta(days=after) for after in range(1, 7)]
    gaps = {later - earlier for earlier, later in zip(runs, runs[1:], strict=False)}
    assert gaps <= {timedelta(hours=hours) for hours in (23, 24, 25)}


def test_the_served_deployment_runs_one_night_at_a_time_with_what_was_missed() -> None:
    from pipelines import nightly

    told = nightly.deployment(Settings(_env_file=None, night_cron="5 1 * * *", zone="Asia/Tokyo"))
    schedule = told.pop("schedule")
    given: dict[str, Any] = {name: told[name] for name in ("name", "parameters", "entrypoint_type")}

    assert (schedule.cron, schedule.timezone) == ("5 1 * * *", "Asia/Tokyo")
    assert (told["global_limit"], told["limit"]) == (1, 1)
    assert nightly.nightly.timeout_seconds == STUCK_SECONDS
    deployed = nightly.nightly.to_deployment(schedule=schedule, concurrency_limit=1, **given)
    assert deployed.entrypoint == "pipelines.nightly.nightly"


def test_workers_are_told_the_same() -> None:
    from pipelines import nightly

    (deployed,) = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    settings = Settings(_env_file=None)

    assert deployed["entrypoint"] == "pipelines.nightly.nightly"
    assert deployed["parameters"] == nightly.deployment(settings)["parameters"]
    assert deployed["schedules"] == [{"cron": settings.night_cron, "timezone": settings.zone}]
    assert deployed["concurrency_limit"]["limit"] == 1


def test_a_cron_of_other_than_five_fields_is_refused() -> None:
    with pytest.raises(ValidationError, match="minute hour day month weekday"):
        Settings(_env_file=None, night_cron="at two")


def test_a_failed_night_is_told_by_webhook_and_mail_once_without_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines import nightly

    with mail_sink.listening() as sink:
        settings = Settings(
            _env_file=None,
            home=tmp_path,
            smtp_url=sink.url.format(""),
            mail_from="puntuale@example.com",
            mail_to="anna@example.com",
        )
        monkeypatch.setattr(nightly, "Settings", lambda: settings)
        database = open_database(settings.records_url)
        with database.writing() as connection:
            events, writer = [night_failed.EVENT], Writer("maria", AT)
            webhooks.make(connection, "https://erp.example/in", events=events, writer=writer)
        fault = ConnectionError("postgresql://user:secret@db")
        state = SimpleNamespace(result=lambda raise_on_failure: fault)
        nightly.tell_of_failure(None, SimpleNamespace(id="run-1"), state)

    later = datetime.now(UTC) + timedelta(minutes=1)
    with database.writing() as connection:
        (due,) = webhooks.take(connection, at=later, limit=9)
    database.close()
    (message,) = sink.mails
    assert '"type": "night.failed"' in due.body
    assert '"reason": "ConnectionError"' in due.body
    assert "ConnectionError" in message.get_content()
    assert "secret" not in due.body + message.get_content()
    assert nightly.nightly.on_failure_hooks == nightly.nightly.on_crashed_hooks
    assert nightly.nightly.on_failure_hooks == [nightly.tell_of_failure]


def test_our_own_faults_are_told_in_words_and_a_killed_process_too() -> None:
    assert night_failed.reason(PublishRefused("half is gone")) == "PublishRefused: half is gone"
    assert "killed" in night_failed.reason(None)


def test_ways_of_telling_that_are_away_stop_nothing(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None,
        home=tmp_path,
        database_url="postgresql://127.0.0.1:9/none",
        smtp_url="smtp://127.0.0.1:9",
        mail_from="a@example.com",
        mail_to="b@example.com",
    )
    night_failed.tell(settings, None, run="run-1", at=AT)


def test_a_library_with_which_nothing_would_ever_run_is_refused_with_the_command_that_helps() -> (
    None
):
    prefect_server.require_scheduler("2.0.58")
    with pytest.raises(prefect_server.ServerFailed, match=r"pip install 'sqlalchemy<2\.1'"):
        prefect_server.require_scheduler("2.1.9")


def test_a_server_that_ends_at_once_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(prefect_server.ServerFailed, match="the code 1"):
        with prefect_server.running(os.environ):
            pass


def test_the_command_becomes_the_process_that_serves_the_flow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from serving import night_command

    asked: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, words: asked.append(words))
    night_command.schedule()
    assert asked == [[sys.executable, "-m", "pipelines.nightly", "--serve"]]
