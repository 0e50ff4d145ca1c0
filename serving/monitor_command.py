"""`puntuale monitor`: whether the model can still be believed, and training again where not."""

from datetime import UTC, datetime
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]


def monitor(
    ledger: Annotated[
        str | None,
        typer.Argument(help="The ledger: a folder or a database URL. None: PUNTUALE_LEDGER."),
    ] = None,
    mapping: Annotated[str | None, typer.Option(help="How a foreign export is read.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day that opens.")
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train again, judge and promote, if it is advised.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare what was said with what came, look for drift, and say whether to train again."""
    from pipelines import retraining
    from pipelines.job import Job
    from pipelines.settings import Settings
    from serving import terminal

    now = datetime.now(UTC).replace(microsecond=0)
    day = as_of.date() if as_of else None
    job = Job.of(Settings(), at=now, ledger=ledger, mapping=mapping, as_of=day)
    with terminal.working(steps=retraining.STEPS, quiet=as_json) as tell:
        told = retraining.run(job, trains=retrain, tell=tell)
    if as_json:
        terminal.as_json(told)
        return
    terminal.say(f"Model {told.health.model_version} as of {told.health.as_of}")
    terminal.table("What was said, and what came", retraining.matured(told.health))
    for line in told.health.lines() or ("nothing to report",):
        terminal.say(f"  {line}")
    if told.trained is not None:
        word = "is the champion" if told.trained.promoted else "stays a challenger"
        terminal.say(f"Model {told.trained.version} {word}:")
        for reason in told.trained.why:
            terminal.say(f"  {reason}")
