"""The nightly flow: the recipe of `pipelines/night.py` under Prefect, with retries and artifacts.

`python -m pipelines.nightly --as-of 2026-07-01` needs no server: without PREFECT_API_URL Prefect
starts one of its own for the run. The command line runs the same recipe without Prefect.
"""

import argparse
import os
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from typing import Any

from prefect import flow, task
from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.settings import (
    PREFECT_HOME,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from models import durable
from pipelines import night, reading
from pipelines.job import Job
from pipelines.night import Night
from pipelines.settings import Settings
from pipelines.store import ScoreStore


def passes(task: object, run: object, state: Any) -> bool:
    """Whether trying again may help: a file share or a database was away, the data is not wrong."""
    return isinstance(state.result(raise_on_failure=False), OSError)


# Nothing is cached by Prefect: its files are not flushed, and our snapshots know what is done.
read = task(
    reading.read,
    name="read the ledger",
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=passes,
    cache_policy=NO_CACHE,
)
score = task(night.score, name="score what is open", cache_policy=NO_CACHE)
publish = task(
    night.publish,
    name="publish",
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=passes,
    cache_policy=NO_CACHE,
)


@flow(name="nightly", validate_parameters=False)  # type: ignore[untyped-decorator]
def nightly(
    as_of: date | None = None, ledger: str | None = None, mapping: str | None = None
) -> Night:
    """Score the whole portfolio as of a day and publish it; again changes nothing."""
    job = Job.of(Settings(), at=datetime.now(UTC), ledger=ledger, mapping=mapping, as_of=as_of)
    progress = create_progress_artifact(progress=0.0, key="nightly-progress")
    with ScoreStore(job.settings.scores_folder).writing() as lock:
        model = night.champion(job.settings)
        intake = read(job)
        update_progress_artifact(artifact_id=progress, progress=40.0)
        scores = score(job, intake, model)
        update_progress_artifact(artifact_id=progress, progress=80.0)
        told: Night = publish(job, intake, scores, model=model, lock=lock)
    update_progress_artifact(artifact_id=progress, progress=100.0)
    create_table_artifact(key="nightly-summary", table=night.summary(told))
    return told


def at_home(settings: Settings) -> AbstractContextManager[object]:
    """Prefect with its files in the project's home, patient and without reports to its maker."""
    own: dict[object, object] = {
        PREFECT_SERVER_ANALYTICS_ENABLED: False,
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 300,  # 20 s are not enough under load
    }
    if "PREFECT_HOME" not in os.environ:
        durable.make(settings.prefect_home.resolve())  # its server cannot make a folder in none
        own[PREFECT_HOME] = settings.prefect_home.resolve()
    at_home: AbstractContextManager[object] = temporary_settings(own)
    return at_home


def options(description: str, *, as_of: bool = True) -> argparse.ArgumentParser:
    """The options that the flows share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("ledger", nargs="?", help="a folder or a database URL")
    parser.add_argument("--mapping", help="how a foreign export is read")
    if as_of:
        day = "the day that opens, 2026-07-01"
        parser.add_argument("--as-of", type=date.fromisoformat, help=day)
    return parser


def main() -> None:
    given = options("Score the portfolio and publish it, under Prefect.").parse_args()
    with at_home(Settings()):
        nightly(given.as_of, given.ledger, given.mapping)


if __name__ == "__main__":
    main()
