"""`puntuale pull`: what is new in a database or a folder comes into the records, each row once."""

from datetime import UTC, datetime
from typing import Annotated

import typer

SOURCE = "A database URL, or a folder: a path, file://, s3://bucket/prefix. None: the settings'."


def pull(
    source: Annotated[str | None, typer.Argument(help=SOURCE)] = None,
    mapping: Annotated[str | None, typer.Option(help="How a foreign export is read.")] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="Read everything again; rows that a database no longer has are ended.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Pull what is new since the last time into the records; again changes nothing."""
    from pipelines import pulling
    from pipelines.settings import Settings
    from serving import terminal

    settings = Settings()
    if (named := source or settings.pull_from) is None:
        raise typer.BadParameter("name a SOURCE, or set PUNTUALE_PULL_FROM")
    pulled = pulling.pull(
        settings, named, mapping=mapping or settings.mapping, at=datetime.now(UTC), whole=whole
    )
    files = [vars(file) for file in pulled.files]
    if as_json:
        terminal.as_json({"source": pulled.source, "tables": pulled.rows(), "files": files})
    else:
        terminal.table(f"Pulled from {pulled.source}", pulled.rows())
        terminal.table("Files", [file for file in files if file["status"] != "already_imported"])
        if not pulled.rows():
            terminal.say("There was nothing new.")
    pulled.raise_if_refused()
