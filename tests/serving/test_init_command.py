"""`puntuale init`: from somebody's own export to the settings that the next commands read."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines import reading
from pipelines.job import Job
from pipelines.settings import Settings
from serving import cli
from tests.pipelines.drawn_exports import STYLES

ITALIAN = STYLES[0]


@pytest.fixture(autouse=True)
def _a_clean_desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith("PUNTUALE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def run(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The exit code, and what is printed and said, in one line each."""
    before, sys.argv = sys.argv, ["puntuale", *words]
    try:
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    printed = capfd.readouterr()
    return code, " ".join(printed.out.split()), " ".join(printed.err.split())


def test_an_export_becomes_settings_that_the_other_commands_read(capfd, tmp_path):
    path = ITALIAN.write(tmp_path)
    code, out, err = run(capfd, "init", path.name)

    assert code == 0
    assert "invoice_id N. documento sure" in out
    assert "cp1252" in out
    assert "Written: .env, mapping.toml" in out
    assert "too little history to learn from" in err  # sixty invoices
    assert f"puntuale check {path.name} --mapping mapping.toml" in out
    settings = Settings()
    job = Job.of(settings, at=datetime(2026, 7, 3, tzinfo=UTC))
    assert (job.source, job.mapping) == (path.name, "mapping.toml")
    assert reading.read(job).ledger.invoices.num_rows == 60


def test_the_settings_file_explains_every_setting_and_sets_two(capfd, tmp_path):
    path = ITALIAN.write(tmp_path)
    run(capfd, "init", path.name)

    lines = Path(".env").read_text(encoding="utf-8").splitlines()
    set_ = [line for line in lines if line and not line.startswith("#")]
    commented = [line for line in lines if line.startswith("# PUNTUALE_")]
    assert set_ == [f"PUNTUALE_LEDGER={path.name}", "PUNTUALE_MAPPING=mapping.toml"]
    assert len(commented) == len(Settings.model_fields) - 2


def test_a_path_with_blanks_and_quotes_comes_back_whole(capfd, tmp_path):
    folder = tmp_path / "l'export di giugno # 6"
    folder.mkdir()
    path = ITALIAN.write(folder)
    run(capfd, "init", str(path))

    assert Settings().ledger == str(path)


def test_settings_in_another_folder_are_right_there(capfd, tmp_path, monkeypatch):
    path = ITALIAN.write(tmp_path)
    _, out, _ = run(capfd, "init", path.name, "--to", "conf")
    assert f"cd conf && puntuale check {path} --mapping mapping.toml" in out

    monkeypatch.chdir(tmp_path / "conf")
    job = Job.of(Settings(), at=datetime(2026, 7, 3, tzinfo=UTC))
    assert reading.read(job).ledger.invoices.num_rows == 60


def test_nothing_is_written_over_unless_it_is_asked_for(capfd, tmp_path):
    Path(".env").write_text("PUNTUALE_PORT=9000\n")
    path = ITALIAN.write(tmp_path)

    code, _, err = run(capfd, "init", path.name)
    assert code == 1
    assert ".env would be overwritten, and nothing was written" in err
    assert "next: puntuale init LEDGER --overwrite" in err
    assert Path(".env").read_text() == "PUNTUALE_PORT=9000\n"
    assert not Path("mapping.toml").exists()

    assert run(capfd, "init", path.name, "--overwrite")[0] == 0
    assert Settings().ledger == path.name


def test_what_is_missing_is_told_and_the_draft_is_kept_to_be_completed(capfd, tmp_path):
    Path("f.csv").write_text("Numero;Cliente;Importo\nF1;C1;10,00\nF2;C1;11,00\n")
    code, out, err = run(capfd, "init", "f.csv")

    assert code == 1
    assert "not found: due_date, the day it falls due" in err
    assert "edit mapping.toml" in out
    assert '# due_date = "?"' in Path("mapping.toml").read_text(encoding="utf-8")


def test_a_workbook_is_refused_with_what_to_do(capfd, tmp_path):
    Path("book.csv").write_bytes(b"PK\x03\x04rest")
    code, _, err = run(capfd, "init", "book.csv")

    assert code == 1
    assert "got a zip archive or an Excel workbook: export it as CSV or Parquet" in err
    assert not Path(".env").exists()


def test_a_folder_in_the_ledgers_own_words_needs_no_mapping(capfd, tmp_path):
    sample = Path(__file__).parents[2] / "data" / "sample"
    code, out, _ = run(capfd, "init", str(sample), "--json")
    told = json.loads(out)

    assert code == 0
    assert told["written"] == [".env"]
    assert "guessed" not in told
    assert Settings().mapping is None


def test_without_an_export_the_settings_alone_are_written(capfd):
    code, out, _ = run(capfd, "init")

    assert code == 0
    assert "puntuale init YOUR_EXPORT.csv" in out
    assert Settings() == Settings(_env_file=None)
