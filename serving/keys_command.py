"""`puntuale keys`: make, list, replace and end the keys that callers send as X-API-Key."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.records.audit import Writer
    from pipelines.records.database import Database

keys_app = typer.Typer(no_args_is_help=True, help="Make, list, replace and end API keys.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
KeyId = Annotated[str, typer.Argument(help="The id of the key, as `puntuale keys list` shows it.")]


@keys_app.command("make")
def make(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scope: Annotated[
        list[str], typer.Option(help="What it may do: score, read, write, admin. Repeat for more.")
    ],
    days: Annotated[int | None, typer.Option(min=1, help="After so many days it ends.")] = None,
    per_minute: Annotated[int | None, typer.Option(min=1, help="Requests a minute.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, once."""
    from pipelines.records import keys

    with _records() as (database, writer), database.writing() as connection:
        key, text = keys.make(
            connection,
            name,
            scopes=scope,
            writer=writer,
            days=days,
            requests_per_minute=per_minute,
        )
    _show(key.key_id, text, as_json=as_json)


@keys_app.command("list")
def list_keys(as_json: Json = False) -> None:
    """List every key: what it may do, until when; never the key itself."""
    from pipelines.records import keys
    from serving import terminal

    with _records() as (database, writer), database.reading() as connection:
        rows = [
            {
                "id": key.key_id,
                "name": key.name,
                "scopes": " ".join(sorted(key.scopes)),
                "made": key.made_at[:10],
                "ends": (key.expires_at or "")[:16],
                "ended": (key.revoked_at or "")[:16],
                "opens": key.is_valid(writer.at),
            }
            for key in keys.all_keys(connection)
        ]
    if as_json:
        terminal.as_json(rows)
    elif rows:
        terminal.table("Keys", rows)
    else:
        terminal.say("no key yet: puntuale keys make NAME --scope read")


@keys_app.command("rotate")
def rotate(
    key_id: KeyId,
    hours: Annotated[int, typer.Option(min=0, help="How long the old key still opens.")] = 24,
    as_json: Json = False,
) -> None:
    """Make a key like this one; the old one opens for some hours more."""
    from pipelines.records import keys

    with _records() as (database, writer), database.writing() as connection:
        key, text = keys.rotate(connection, key_id, writer=writer, overlap=timedelta(hours=hours))
    _show(key.key_id, text, as_json=as_json)


@keys_app.command("revoke")
def revoke(key_id: KeyId) -> None:
    """End a key now."""
    from pipelines.records import keys
    from serving import terminal

    with _records() as (database, writer), database.writing() as connection:
        keys.revoke(connection, key_id, writer=writer)
    terminal.say(f"Key {key_id} opens no more; a running service knows within seconds.")


@contextmanager
def _records() -> "Iterator[tuple[Database, Writer]]":
    from pipelines.records.audit import Writer
    from pipelines.records.database import open_database
    from pipelines.settings import Settings

    database = open_database(Settings().records_url)
    try:
        yield database, Writer(f"command line, {getpass.getuser()}", datetime.now(UTC))
    finally:
        database.close()


def _show(key_id: str, text: str, *, as_json: bool) -> None:
    from serving import terminal

    if as_json:
        terminal.as_json({"key_id": key_id, "key": text})
    else:
        terminal.say(f"Key {key_id}; it is shown this once:\n{text}")
