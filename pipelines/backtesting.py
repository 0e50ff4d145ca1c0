"""The back-test flow: `pipelines/rolling_origins.py` under Prefect, with a task for each origin.

`python -m pipelines.backtesting LEDGER --origin 2026-01-01 --origin 2026-02-01 --report report`
needs no server: without PREFECT_API_URL Prefect starts one of its own for the run. The command
line does the same without Prefect.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from prefect import flow, task, unmapped
from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from pipelines import backtest, backtest_figures, backtest_page, backtest_report, leak_check
from pipelines import rolling_origins as recipe
from pipelines.backtest_report import Told
from pipelines.job import Job, day_number
from pipelines.nightly import at_home, options, passes, read
from pipelines.settings import Settings
from pipelines.workers import crew

replay = task(recipe.replay, name="replay an origin", cache_policy=NO_CACHE)
leak_test = task(leak_check.of_first_origin, name="leak test", cache_policy=NO_CACHE)
judge = task(backtest_report.figures, name="judge", cache_policy=NO_CACHE)
publish = task(backtest_page.publish, name="write the report", cache_policy=NO_CACHE)
log = task(
    recipe.log,
    name="log to MLflow",
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=passes,
    cache_policy=NO_CACHE,
)


# One thread: without processes or a cluster to go to, origins come one after the other.
@flow(  # type: ignore[untyped-decorator]
    name="backtest", validate_parameters=False, task_runner=ThreadPoolTaskRunner(max_workers=1)
)
def backtesting(
    origins: Sequence[date],
    to: Path,
    ledger: str | None = None,
    mapping: str | None = None,
    workers: int = 1,
) -> Told:
    """Go back to each day, train only on what was known then, judge, report and log to MLflow."""
    job = Job.of(Settings(), at=datetime.now(UTC), ledger=ledger, mapping=mapping)
    progress = create_progress_artifact(progress=0.0, key="backtest-progress")
    known = read(job).ledger
    with crew(workers=workers, scheduler=job.settings.dask_scheduler) as by:
        asked = replay.map(unmapped(known), list(map(day_number, origins)), by=unmapped(by))
        replayed = backtest.together(asked.result(), known)
    update_progress_artifact(artifact_id=progress, progress=70.0)
    told: Told = judge(replayed, known, leak=leak_test(known, replayed))
    update_progress_artifact(artifact_id=progress, progress=90.0)
    log(job, told, publish(told, to))
    update_progress_artifact(artifact_id=progress, progress=100.0)
    create_table_artifact(key="backtest-summary", table=backtest_figures.figures(replayed, known))
    return told


def run(
    origins: Sequence[date],
    to: Path,
    *,
    ledger: str | None = None,
    mapping: str | None = None,
    workers: int = 1,
) -> Told:
    """The flow with as many threads as there are workers: each waits for an origin's worker."""
    threads = ThreadPoolTaskRunner(max_workers=workers)
    parallel = backtesting.with_options(task_runner=threads)
    told: Told = parallel(origins, to, ledger, mapping, workers)
    return told


def main() -> None:
    parser = options("Back-test a ledger and write the report, under Prefect.", as_of=False)
    parser.add_argument(
        "--origin", type=date.fromisoformat, action="append", required=True, help="a day to go to"
    )
    parser.add_argument("--report", type=Path, required=True, help="the report's folder")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the origins")
    given = parser.parse_args()
    with at_home(Settings()):
        run(
            sorted(set(given.origin)),
            given.report,
            ledger=given.ledger,
            mapping=given.mapping,
            workers=given.workers,
        )


if __name__ == "__main__":
    main()
