import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines import backup
from pipelines.backup import BackupDamaged
from pipelines.records import audit
from pipelines.records.audit import Writer
from pipelines.records.database import Database as Records
from pipelines.records.database import RecordsDamaged, make_engine, open_database
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from serving.cli import app
from tests.pipelines.drawn_scores import AS_OF, drawn_scores

AT = datetime(2026, 7, 1, 3, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with one night and two hundred lines in the audit log."""
    settings = Settings(_env_file=None, home=tmp_path / "home", database_url=None)
    store = ScoreStore(settings.scores_folder)
    with store.writing() as run:
        store.publish(AS_OF, drawn_scores(50), run=run)
    note(settings, 200)
    return settings


def note(settings: Settings, lines: int) -> None:
    database = open_database(settings.records_url)
    with database.writing() as connection:
        for number in range(lines):
            audit.note(connection, Writer("maria", AT), "tested", f"subject {number}" * 20)
    database.close()


def noted(settings: Settings) -> int:
    with sqlite3.connect(settings.records_file) as connection:
        count = connection.execute("SELECT count(*) FROM audit").fetchone()[0]
    connection.close()
    return int(count)


def overwrite_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    at = len(content) // 2 // 4096 * 4096
    content[at : at + 4096] = b"\xff" * 4096
    path.write_bytes(content)


def test_f34_what_is_restored_is_what_was_backed_up(settings: Settings, tmp_path: Path) -> None:
    open_elsewhere = open_database(settings.records_url)  # the service goes on meanwhile
    made = backup.back_up(settings, tmp_path / "backups", at=AT, keep=2)
    night = ScoreStore(settings.scores_folder).current_name()
    open_elsewhere.close()

    settings.home.rename(tmp_path / "lost")
    assert backup.restore(settings, made, at=AT) is None
    assert backup.check(made).keys() == {
        str(path.relative_to(settings.home)) for path in settings.home.rglob("*") if path.is_file()
    }
    restored = ScoreStore(settings.scores_folder).current()
    assert restored is not None
    assert restored.name == night
    assert noted(settings) == 200


def test_f19_a_damaged_page_is_found_and_the_last_back_up_stands_in(
    settings: Settings, tmp_path: Path
) -> None:
    good = backup.back_up(settings, tmp_path / "backups", at=AT, keep=1)
    overwrite_a_page(settings.records_file)

    with pytest.raises(BackupDamaged, match=r"records\.db is damaged"):
        backup.back_up(settings, tmp_path / "backups", at=AT + timedelta(days=1), keep=1)
    damaged = Records(make_engine(settings.records_url))
    with pytest.raises(RecordsDamaged):
        damaged.check()
    damaged.close()
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [good.name]

    before = backup.restore(settings, good, at=AT)
    assert before is not None
    assert before.is_dir(), "what was there is kept, to be looked at"
    assert noted(settings) == 200


def test_a_back_up_that_was_changed_is_not_restored(settings: Settings, tmp_path: Path) -> None:
    made = backup.back_up(settings, tmp_path / "backups", at=AT, keep=1)
    overwrite_a_page(made / "records.db")

    with pytest.raises(BackupDamaged, match=r"not as it was written: records\.db"):
        backup.restore(settings, made, at=AT)
    (made / "backup.json").unlink()
    with pytest.raises(BackupDamaged, match="cannot be read"):
        backup.restore(settings, made, at=AT)
    assert noted(settings) == 200


def test_only_the_last_back_ups_stay_and_none_lies_in_the_home(
    settings: Settings, tmp_path: Path
) -> None:
    made = [
        backup.back_up(settings, tmp_path / "backups", at=AT + timedelta(days=day), keep=2)
        for day in range(3)
    ]
    assert sorted((tmp_path / "backups").iterdir()) == made[1:]
    with pytest.raises(ValueError, match="outside the home"):
        backup.back_up(settings, settings.home / "backups", at=AT, keep=2)


def test_f22_a_night_that_did_not_come_is_an_exit_code(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUNTUALE_HOME", str(settings.home))
    monkeypatch.setenv("PUNTUALE_LEDGER", "ledger")

    def asked(*day: str) -> int:
        return CliRunner().invoke(app, ["overdue", *day]).exit_code

    assert asked("--as-of", AS_OF.isoformat()) == 0
    assert asked("--as-of", (AS_OF + timedelta(days=1)).isoformat()) == 4
    assert asked() == 4


def test_the_commands_back_up_and_restore(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUNTUALE_HOME", str(settings.home))
    assert CliRunner().invoke(app, ["backup", str(tmp_path / "to")]).exit_code == 0
    (made,) = (tmp_path / "to").iterdir()
    note(settings, 1)
    assert CliRunner().invoke(app, ["restore", str(made)]).exit_code == 0
    assert noted(settings) == 200
