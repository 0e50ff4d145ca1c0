"""Nights killed while they work and write, each in its own process, and what was there after each.

`python -m tests.faults.killed_nights TO KILLS LEDGER BUNDLE`: the real recipe, that of
`pipelines/night.py`, is killed again and again, every second time as it touches the disk, else at
a random moment; each night is then let through. Another home, where nothing was killed, says what
must come out.
"""

import hashlib
import itertools
import json
import os
import random
import signal
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from models import bundle
from pipelines import night
from pipelines.job import Job
from pipelines.records import tables
from pipelines.records.database import open_database
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from tests.pipelines.killed_writers import die_at, forked

FIRST_DAY = date(2026, 7, 1)
STEPS = 60  # a night touches the disk about so often, or fewer times


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
    if settings.records_file.exists():
        database = open_database(settings.records_url)
        database.check()
        database.close()
    return snapshot.name


def left(settings: Settings) -> dict[str, object]:
    """All that nights leave: their files but for manifests, which name the run, and the alerts."""
    store = ScoreStore(settings.scores_folder)
    files = {
        str(path.relative_to(store.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.root.rglob("*"))
        if path.is_file() and path.name not in ("RUN", "LOCK", "manifest.json")
    }
    database = open_database(settings.records_url)
    of = tables.alerts.c
    told = (of.as_of, of.customer_id, of.invoice_id, of.code, of.since, of.value_cents)
    with database.reading() as connection:
        alerts = [list(row) for row in connection.execute(sa.select(*told).order_by(of.id))]
    database.close()
    return {"files": files, "alerts": alerts}


def home(folder: Path, ledger: Path, trained: Path) -> Settings:
    settings = Settings(_env_file=None, home=folder, ledger=str(ledger), snapshots_kept=1_000)  # type: ignore[call-arg]
    bundle.crown(
        bundle.install(trained, among=settings.models_folder), among=settings.models_folder
    )
    open_database(settings.records_url).close()
    return settings


def finished(settings: Settings, day: date) -> float:
    """Let a night end; how many seconds it took."""
    began = time.monotonic()
    _, status = os.waitpid(forked(lambda: run(settings, day)), 0)
    assert status == 0
    return time.monotonic() - began


def main(to: Path, kills: int, ledger: Path, trained: Path) -> None:
    undisturbed = home(to / "undisturbed", ledger, trained)
    killed = home(to / "killed", ledger, trained)
    dice, seen, dead, day = random.Random(kills), [], 0, FIRST_DAY
    while dead < kills:
        before, lasts = is_whole(killed), finished(undisturbed, day)
        for attempt in itertools.count():
            steps = dice.randrange(STEPS) if attempt % 2 else None

            def work(day: date = day, steps: int | None = steps) -> None:
                if steps is not None:
                    die_at(steps)
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

    names = [name for name in left(undisturbed)["files"] if name.endswith("scores.parquet")]  # type: ignore[attr-defined]
    told = {
        "kills": dead,
        "seen": seen,
        "nights": sorted(name.split("/")[0] for name in names),
        "undisturbed": left(undisturbed),
        "killed": left(killed),
        "left_over": [path.name for path in killed.scores_folder.glob(".*")],
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
