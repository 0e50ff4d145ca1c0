"""The nightly flow: the recipe of `pipelines/night.py` under Prefect, with retries and artifacts.

`python -m pipelines.nightly --as-of 2026-07-01` needs no server: without PREFECT_API_URL Prefect
starts one of its own for the run. The command line runs the same recipe without Prefect.
"""

import argparse
import os
import signal
import sys
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, date, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.deployments.runner import EntrypointType
from prefect.runtime import flow_run
from prefect.schedules import Cron
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    get_current_settings,
    temporary_settings,
)

from models import durable
from pipelines import (
    missed_nights,
    night,
    night_failed,
    night_report,
    prefect_server,
    pulling,
    reading,
    tenants,
)
from pipelines.job import Job
from pipelines.night import Night
from pipelines.settings import Settings
from pipelines.store import STUCK_SECONDS, ScoreStore
from pipelines.tenants import SomeTenantsFailed


def passes(task: object, run: object, state: Any) -> bool:
    """Whether trying again may help: a file share or a database was away, the data is not wrong."""
    return isinstance(state.result(raise_on_failure=False), OSError)


# Nothing is cached by Prefect: its files are not flushed, and our snapshots know what is done.
pull = task(
    pulling.for_night,
    name="pull what is new",
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=passes,
    cache_policy=NO_CACHE,
)
read = task(
    reading.read,
    name="read the ledger",
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=passes,
    cache_policy=NO_CACHE,
)
score = task(night.score_kept, name="score what is open", cache_policy=NO_CACHE)
publish = task(
    night.publish,
    name="publish",
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=passes,
    cache_policy=NO_CACHE,
)
report = task(night_report.of_night, name="report the night", cache_policy=NO_CACHE)


def tell_of_failure(flow: object, flow_run: Any, state: Any) -> None:
    """The hook of a night that failed or whose process died."""
    fault = state.result(raise_on_failure=False)
    night_failed.tell(Settings(), fault, run=str(flow_run.id), at=datetime.now(UTC))


@flow(  # type: ignore[untyped-decorator]
    name="nightly",
    validate_parameters=False,
    timeout_seconds=STUCK_SECONDS,
    on_failure=[tell_of_failure],
    on_crashed=[tell_of_failure],
)
def nightly(
    as_of: date | None = None,
    ledger: str | None = None,
    mapping: str | None = None,
    most: int = 1,
    tenant: str | None = None,
) -> Night | dict[str, Night]:
    """Score the whole portfolio as of a day and publish it; again changes nothing.

    With `most` above 1 the nights missed since the last one come first, so many in all. Of several
    companies each has its own night, in turn, unless one is named; those that failed are told at
    the end.
    """
    settings = Settings(tenant=tenant) if tenant else Settings()
    work = partial(of_company, as_of=as_of, ledger=ledger, mapping=mapping, most=most)
    every = tenants.every(settings)
    if not every:
        return work(settings)
    if ledger or mapping:
        raise ValueError("a ledger is one company's: name the tenant too")
    nights: dict[str, Night] = {}
    faults = {}
    for outcome in tenants.each(every, work):
        if outcome.told is not None:
            nights[outcome.tenant] = outcome.told
            continue
        faults[outcome.tenant] = night_failed.reason(outcome.fault)
        now, run = datetime.now(UTC), str(flow_run.id)
        night_failed.tell(every[outcome.tenant], outcome.fault, run=run, at=now)
    if faults:
        raise SomeTenantsFailed(faults, of=len(every))
    return nights


def of_company(
    settings: Settings, *, as_of: date | None, ledger: str | None, mapping: str | None, most: int
) -> Night:
    """The nights of one company, and what is told of them; the last one."""
    job = Job.of(settings, at=datetime.now(UTC), ledger=ledger, mapping=mapping, as_of=as_of)
    which = f"-{settings.tenant}" if settings.tenant else ""
    progress = create_progress_artifact(progress=0.0, key=f"nightly-progress{which}")
    work = partial(one_night, progress=progress)
    nights, notes = missed_nights.catch_up(job, most=most, work=work)
    for note in notes:
        get_run_logger().warning(note)
    update_progress_artifact(artifact_id=progress, progress=100.0)
    create_table_artifact(key=f"nightly-summary{which}", table=night.summary(nights[-1]))
    return nights[-1]


def one_night(job: Job, *, progress: Any) -> Night:
    """The recipe as tasks, for one day."""
    with ScoreStore(job.settings.scores_folder).writing() as lock:
        model = night.champion(job.settings)
        pull(job.settings, at=job.at)
        intake = read(job)
        update_progress_artifact(artifact_id=progress, progress=40.0)
        scores = score(job, intake, model)
        update_progress_artifact(artifact_id=progress, progress=80.0)
        told: Night = publish(job, intake, scores, model=model, lock=lock)
        report(job.settings, told.snapshot)
    return told


def deployment(settings: Settings) -> dict[str, Any]:
    """How the nightly flow is served: when, one run at a time, with what was missed."""
    return {
        "name": "nightly",
        "schedule": Cron(settings.night_cron, timezone=settings.zone),
        "parameters": {"most": missed_nights.AT_MOST},
        "global_limit": 1,
        "limit": 1,
        "pause_on_shutdown": False,  # a run that came due meanwhile starts with the next process
        "entrypoint_type": EntrypointType.MODULE_PATH,
    }


def serve(settings: Settings) -> None:
    """Run the night by its schedule until it is stopped, on Prefect's server or one of our own."""
    from pipelines.nightly import nightly as flow_of_the_module  # not of __main__: it is imported

    with at_home(settings), ExitStack() as ours:
        if not PREFECT_API_URL.value():
            prefect_server.require_scheduler(version("sqlalchemy"))
            environment = dict(os.environ) | get_current_settings().to_environment_variables(
                exclude_unset=True
            )
            url = ours.enter_context(prefect_server.running(environment))
            ours.enter_context(temporary_settings({PREFECT_API_URL: url}))
        flow_of_the_module.serve(**deployment(settings))


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
    parser = options("Score the portfolio and publish it, under Prefect.")
    parser.add_argument("--serve", action="store_true", help="every night, by PUNTUALE_NIGHT_CRON")
    given = parser.parse_args()
    if given.serve:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # what was started ends too
        try:
            serve(Settings())
        except prefect_server.ServerFailed as failed:
            sys.exit(f"refused: {failed}")
        return
    with at_home(Settings()):
        nightly(given.as_of, given.ledger, given.mapping)


if __name__ == "__main__":
    main()
