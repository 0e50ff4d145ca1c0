"""schemathesis asks the service on a socket whatever its OpenAPI document allows, and what it does
not: every check, and requests that follow from answers before them, on either database.

`EXAMPLES=20 python -m pytest tests/serving/test_schemathesis.py` is the thorough run: with the
cases that the document's own bounds give it asks nearly five thousand times on each database.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import serving.webhooks
from pipelines import night
from pipelines.job import Job
from pipelines.settings import Settings
from serving.app import create_app
from tests import databases, live, small_company
from tests.small_company import AS_OF
from tests.thorough import examples

ROOT = Path(__file__).parents[2]
TOLD = ROOT / "build" / "schemathesis"  # what the thorough run tells, by database
PHASES = ("examples", "coverage", "fuzzing", "stateful")
KEY = "a-long-enough-key"
USUAL = 1  # examples of each operation; what the document's bounds give comes on top
CONFIG = f"""
continue-on-failure = true
request-timeout = 120
hooks = "schemathesis_hooks"

[auth.openapi.ApiKey]
api_key = "{KEY}"

[checks]
max_response_time = 120  # a loaded machine is no fault of an answer

[generation]
database = "none"

[[operations]]  # its three examples are bodies of three kinds, which that phase cannot tell apart;
include-path = "/v1/ledger/{{table}}"  # the phase of coverage asks with each of them
phases.examples.enabled = false
"""


@pytest.fixture(params=databases.BOTH)
def address(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A service with a model, last night's scores and plan, alerts and a key."""

    async def somewhere(host: str, port: int) -> list[str]:
        return ["93.184.215.14"]  # no name is asked for outside; nothing is ever delivered

    monkeypatch.setattr(serving.webhooks, "look_up", somewhere)
    with databases.empty(request.param, tmp_path) as url:
        settings = Settings(
            _env_file=None,
            home=tmp_path / "home",
            ledger=str(small_company.ledger_folder()),
            database_url=url,
            api_keys=(KEY,),
            host="127.0.0.1",
        )
        small_company.crowned(settings)
        night.run(Job.of(settings, at=datetime(2026, 7, 1, 2, tzinfo=UTC), as_of=AS_OF))
        with live.listening(create_app(settings, today=lambda: AS_OF)) as (host, port):
            yield f"http://{host}:{port}"


def test_schemathesis_finds_nothing(
    address: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    count = examples(USUAL)
    is_thorough = "EXAMPLES" in os.environ
    phases = PHASES if is_thorough else ("examples", "fuzzing", "stateful")
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(tmp_path / "schemathesis.toml")),
            *("run", f"{address}/openapi.json", "--header", f"X-API-Key: {KEY}"),
            *("--checks", "all", "--phases", ",".join(phases), "--max-examples", str(count)),
            *("--no-color", "--seed", "20260701"),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests/serving")])},
        capture_output=True,
        text=True,
        check=False,
    )
    if is_thorough:
        TOLD.mkdir(parents=True, exist_ok=True)
        (TOLD / f"{request.node.callspec.id}.txt").write_text(asked.stdout)
    assert asked.returncode == 0, asked.stdout[-8000:] + asked.stderr[-2000:]
    found = re.search(r"(\d+) generated, .*", asked.stdout)
    assert found is not None
    assert int(found[1]) >= (2_000 if is_thorough else 100)
