"""`puntuale init`: a first settings file, and a mapping guessed from a look at one's own export."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.first_look import FirstLook

MAPPING = "mapping.toml"
NOT_FOUND = 1  # the exit code where a person must complete the mapping


def init(
    ledger: Annotated[
        str | None, typer.Argument(help="Your export: a CSV or Parquet file, or a folder of them.")
    ] = None,
    to: Annotated[Path, typer.Option(help="The folder for .env and mapping.toml.")] = Path("."),
    day_first: Annotated[
        bool | None,
        typer.Option("--day-first/--month-first", help="How 03/04/2026 is meant; else guessed."),
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(help="The decimal mark, . or ,; else guessed.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace .env and mapping.toml that are there.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Look at your export, guess its columns, and write .env and a mapping (exit 1: incomplete)."""
    from pipelines import first_look, first_settings
    from serving import terminal

    if decimal not in (None, ".", ","):
        raise typer.BadParameter(f"--decimal is . or , and not {decimal}")
    files, looked = {to / ".env": first_settings.text({})}, None
    if not overwrite:
        first_settings.refuse_if_there(files)  # before the work, not after it
    if ledger is not None:
        today = datetime.now(UTC).date()
        looked = first_look.look(ledger, today=today, day_first=day_first, decimal=decimal)
        files = _files(looked, to)
    first_settings.write_all(files, overwrite=overwrite)
    if as_json:
        terminal.as_json(_answer(looked, list(files)))
    else:
        if looked is not None:
            _show(looked)
        terminal.say(f"Written: {', '.join(str(path) for path in files)}")
        _show_next(looked, to)
    if looked is not None and looked.intake is None:
        raise typer.Exit(NOT_FOUND)


def _files(looked: "FirstLook", to: Path) -> dict[Path, str]:
    from pipelines import first_settings

    given, files = {"ledger": _seen_from(to, looked.source)}, {}
    if looked.mapping is not None:
        given["mapping"] = MAPPING  # beside .env, which is read where commands are run
        files[to / MAPPING] = looked.mapping
    return {to / ".env": first_settings.text(given), **files}


def _seen_from(to: Path, source: str) -> str:
    """The export's path as it is right in the folder of the settings."""
    return source if to.absolute() == Path.cwd() else str(Path(source).absolute())


def _show(looked: "FirstLook") -> None:
    from serving import terminal

    if looked.guessed is not None and looked.drafted is not None:
        for rows in looked.guessed.rows:
            shown = [
                {
                    "field": found.field,
                    "column": found.column,
                    "how sure": found.how_sure,
                    "because of": found.why,
                }
                for found in rows.columns.values()
            ]
            terminal.table(f"{rows.table}, from {rows.file.path.name}", shown, elastic="because of")
        form = looked.drafted.form
        terminal.say(
            f"Written in {form.encoding}, separated by {form.separator!r}, dates as "
            f"{form.date or 'year-month-day'}, decimal mark {form.decimal or 'not seen'!r}."
        )
        for note in (*looked.drafted.doubts, *looked.guessed.notes):
            terminal.warn(note)
        for field, what in looked.guessed.lacks().items():
            terminal.warn(f"not found: {field}, {what}")
    for fault in looked.refused:
        terminal.warn(fault)
    if looked.intake is not None:
        _show_intake(looked)


def _show_intake(looked: "FirstLook") -> None:
    from serving import terminal

    intake = looked.intake
    if intake is None:
        return
    counts = [{"table": name, **count} for name, count in intake.counts.items() if count["read"]]
    terminal.table("Read so, the rows are", counts)
    terminal.table(
        f"The first rows in quarantine of {intake.quarantine.num_rows:,}",
        intake.quarantine[:3].to_pylist(),
    )
    for warning in intake.warnings:
        terminal.warn(warning)


def next_commands(looked: "FirstLook | None", to: Path) -> list[tuple[str, str]]:
    """What to type next, and what it does."""
    there = "" if to.absolute() == Path.cwd() else f"cd {to} && "
    if looked is None:
        return [(f"{there}puntuale init YOUR_EXPORT.csv", "looks at your own invoices")]
    source = _seen_from(to, looked.source)
    if looked.intake is None:
        return [
            (f"edit {to / MAPPING}", "the lines that say `not found` or `look at it`"),
            (f"{there}puntuale check {source} --mapping {MAPPING}", "tries it"),
        ]
    check = f"{there}puntuale check {source}"
    if looked.mapping is not None:
        check += f" --mapping {MAPPING}"
    if looked.short:
        return [(check, "shows what is usable"), ("puntuale demo", "shows what a model says")]
    day = f" --as-of {looked.as_of}" if looked.as_of else ""
    return [
        (f"{there}puntuale train{day}", "learns from your invoices and says how good that is"),
        (f"{there}puntuale nightly{day}", "scores what is open and shows whom to contact first"),
        (f"{there}puntuale serve", "opens the page and the API"),
    ]


def _show_next(looked: "FirstLook | None", to: Path) -> None:
    from serving import terminal

    if looked is not None and looked.short:
        terminal.warn(f"too little history to learn from: {looked.short}")
    if looked is not None and looked.as_of:
        terminal.say(f"The export ends before {looked.as_of}: it is looked at as of that day.")
    terminal.commands(next_commands(looked, to))


def _answer(looked: "FirstLook | None", files: Sequence[Path]) -> dict[str, object]:
    told: dict[str, object] = {"written": [str(path) for path in files]}
    if looked is None:
        return told
    guessed, drafted, intake = looked.guessed, looked.drafted, looked.intake
    if guessed is not None and drafted is not None:
        told["guessed"] = [
            {
                "table": rows.table,
                "file": rows.file.path.name,
                "field": found.field,
                "column": found.column,
                "sure": round(found.sure, 2),
                "why": found.why,
            }
            for rows, found in guessed.columns()
        ]
        told["not_found"] = guessed.lacks()
        told["notes"] = [*drafted.doubts, *guessed.notes]
    told["refused"] = list(looked.refused)
    told["tables"] = intake.counts if intake else {}
    told["history_lacks"] = looked.short
    told["as_of"] = looked.as_of
    return told
