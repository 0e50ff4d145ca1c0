"""`puntuale build-features`: the book's columns for a whole ledger, as partitioned Parquet."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer


def build_features(
    ledger: Annotated[str, typer.Argument(help="A folder of CSV or Parquet, or a database URL.")],
    to: Annotated[Path, typer.Option(help="The folder of Parquet files to write.")],
    mapping: Annotated[str | None, typer.Option(help="How a foreign export is read.")] = None,
    as_of: Annotated[
        list[datetime] | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="All that was open on a day; may be given several times. None: every invoice, "
            "as of its own issue.",
        ),
    ] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Buckets of customers.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Work out the features of a ledger: here, in processes or on Dask, always the same bits."""
    from datetime import UTC

    from pipelines import partitions as table
    from pipelines import reading
    from pipelines.job import Job, day_number
    from pipelines.settings import Settings
    from serving import terminal

    settings = Settings()
    now = datetime.now(UTC).replace(microsecond=0)
    job = Job.of(settings, at=now, ledger=ledger, mapping=mapping)
    with terminal.working(steps=3, quiet=as_json) as tell:
        tell("reading the ledger")
        accepted = reading.take_in(job).ledger
        tell("dividing it by customer")
        buckets = to / "ledger"
        table.partition(accepted, buckets, partitions=partitions)
        tell("working out the features")
        days = [day_number(moment.date()) for moment in as_of or []]
        asked = (
            table.Questions.on(days)
            if days
            else table.Questions.on_issue(as_of=day_number(job.as_of))
        )
        run = table.compute(
            buckets,
            to / "features",
            questions=asked,
            workers=settings.workers_here,
            scheduler=settings.dask_scheduler,
        )
    told = {"folder": str(run.folder), "rows": run.rows, "buckets": len(run.buckets)}
    terminal.as_json(told) if as_json else terminal.table("Features", [told])
