"""The nightly job is killed at any moment: a whole night is read, and the rerun gives its bytes."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import databases
import mail_sink
import pytest
import thorough

from tests import small_company

PROJECT = Path(__file__).parents[2]
HOMES = ("undisturbed", "killed")


@pytest.mark.parametrize("kind", databases.BOTH)
def test_f1_nights_that_are_killed_come_out_as_if_nothing_had_happened(kind: str, tmp_path: Path):
    kills = thorough.often(4, thorough=50)
    with ExitStack() as open_now:
        sinks = {name: open_now.enter_context(mail_sink.listening()) for name in HOMES}
        urls = {}
        if kind == "postgresql":
            urls = {n: open_now.enter_context(databases.empty(kind, tmp_path)) for n in HOMES}
        what = {
            "to": str(tmp_path),
            "kills": kills,
            "ledger": str(small_company.ledger_folder()),
            "bundle": str(small_company.trained_bundle()),
            "databases": urls,
            "smtp": {name: sink.url.format("") for name, sink in sinks.items()},
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.killed_nights", json.dumps(what)],
            cwd=PROJECT,
            env=os.environ | {"PUNTUALE_DATABASE_URL": ""},
            capture_output=True,
            text=True,
            timeout=300 + 30 * kills,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    killed, undisturbed = told["killed"], told["undisturbed"]

    assert told["kills"] == kills
    allowed = [None, *told["nights"]]
    for before, after in told["seen"]:
        assert after == before or allowed.index(after) == allowed.index(before) + 1
    mine, theirs = (set(home["files"].items()) for home in (killed, undisturbed))
    assert sorted(mine ^ theirs) == [], "nothing is lost and nothing is there twice"
    for what_is_left in ("alerts", "messages", "reports"):
        assert killed[what_is_left] == undisturbed[what_is_left], what_is_left
    assert killed.get("database") == undisturbed.get("database")
    assert len(undisturbed["alerts"]) > 0
    assert len(undisturbed["messages"]) >= len(told["nights"])
    assert told["left_over"] == []

    was_well, read = told["reader"]
    assert was_well, "whoever looks all the time never finds half a night"
    assert read == told["nights"]
    assert told["looks"] > 20
    mails = {n: [mail["Subject"] for mail in sink.mails] for n, sink in sinks.items()}
    assert len(mails["undisturbed"]) == len(told["nights"])
    # a night that dies between its report and its mail is not mailed again: never twice
    assert len(set(mails["killed"])) == len(mails["killed"])
    assert set(mails["killed"]) <= set(mails["undisturbed"])

    to = Path(os.environ.get("FAULTS_TOLD", tmp_path)) / f"nights-{kind}.json"
    counted = {name: told[name] for name in ("kills", "nights", "looks")}
    to.write_text(json.dumps(counted | {"mails": {n: len(of) for n, of in mails.items()}}))
