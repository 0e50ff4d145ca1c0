"""The back-test recipe: each origin replayed where there is room, then judged, reported and logged.

Plain functions: the command line calls `report`, the Prefect flow calls the same steps one by one.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pipelines import backtest, backtest_page, backtest_report, leak_check, promotion
from pipelines.backtest import Backtest, Replay
from pipelines.backtest_report import Told
from pipelines.job import Job
from pipelines.ledger import Ledger
from pipelines.workers import Crew

STEPS = 2  # that `report` tells of


def replay(ledger: Ledger, origin: int, *, by: Crew) -> Replay:
    """One origin, replayed by a crew: here, in a process of its own or on a Dask cluster."""
    (told,) = by(partial(backtest.replay, ledger), [origin])
    return told


def report(
    job: Job,
    ledger: Ledger,
    replayed: Backtest,
    *,
    to: Path,
    mlflow: bool,
    tell: Callable[[str], None] = lambda step: None,
) -> list[Path]:
    """Write the back-test's report, with the leak test's verdict; log it where that is wanted."""
    tell("the leak test")
    leak = leak_check.of_first_origin(ledger, replayed)
    tell("the report")
    told = backtest_report.figures(replayed, ledger, leak=leak)
    files = backtest_page.publish(told, to)
    if mlflow:
        log(job, told, files)
    return files


def log(job: Job, told: Told, files: Sequence[Path]) -> str:
    """Log the report's figures and files to MLflow; the run's id."""
    about = {
        "origins": ", ".join(told["origins"]),
        "ledger": job.source_mark,
        "code": promotion.code_version(),
    }
    return promotion.registry(job.settings).log_backtest(
        about, backtest_report.metrics(told), files
    )
