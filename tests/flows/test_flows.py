"""All flows, once, in one process: Prefect's own server starts once, and is slow to."""

import inspect
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.store import ScoreStore
from tests import small_company

pytestmark = small_company.QUIET_MLFLOW

PROJECT = Path(__file__).parents[2]

RUN_ALL = """
import dataclasses, json, sys, time
from datetime import date
from pathlib import Path
from prefect.client.orchestration import get_client
from pipelines import backtesting
from pipelines.nightly import at_home, nightly
from pipelines.training import retraining, training
from pipelines.settings import Settings

with at_home(Settings()):
    first = training(date(2026, 3, 15))
    trained = retraining(date(2026, 7, 1))
    nights = [nightly(date(2026, 7, 1)) for _ in range(2)]
    not_trained = retraining(date(2026, 7, 2))
    origins = [date(2026, 1, 15), date(2026, 3, 1)]
    judged = backtesting.run(origins, Settings().home / "report", workers=2)
    with get_client(sync_client=True) as client:
        artifacts = {
            a.key: (a.type, json.loads(a.data) if a.type == "table" else a.data)
            for a in client.read_artifacts()
        }
        for _ in range(240):  # its server writes down what has run a little later
            runs = [(r.name, r.state_name, r.run_count) for r in client.read_task_runs()]
            if len(runs) >= int(sys.argv[1]) and all(r[1] == "Completed" for r in runs):
                break
            time.sleep(0.5)
told = {"first": dataclasses.asdict(first), "trained": dataclasses.asdict(trained),
        "nights": [dataclasses.asdict(n) for n in nights], "not_trained": not_trained,
        "judged": judged, "artifacts": artifacts, "runs": runs}
print(json.dumps(told, default=str))
"""
TASKS = {  # how often each runs
    "pull what is new": 2,
    "read the ledger": 2 + 2 + 1,
    "look at the model that answers": 2,
    "learn": 2,
    "judge on the last matured window": 2,
    "log to MLflow": 2 + 1,
    "promote": 2,
    "learn what actions change": 2,
    "score what is open": 2,
    "publish": 2,
    "report the night": 2,
    "replay an origin": 2,
    "leak test": 1,
    "judge": 1,
    "write the report": 1,
    "training": 1,  # a flow inside the retraining flow
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_company.settings(tmp_path_factory.mktemp("home")).home


@pytest.fixture(scope="module")
def told(home: Path) -> dict[str, object]:
    outside = {n: v for n, v in os.environ.items() if not n.startswith(("PREFECT_", "PUNTUALE_"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, str(sum(TASKS.values()))],
        env={
            **outside,
            "PUNTUALE_HOME": str(home),
            "PUNTUALE_LEDGER": str(small_company.ledger_folder()),
            "DO_NOT_TRACK": "1",
        },
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=900,  # on a machine that has much else to do
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_training_promotes_and_the_night_is_published_once(home: Path, told) -> None:
    first, second = told["nights"]

    assert told["trained"]["promoted"]
    assert (first["is_new"], second["is_new"]) == (True, False)
    assert first["snapshot"] == second["snapshot"]
    assert first["model_version"] == told["trained"]["version"]
    assert ScoreStore(home / "scores").names() == [first["snapshot"]]


def test_a_stale_model_is_trained_again_judged_against_its_recipe_and_the_reason_logged(
    home: Path, told
) -> None:
    trained = told["trained"]
    logged = [json.loads(p.read_text()) for p in home.rglob("trained_because.json")]

    assert told["first"]["promoted"]
    assert trained["version"].startswith("2026-07-01-")
    assert any("to the champion's recipe (issue)" in reason for reason in trained["why"])
    assert any("has learned until 2026-03-15" in reason for reason in trained["why"])
    (reasons,) = [reasons for reasons in logged if reasons]
    assert any("stale model since 2026-06-16" in reason for reason in reasons)


def test_a_model_that_does_well_is_not_trained_again(told) -> None:
    assert told["not_trained"] is None


def test_the_back_test_is_reported_and_logged(home: Path, told) -> None:
    files = {"report.html", "report.json"}

    assert told["judged"]["origins"] == ["2026-01-15", "2026-03-01"]
    assert told["judged"]["leak_test"]["passed"]
    assert {path.name for path in (home / "report").iterdir()} == files
    assert {path.name for path in home.glob("mlflow/*/artifacts/backtest/*")} == files
    assert json.loads((home / "report" / "report.json").read_text()) == told["judged"]


def test_prefect_shows_the_progress_and_a_summary_table(told) -> None:
    artifacts = told["artifacts"]

    for flow in ("training", "nightly", "backtest"):
        assert artifacts[f"{flow}-progress"] == ["progress", 100.0]
        assert artifacts[f"{flow}-summary"][0] == "table"
    rows = {row["what"]: row["value"] for row in artifacts["nightly-summary"][1]}
    assert rows["open invoices"] == told["nights"][0]["invoices"]
    assert artifacts["model-health"][0] == "table"


def test_every_step_ran_once(told) -> None:
    names = Counter(name.rsplit("-", 1)[0] for name, _, _ in told["runs"])

    assert names == TASKS
    assert {(state, times) for _, state, times in told["runs"]} == {("Completed", 1)}


def test_prefect_keeps_its_files_in_the_projects_home(home: Path, told) -> None:
    assert (home / "prefect" / "prefect.db").exists()
    assert Settings(_env_file=None, home=home).prefect_home == home / "prefect"


@pytest.mark.parametrize("name", ["nightly", "training", "backtesting"])
def test_a_flow_reads_like_a_recipe(name: str) -> None:
    source = (PROJECT / "pipelines" / f"{name}.py").read_text()
    body = source.split(f"def {name}(")[1].split("\n\n\n")[0].split('"""')[-1]

    assert len(body.strip().splitlines()) <= 20
    assert inspect.cleandoc(body)
