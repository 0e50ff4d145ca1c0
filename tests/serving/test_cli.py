import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines import sources
from pipelines.settings import Settings
from serving import cli
from tests import small_company

pytestmark = small_company.QUIET_MLFLOW

LEDGER = "PUNTUALE_LEDGER"


@pytest.fixture(scope="module")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = small_company.settings(tmp_path_factory.mktemp("home"))
    small_company.crowned(settings)
    return settings.home


@pytest.fixture(autouse=True)
def _a_clean_desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in [n for n in os.environ if n.startswith("PUNTUALE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PUNTUALE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    yield
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)


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


def test_help_waits_for_nothing() -> None:
    """What a command needs is imported when it runs."""
    asked = """
import sys
from serving.cli import main
sys.argv = ["puntuale", "--help"]
try:
    main()
finally:
    print("loaded:", *{name.partition(".")[0] for name in sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    told, _, loaded = done.stdout.partition("loaded:")
    assert all(
        command in told
        for command in ("demo", "check", "train", "score", "backtest", "nightly", "serve")
    )
    dear = {"numpy", "pandas", "pyarrow", "numba", "lightgbm", "mlflow", "prefect", "sqlalchemy"}
    assert not dear & set(loaded.split())


def test_a_mistake_in_the_command_is_exit_code_2(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "nope")[0] == 2
    assert run(capfd, "check")[0] == 2
    assert run(capfd, "score", "--as-of", "tomorrow")[0] == 2


def test_check_accounts_for_every_row(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "check", str(small_company.ledger_folder()), "--json")
    told = json.loads(out)

    assert code == 0
    tables = {row["table"] for row in told["tables"]}
    assert {"customers", "invoices", "payments"} <= tables
    assert all(
        row["read_rows"] == row["accepted_rows"] + row["quarantined_rows"] for row in told["tables"]
    )


def test_check_shows_tables_to_a_person(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "check", str(small_company.ledger_folder()))

    assert code == 0
    assert "read = accepted + quarantined" in out
    assert "invoices" in out


def test_too_much_quarantine_is_exit_code_3_after_the_account(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ledger = tmp_path / "bad"
    ledger.mkdir()
    (ledger / "customers.csv").write_text("customer_id\nA\n")
    (ledger / "payments.csv").write_text("invoice_id,paid_on,amount\n1,2026-02-01,1.00\n")
    (ledger / "invoices.csv").write_text(
        "invoice_id,customer_id,due_date,amount\n1,A,2026-01-31,1.00\n2,A,2026-02-31,1.00\n"
    )
    code, out, err = run(capfd, "check", str(ledger), "--json")

    assert code == 3
    assert json.loads(out)["first_quarantined"][0]["line"] == 3
    assert "rows in quarantine" in err


def test_a_ledger_that_is_not_there_is_refused_in_words(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capfd, "check", "nowhere")

    assert (code, out) == (1, "")
    assert "refused:" in err
    assert "next: puntuale check LEDGER --mapping NAME" in err
    assert "Traceback" not in err


def test_scoring_before_training_says_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    ledger = str(small_company.ledger_folder())
    for command in ("score", "nightly"):
        code, _, err = run(capfd, command, ledger)

        assert code == 1
        assert "no model has been promoted yet" in err
        assert "next: puntuale train LEDGER" in err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--on-cluster",), "needs PUNTUALE_DASK_SCHEDULER"),
        (("--sample", "1.5"), "share must be above 0 and at most 1, got: 1.5"),
    ],
)
def test_training_in_a_way_that_is_not_there_is_refused_in_words(
    capfd: pytest.CaptureFixture[str], words: tuple[str, ...], why: str
) -> None:
    code, out, err = run(capfd, "train", str(small_company.ledger_folder()), *words)

    assert (code, out) == (1, "")
    assert "refused:" in err
    assert why in err


def test_score_prints_what_the_api_would_answer_and_writes_all_of_it(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    trained_home: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PUNTUALE_HOME", str(trained_home))
    words = ("score", str(small_company.ledger_folder()), "--as-of", "2026-07-01")
    code, out, err = run(capfd, *words, "--rows", "3", "--out", "scores.parquet", "--json")
    assert code == 0, err
    answers = json.loads(out)

    assert len(answers) == 3
    assert 0 <= answers[0]["p_late_90"] <= answers[0]["p_late_0"] <= 1
    assert answers[0]["reasons"][-1]["feature_group"] == "everything_else"
    assert pq.read_metadata(tmp_path / "scores.parquet").num_rows > 100
    assert [p.name for p in tmp_path.iterdir()] == ["scores.parquet"]


def test_nightly_publishes_and_says_when_nothing_changed(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, trained_home: Path
) -> None:
    monkeypatch.setenv("PUNTUALE_HOME", str(trained_home))
    monkeypatch.setenv(LEDGER, str(small_company.ledger_folder()))
    first = run(capfd, "nightly", "--as-of", "2026-07-01", "--json")
    second = run(capfd, "nightly", "--as-of", "2026-07-01")

    assert (first[0], second[0]) == (0, 0)
    assert json.loads(first[1])["is_new"]
    assert "published before, nothing changed" in second[1]
    assert "Whom to contact first" in second[1]


def test_backtest_writes_predictions_and_outcomes_for_the_judge(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    days = ("--as-of", "2026-03-01")
    files = ("--out", "out/predictions.parquet", "--ledger-out", "out/ledger.parquet")
    code, out, err = run(
        capfd, "backtest", str(small_company.ledger_folder()), *days, *files, "--json"
    )
    assert code == 0, err
    predictions = pq.read_table(tmp_path / "out" / "predictions.parquet")

    assert json.loads(out)["rows"] == predictions.num_rows > 100
    wanted = "invoice_id cut test as_of p_late_0 p_late_30 p_late_60 p_late_90 expected_date"
    assert {*wanted.split(), "date_lo", "date_hi"} <= set(predictions.column_names)
    assert {str(day) for day in predictions["cut"].unique().to_pylist()} == set(days[1::2])
    ledger = pq.read_schema(tmp_path / "out" / "ledger.parquet")
    assert {"invoice_id", "cust", "issue", "due", "paid"} <= set(ledger.names)


def test_backtest_writes_a_report_and_logs_it_when_asked(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = small_company.settings(tmp_path / "home")
    ledger, asked = str(small_company.ledger_folder()), ("--as-of", "2026-03-01")
    code, out, err = run(
        capfd, "backtest", ledger, *asked, "--report", "report", "--mlflow", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["report"] == "report"
    told = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert told["leak_test"]["passed"]
    assert "<title>Back-test" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    logged = [path.name for path in settings.home.rglob("report.*")]
    assert sorted(logged) == ["report.html", "report.json"]


def test_logging_a_backtest_needs_its_report(capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capfd, "backtest", "x", "--as-of", "2026-03-01", "--mlflow")
    assert code == 2
    assert "--report" in err


def test_an_error_of_ours_is_told_as_one_without_a_traceback(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise TypeError("an int was expected")

    monkeypatch.setattr(sources, "read", broken)
    code, _, err = run(capfd, "check", "x")

    assert code == 1
    assert "failed: TypeError: an int was expected" in err
    assert "PUNTUALE_DEBUG=1" in err
    assert "Traceback" not in err


def test_a_name_with_markup_or_control_characters_is_shown_as_text(
    capfd: pytest.CaptureFixture[str],
) -> None:
    from serving import terminal

    terminal.table("Names", [{"name": "[bold]Rossi[/] \x1b[31mS.r.l."}])
    shown = capfd.readouterr().out

    assert "[bold]Rossi[/]" in shown
    assert "\x1b[31m" not in shown


def test_serve_refuses_to_be_open_to_the_network_without_keys(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUNTUALE_PORT", "8000")
    code, _, err = run(capfd, "serve", "--host", "0.0.0.0")

    assert code == 1
    assert "PUNTUALE_API_KEYS" in err


def test_settings_that_make_no_sense_are_refused_in_words(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUNTUALE_PORT", "many")
    code, _, err = run(capfd, "nightly")

    assert code == 1
    assert ".env.example" in err
    assert Settings.model_fields["port"].default == 8000
