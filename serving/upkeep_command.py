"""`puntuale backup`, `restore` and `overdue`: what timers run, and a person after harm."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

OVERDUE = 4  # the exit code that raises the alarm


def backup(
    to: Annotated[Path, typer.Argument(help="A folder on another disk; each back-up is in it.")],
    keep: Annotated[int, typer.Option(min=1, help="How many back-ups stay.")] = 14,
) -> None:
    """Copy the home folder while it is in use, and check the copy."""
    from pipelines import backup as backups
    from pipelines.settings import Settings
    from serving import terminal

    settings = Settings()
    place = to / settings.tenant if settings.tenant else to  # each tenant's old ones go by age
    made = backups.back_up(settings, place, at=datetime.now(UTC), keep=keep)
    terminal.say(f"{made} holds {len(backups.check(made)):,} files.")


def restore(
    from_: Annotated[Path, typer.Argument(metavar="BACKUP", help="One back-up's folder.")],
) -> None:
    """Put a back-up in the home folder's place; stop the service first."""
    from pipelines import backup as backups
    from pipelines.settings import Settings
    from serving import terminal

    settings = Settings()
    before = backups.restore(settings, from_, at=datetime.now(UTC))
    terminal.say(f"{settings.home} is as it was in {from_}.")
    if before is not None:
        terminal.say(f"What was there before is in {before}.")


def overdue(
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day; not given: today.")
    ] = None,
) -> None:
    """Say whether the day's scores are there (exit 4: they are not)."""
    from pipelines.job import Job
    from pipelines.settings import Settings
    from pipelines.store import ScoreStore
    from serving import terminal

    settings = Settings()
    day = as_of.date() if as_of else None
    wanted = Job.of(settings, at=datetime.now(UTC), as_of=day).as_of
    snapshot = ScoreStore(settings.scores_folder).current()
    if snapshot is not None and snapshot.as_of >= wanted:
        terminal.say(f"The scores as of {snapshot.as_of} are there.")
        return
    last = f"the last are as of {snapshot.as_of}" if snapshot else "there are none yet"
    terminal.warn(f"no scores as of {wanted}, {last}: look at the log of puntuale-nightly")
    raise typer.Exit(OVERDUE)
