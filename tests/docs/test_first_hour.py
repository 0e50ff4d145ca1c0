"""docs/first_hour.md, typed in an empty folder with an export of one's own."""

import json
import os
import re
import shlex
import shutil
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines import settlement, sources
from pipelines.ledger import NEVER
from pipelines.settings import Settings
from serving import cli
from tests import small_company
from tests.docs.shown import commands

pytestmark = small_company.QUIET_MLFLOW

PAGE = "docs/first_hour.md"
HEADS = "N. documento;Cod. cliente;Ragione sociale;Data documento;Scadenza;Importo;Data pagamento"


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder; MLflow's tables are there, since making them takes seconds."""
    for name in [n for n in os.environ if n.startswith(("PUNTUALE_", "PREFECT_API"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(path: Path) -> None:
    """The small company's invoices as an Italian program writes them."""
    ledger = sources.read(small_company.ledger_folder(), today=small_company.AS_OF).ledger
    names = dict(
        zip(*(ledger.customers[c].to_pylist() for c in ("customer_id", "name")), strict=True)
    )
    settled = settlement.settle(ledger).settled_day
    lines = [HEADS]
    for row, day in zip(ledger.invoices.to_pylist(), settled.tolist(), strict=True):
        paid = f"{date(1970, 1, 1) + timedelta(days=day):%d/%m/%Y}" if day < NEVER else ""
        amount = f"{Decimal(row['amount_cents']) / 100:,.2f}".translate(str.maketrans(",.", ".,"))
        known = [row[name] for name in ("issue_date", "due_date")]
        dates = [f"{day:%d/%m/%Y}" if day else "" for day in known]
        customer = row["customer_id"]
        cells = (row["invoice_id"], customer, names[customer], *dates, amount, paid)
        lines.append(";".join(cells))
    path.write_text("\r\n".join(lines), encoding="cp1252")


def typed(capfd: pytest.CaptureFixture[str], words: list[str]) -> tuple[int, str, str]:
    before, sys.argv = sys.argv, ["puntuale", *words]
    try:
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
        if "mlflow" in sys.modules:
            sys.modules["mlflow"].set_tracking_uri(None)
    printed = capfd.readouterr()
    return code, printed.out, " ".join(printed.err.split())


def test_the_page_shows_the_form_of_the_export() -> None:
    assert HEADS in Path(__file__).parents[2].joinpath(PAGE).read_text(encoding="utf-8")


def test_an_own_csv_is_scored_by_the_commands_that_are_printed(capfd, empty: Path) -> None:
    shown = [c for c in commands() if c.page == PAGE and c.program == "puntuale"]
    words = [c.words for c in shown]
    assert [w[0] for w in words] == ["doctor", "demo", "init", "train", "nightly", "serve"]

    code, out, _ = typed(capfd, ["doctor", "--json"])
    state = {finding["what"]: finding["state"] for finding in json.loads(out)}
    del state["port"], state["disk"]  # the machine's, whoever else uses it
    assert code in (0, 1)
    assert {name for name, of in state.items() if of != "ok"} == {
        "mlflow",
        "ledger",
        "model",
        "night",
    }

    export(Path("scadenzario.csv"))
    code, out, err = typed(capfd, list(words[2]))
    assert code == 0, err
    printed = [
        shlex.split(line)[1:] for line in re.findall(r"^  (puntuale .*?)   ", out, re.MULTILINE)
    ]
    assert [line[0] for line in printed] == ["train", "nightly", "serve"]

    shutil.copyfile(small_company.migrated_database(), _home() / "mlflow.db")
    code, out, err = typed(capfd, printed[0])
    assert code == 0, err
    assert "is the champion" in out
    code, out, err = typed(capfd, printed[1])
    assert code == 0, err
    assert "Whom to contact first" in out
    assert "published" in out


def _home() -> Path:
    settings = Settings()
    settings.home.mkdir(exist_ok=True)
    return settings.home
