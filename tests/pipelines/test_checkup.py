"""The check-up finds what is wrong with an installation, and says what to do about it."""

import json
import os
import socket
import sqlite3
from collections import namedtuple
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models import bundle
from pipelines import checkup
from pipelines.checkup import machine, services
from pipelines.checkup.finding import Finding
from pipelines.job import Job
from pipelines.records.database import open_database
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from tests import small_company
from tests.pipelines import drawn_scores

pytestmark = small_company.QUIET_MLFLOW

AT = datetime(2026, 7, 1, 6, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _a_clean_desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith("PUNTUALE_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return small_company.settings(tmp_path / "home", port=_free_port())


def _free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def found(settings: Settings, what: str) -> Finding:
    return checkup.CHECKS[what](checkup.job_of(settings, at=AT))


def test_an_installation_at_work_is_well(settings: Settings) -> None:
    open_database(settings.records_url).close()
    small_company.crowned(settings)
    with (store := ScoreStore(settings.scores_folder)).writing() as run:
        store.publish(drawn_scores.AS_OF, drawn_scores.drawn_scores(20), run=run)
    # the model that answers was copied in: MLflow has never heard of it
    others = {f.what: f for f in checkup.run(checkup.job_of(settings, at=datetime.now(UTC)))}

    assert list(others) == list(checkup.CHECKS)
    del others["ledger"], others["model"], others["night"]  # of 2026, whatever the clock says
    assert "its champion is none" in others.pop("mlflow").found
    del others["disk"]  # the machine's
    assert {f.state for f in others.values()} == {"ok"}, others
    assert [found(settings, what).state for what in ("ledger", "model")] == ["ok", "ok"]
    that_day = datetime.combine(drawn_scores.AS_OF, AT.timetz())
    assert checkup.CHECKS["night"](checkup.job_of(settings, at=that_day)).state == "ok"


def test_looking_makes_nothing(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, home=tmp_path / "nowhere", port=_free_port())
    findings = list(checkup.run(checkup.job_of(settings, at=AT)))

    assert not settings.home.exists()
    to_look_at = {f.what for f in findings if f.state == "look"} - {"disk"}
    assert to_look_at == {"mlflow", "ledger", "model", "night"}
    assert all(f.advice for f in findings if f.state != "ok")
    assert not [f for f in findings if f.state == "wrong"]


def test_a_misspelt_setting_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUNTUALE_LEDGR", "x")
    Path(".env").write_text("# PUNTUALE_NONE=1\nPUNTUALE_APIKEYS=a\n")

    assert found(settings, "settings").found == (
        "no setting: PUNTUALE_APIKEYS (PUNTUALE_API_KEYS?), PUNTUALE_LEDGR (PUNTUALE_LEDGER?)"
    )


def test_a_clock_that_is_behind_is_found(settings: Settings) -> None:
    file = settings.home / "records.db"
    file.write_bytes(b"")
    os.utime(file, (AT.timestamp() + 86_400,) * 2)
    for other in settings.home.rglob("*"):
        if other != file:
            os.utime(other, (AT.timestamp(),) * 2)

    told = found(settings, "clock")
    assert told.state == "wrong"
    assert "records.db was written at 2026-07-02 06:00 UTC" in told.found


def test_a_home_that_is_a_file_is_found(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = found(settings.model_copy(update={"home": tmp_path / "file"}), "home")

    assert (told.state, told.advice) == ("wrong", "set PUNTUALE_HOME to a folder")


@pytest.mark.parametrize(
    ("free", "state"), [(100 << 20, "wrong"), (1 << 30, "look"), (1 << 40, "ok")]
)
def test_a_full_disk_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage(1 << 41, 0, free))

    assert found(settings, "disk").state == state


def test_a_settings_file_with_keys_that_others_may_read_is_found(settings: Settings) -> None:
    Path(".env").write_text("PUNTUALE_API_KEYS=a-key-that-is-long\n")
    Path(".env").chmod(0o644)
    held = Settings(home=settings.home)

    assert found(held, "secrets").advice == "chmod 600 .env"
    Path(".env").chmod(0o600)
    assert found(held, "secrets").state == "ok"


def _unknown_tables(settings: Settings) -> None:
    open_database(settings.records_url).close()
    with closing(sqlite3.connect(settings.records_file)) as tables:
        tables.execute("UPDATE alembic_version SET version_num = '9999'")
        tables.commit()


def _torn_records(settings: Settings) -> None:
    settings.records_file.write_bytes(b"not a database" * 100)


def _torn_mlflow(settings: Settings) -> None:
    (settings.home / "mlflow.db").write_bytes(b"not a database" * 100)


def _touched_model(settings: Settings) -> None:
    version = small_company.crowned(settings)
    with (settings.models_folder / version / "model.txt").open("a") as file:
        file.write("\n")


def _lost_model(settings: Settings) -> None:
    bundle.crown(small_company.crowned(settings), among=settings.models_folder)
    (settings.models_folder / bundle.CHAMPION).write_text("2026-01-01-0000000000\n")


def _damaged_night(settings: Settings) -> None:
    with (store := ScoreStore(settings.scores_folder)).writing() as run:
        store.publish(drawn_scores.AS_OF, drawn_scores.drawn_scores(20), run=run)
    file = next(settings.scores_folder.rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("what", "harm", "advice"),
    [
        ("records", _unknown_tables, "install the newer version"),
        ("records", _torn_records, "puntuale restore BACKUP"),
        ("mlflow", _torn_mlflow, ""),
        ("model", _touched_model, "puntuale rollback"),
        ("model", _lost_model, ""),
        ("night", _damaged_night, "puntuale nightly"),
    ],
    ids=["newer tables", "torn records", "torn MLflow", "touched model", "lost model", "night"],
)
def test_harm_is_found(
    settings: Settings, what: str, harm: Callable[[Settings], None], advice: str
) -> None:
    harm(settings)
    told = next(f for f in checkup.run(checkup.job_of(settings, at=AT)) if f.what == what)

    assert told.state == "wrong"
    assert told.advice.startswith(advice)


def test_a_mapping_and_a_ledger_that_cannot_be_read_are_found(settings: Settings) -> None:
    bad = settings.model_copy(update={"mapping": "nowhere.toml", "ledger": "nowhere"})

    assert "mapping must be one of" in found(bad, "mapping").found
    assert found(bad, "ledger").advice == "puntuale check nowhere --mapping nowhere.toml"


def test_an_old_ledger_is_worth_a_look(settings: Settings) -> None:
    job = Job.of(settings, at=datetime(2027, 7, 1, tzinfo=UTC))
    told = checkup.CHECKS["ledger"](job)

    assert told.state == "look"
    assert "it ends on 2026-06-30" in told.found


def test_services_that_do_not_answer_are_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = _free_port()
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{nobody}/api")
    asked = Settings(
        _env_file=None,
        home=settings.home,
        dask_scheduler=f"tcp://127.0.0.1:{nobody}",
        smtp_url=f"smtp://me:word@127.0.0.1:{nobody}",
        mail_from="a@example.com",
        mail_to="b@example.com",
        database_url=f"postgresql://me:word@127.0.0.1:{nobody}/records",
    )
    told = {what: found(asked, what) for what in ("prefect", "dask", "mail", "records")}

    states = {what: finding.state for what, finding in told.items()}
    assert states == {"prefect": "wrong", "dask": "look", "mail": "look", "records": "wrong"}
    assert "word" not in json.dumps([finding.found for finding in told.values()])


def test_a_port_that_somebody_else_has_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "WAIT_SECONDS", 0.1)
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", settings.port))
        other.listen()
        told = found(settings, "port")

    assert told.state == "wrong"
    assert told.advice.startswith("puntuale serve --port")
