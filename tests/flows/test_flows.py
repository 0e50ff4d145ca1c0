"""Both flows, once, in one process: Prefect's own server starts once, and is slow to."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.settings import Settings
from tests import small_company

pytestmark = small_company.QUIET_MLFLOW

PROJECT = Path(__file__).parents[2]

RUN_BOTH = """
import dataclasses, json, sys
from datetime import date
from prefect.client.orchestration import get_client
from pipelines.nightly import at_home, nightly
from pipelines.training import training
from pipelines.settings import Settings

with at_home(Settings()):
    trained = training(date(2026, 7, 1))
    nights = [nightly(date(2026, 7, 1)) for _ in range(2)]
    with get_client(sync_client=True) as client:
        artifacts = {
            a.key: (a.type, json.loads(a.data) if a.type == "table" else a.data)
            for a in client.read_artifacts()
        }
        runs = [(r.name and r.state_name, r.run_count) for r in client.read_task_runs()]
told = {"trained": dataclasses.asdict(trained), "nights": [dataclasses.asdict(n) for n in nights],
        "artifacts": artifacts, "runs": runs}
print(json.dumps(told, default=str))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_company.settings(tmp_path_factory.mktemp("home")).home


@pytest.fixture(scope="module")
def told(home: Path) -> dict[str, object]:
    outside = {n: v for n, v in os.environ.items() if not n.startswith(("PREFECT_", "PUNTUALE_"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN_BOTH],
        env={
            **outside,
            "PUNTUALE_HOME": str(home),
            "PUNTUALE_LEDGER": str(small_company.ledger_folder()),
            "DO_NOT_TRACK": "1",
        },
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=400,
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
    snapshots = [p for p in (home / "scores").iterdir() if p.is_dir()]
    assert [p.name for p in snapshots] == [first["snapshot"]]


def test_prefect_shows_the_progress_and_a_summary_table(told) -> None:
    artifacts = told["artifacts"]

    for flow in ("training", "nightly"):
        assert artifacts[f"{flow}-progress"] == ["progress", 100.0]
        assert artifacts[f"{flow}-summary"][0] == "table"
    rows = {row["what"]: row["value"] for row in artifacts["nightly-summary"][1]}
    assert rows["open invoices"] == told["nights"][0]["invoices"]


def test_every_step_ran_once(told) -> None:
    assert len(told["runs"]) == 5 + 2 * 3
    assert {tuple(run) for run in told["runs"]} == {("Completed", 1)}


def test_prefect_keeps_its_files_in_the_projects_home(home: Path, told) -> None:
    assert (home / "prefect" / "prefect.db").exists()
    assert Settings(_env_file=None, home=home).prefect_home == home / "prefect"


@pytest.mark.parametrize("name", ["nightly", "training"])
def test_a_flow_reads_like_a_recipe(name: str) -> None:
    source = (PROJECT / "pipelines" / f"{name}.py").read_text()
    body = source.split(f"def {name}(")[1].split("\n\n\n")[0].split('"""')[-1]

    assert len(body.strip().splitlines()) <= 20
    assert inspect.cleandoc(body)
