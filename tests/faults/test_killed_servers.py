"""The service is killed while rows are sent to it: nothing acknowledged is lost or there twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import databases
import pytest
import thorough

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", databases.BOTH)
def test_f8_rows_sent_to_servers_that_are_killed_are_kept_once(kind, tmp_path):
    kills = thorough.often(3, thorough=200)
    with databases.empty(kind, tmp_path) as url:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.faults.killed_servers",
                str(tmp_path / "home"),
                str(kills),
            ],
            cwd=PROJECT,
            env=os.environ | {"PUNTUALE_DATABASE_URL": url, "PUNTUALE_API_KEYS": ""},
            capture_output=True,
            text=True,
            timeout=60 + 60 * kills,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)

    assert told["kills"] == kills
    assert told["broken"] >= kills / 2, "the kills must meet requests under way"
    assert told["in_force"] == told["revisions"] == told["accepted"] > 0
    assert told["held"] == told["held_told"] == told["batches"], "a wrong row is held once"
    assert told["audit_lines"] == told["batches"], "each batch is one line"
    assert told["audit_broken"] is None
    (Path(os.environ.get("FAULTS_TOLD", tmp_path)) / f"servers-{kind}.json").write_text(done.stdout)
