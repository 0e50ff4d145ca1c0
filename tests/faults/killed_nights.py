"""Nights killed while they work and write, each in its own process, and what was there after each.

`python -m tests.faults.killed_nights WHAT`, a JSON object: the real recipe, that of
`pipelines/night.py`, is killed again and again, every second time as it touches the disk or commits
to a database, else at a random moment; each night is then let through. Meanwhile a reader looks all
the time. Another home, where nothing was killed, says what must come out.
"""

import hashlib
import itertools
import json
import os
import random
import signal
import sys
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from models import bundle
from pipelines import night
from pipelines.job import Job
from pipelines.records import tables, webhooks
from pipelines.records.audit import Writer
from pipelines.records.database import open_database
from pipelines.score_database import DatabaseStore
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from tests.pipelines.killed_writers import die_at, forked

FIRST_DAY = date(2026, 7, 1)
AT = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
STEPS = 60  # a night touches the disk about so often, or fewer times
EVENTS = ["alert.raised", "scores.published"]


def run(settings: Settings, day: date) -> None:
    at = datetime(day.year, day.month, day.day, 5, tzinfo=UTC)
    night.run(Job.of(settings, at=at, as_of=day))


def is_whole(settings: Settings) -> str | None:
    """The night that is read; opening it checks every hash, and the records check themselves."""
    snapshot = ScoreStore(settings.scores_folder).current()
    if snapshot is None:
        return None
    assert snapshot.count() == snapshot.rows
    assert snapshot.count_plan() > 0
    if settings.records_url.startswith("postgresql"):
        with closing(DatabaseStore(settings.records_url)) as store:
            if (in_database := store.current()) is not None:
                assert in_database.count() == in_database.rows == in_database.scores().num_rows
    if settings.records_file.exists():
        database = open_database(settings.records_url)
        database.check()
        database.close()
    return snapshot.name


def left(settings: Settings) -> dict[str, object]:
    """All that nights leave: their files but for manifests, which name the run, alerts, messages.

    Ids that a database gives are left out: numbers of what was rolled back are not given again.
    """
    store = ScoreStore(settings.scores_folder)
    files = {
        str(path.relative_to(store.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.root.rglob("*"))
        if path.is_file() and path.name not in ("RUN", "LOCK", "manifest.json")
    }
    database = open_database(settings.records_url)
    of = tables.alerts.c
    asked = (of.as_of, of.customer_id, of.invoice_id, of.code, of.since, of.value_cents)
    with database.reading() as connection:
        alerts = [list(row) for row in connection.execute(sa.select(*asked).order_by(of.id))]
        bodies = connection.execute(sa.select(tables.deliveries.c.body)).scalars()
        messages = sorted(json.dumps(_without_ids(json.loads(body))) for body in bodies)
    database.close()
    reports = sorted(path.name for path in settings.reports_folder.glob("*.html"))
    told = {"files": files, "alerts": alerts, "messages": messages, "reports": reports}
    if settings.records_url.startswith("postgresql"):
        with closing(DatabaseStore(settings.records_url)) as in_database:
            told["database"] = [in_database.names(), in_database.current_name()]
    return told


def _without_ids(message: dict[str, Any]) -> dict[str, Any]:
    alerts = message["data"].get("alerts", [])
    shown = [{name: value for name, value in one.items() if name != "id"} for one in alerts]
    return {**message, "data": {**message["data"], "alerts": shown}}


def home(what: dict[str, Any], name: str) -> Settings:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        home=Path(what["to"]) / name,
        ledger=what["ledger"],
        database_url=what["databases"].get(name),
        snapshots_kept=1_000,
        smtp_url=what["smtp"][name],
        mail_from="puntuale@example.com",
        mail_to="anna@example.com",
        mail_report=True,
    )
    version = bundle.install(Path(what["bundle"]), among=settings.models_folder)
    bundle.crown(version, among=settings.models_folder)
    database = open_database(settings.records_url)
    with database.writing() as connection:
        writer = Writer("maria", AT)
        webhooks.make(connection, "https://erp.example/in", events=EVENTS, writer=writer)
    database.close()
    return settings


def look_all_the_time(settings: Settings, to: Path) -> None:
    """What a reader finds, from change to change, until this process is ended."""
    before: str | None = None
    with to.open("w") as file:
        for looks in itertools.count(1):
            if (name := is_whole(settings)) != before:
                file.write(f"{name}\n")
                before = name
            if looks % 20 == 0:
                to.with_suffix(".looks").write_text(str(looks))
            file.flush()
            time.sleep(0.01)


def die_as_it_commits(step: int) -> None:
    """Kill this process when it touches the disk, or commits, for the n-th time."""
    die_at(step)
    left = itertools.count(step, -8)  # there are fewer commits: each counts for some touches

    @sa.event.listens_for(sa.Engine, "commit")
    def dying(connection: sa.Connection) -> None:
        if next(left) in range(8):
            os.kill(os.getpid(), signal.SIGKILL)


def finished(settings: Settings, day: date) -> float:
    """Let a night end; how many seconds it took."""
    began = time.monotonic()
    _, status = os.waitpid(forked(lambda: run(settings, day)), 0)
    assert status == 0
    return time.monotonic() - began


def main(what: dict[str, Any]) -> None:
    kills, to = int(what["kills"]), Path(what["to"])
    undisturbed, killed = home(what, "undisturbed"), home(what, "killed")
    reader = forked(lambda: look_all_the_time(killed, to / "read"))
    dice, seen, dead, day = random.Random(kills), [], 0, FIRST_DAY
    while dead < kills:
        before, lasts = is_whole(killed), finished(undisturbed, day)
        for attempt in itertools.count():
            steps = dice.randrange(STEPS) if attempt % 2 else None

            def work(day: date = day, steps: int | None = steps) -> None:
                if steps is not None:
                    die_as_it_commits(steps)
                run(killed, day)

            child = forked(work)
            if steps is None:
                time.sleep(dice.uniform(0, lasts))
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            seen.append([before, after := is_whole(killed)])
            before = after
            if os.WIFEXITED(status):
                break
            dead += 1
            if dead == kills:
                finished(killed, day)
                break
        day += timedelta(days=1)

    time.sleep(0.5)
    os.kill(reader, signal.SIGTERM)
    _, status = os.waitpid(reader, 0)
    names = [name for name in left(undisturbed)["files"] if name.endswith("scores.parquet")]  # type: ignore[attr-defined]
    told = {
        "kills": dead,
        "seen": seen,
        "reader": [os.WIFSIGNALED(status), (to / "read").read_text().split()],
        "looks": int((to / "read.looks").read_text()),
        "nights": sorted(name.split("/")[0] for name in names),
        "undisturbed": left(undisturbed),
        "killed": left(killed),
        "left_over": [path.name for path in killed.scores_folder.glob(".*")],
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
