"""The nightly job is killed at any moment: a whole night is read, and the rerun gives its bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import thorough

from tests import small_company

PROJECT = Path(__file__).parents[2]


def test_f1_nights_that_are_killed_come_out_as_if_nothing_had_happened(tmp_path):
    kills = thorough.often(4, thorough=200)
    harness = [sys.executable, "-m", "tests.faults.killed_nights"]
    ledger, trained = small_company.ledger_folder(), small_company.trained_bundle()
    done = subprocess.run(
        [*harness, str(tmp_path), str(kills), str(ledger), str(trained)],
        cwd=PROJECT,
        env=os.environ | {"PUNTUALE_DATABASE_URL": ""},
        capture_output=True,
        text=True,
        timeout=300 + 30 * kills,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)

    assert told["kills"] == kills
    allowed = [None, *told["nights"]]
    for before, after in told["seen"]:
        assert after == before or allowed.index(after) == allowed.index(before) + 1
    mine, theirs = (set(told[home]["files"].items()) for home in ("killed", "undisturbed"))
    assert sorted(mine ^ theirs) == [], "nothing is lost and nothing is there twice"
    assert told["killed"]["alerts"] == told["undisturbed"]["alerts"]
    assert len(told["undisturbed"]["alerts"]) > 0
    assert told["left_over"] == []
    told_to = Path(os.environ.get("FAULTS_TOLD", tmp_path)) / "nights.json"
    told_to.write_text(json.dumps({"kills": told["kills"], "nights": told["nights"]}))
