"""What the command line shows: progress, tables when it has done, and why it stopped."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

REFUSED, QUARANTINED, INTERRUPTED = 1, 3, 130  # exit codes; 2 is a mistake in the command itself

_OUT = Console(highlight=False)
_ERR = Console(stderr=True, highlight=False)

# What to do about an error, by the name of its class: nothing is imported to tell it.
NEXT = {
    "BackupDamaged": "puntuale restore BACKUP, with an earlier one",
    "BundleRefused": "puntuale rollback, or puntuale train LEDGER",
    "CannotChange": "puntuale score LEDGER lists the invoices that are open",
    "CatalogueError": "correct the file of PUNTUALE_CATALOGUE; puntuale actions shows ours",
    "FileThere": "puntuale init LEDGER --overwrite",
    "IncompleteExtract": "look at the extract, then puntuale check LEDGER",
    "IntakeRefused": "puntuale check LEDGER --mapping NAME, or puntuale init LEDGER for a mapping",
    "LearningRefused": "puntuale train --help says what goes together",
    "LedgerNotKept": "puntuale nightly LEDGER keeps it again (PUNTUALE_LEDGERS_KEPT)",
    "MailRefused": "correct PUNTUALE_SMTP_URL; puntuale doctor asks whether it answers",
    "MissingReferenceRate": "add the semester to the reference rates (models/reference_rates.csv)",
    "ModelFileError": "puntuale rollback, or puntuale train LEDGER",
    "NoEarlierChampion": "puntuale models",
    "NoModelYet": "puntuale train LEDGER",
    "NoSuchNight": "puntuale nightly LEDGER --as-of DAY",
    "NotEnoughHistory": "puntuale check LEDGER",
    "OpenServiceError": "set PUNTUALE_API_KEYS (see .env.example), then puntuale serve",
    "OSError": "puntuale doctor",
    "PublishRefused": "puntuale nightly LEDGER --dry-run; the scores of before are still read",
    "RatesError": "correct the reference rates, by the rows that are named",
    "RecordsAway": "puntuale doctor; start the database, then the same command",
    "RecordsDamaged": "puntuale restore BACKUP",
    "RulesError": "correct the warning rules, by the keys that are named",
    "RunOvertaken": "puntuale nightly LEDGER",
    "SecretRefused": "choose a longer key, or puntuale keys make NAME",
    "ServerFailed": "puntuale doctor; puntuale nightly needs no Prefect",
    "SnapshotDamaged": "puntuale nightly LEDGER",
    "SomeTenantsFailed": "the same command with --tenant NAME, for each that is named",
    "StoreBusy": "the same command, when the other run has ended",
    "TenantNotNamed": "the same command with --tenant NAME",
    "TenantsRefused": "puntuale tenants list",
    "TooMuchQuarantined": "puntuale check LEDGER --mapping NAME",
    "TunerMissing": 'pip install "puntuale[tune]"',
    "ValidationError": "look at .env and .env.example",
    "WorkersDied": "the same command with PUNTUALE_FEATURE_WORKERS=1: memory may have run out",
}


def stop(fault: BaseException) -> int:
    """Say in words why the command stopped and what to do next; its exit code."""
    if isinstance(fault, KeyboardInterrupt):
        _ERR.print("interrupted; what was published before is untouched")
        return INTERRUPTED
    names = [kind.__name__ for kind in type(fault).__mro__]
    if not _is_expected(fault):
        _ERR.print(f"[bold red]failed:[/] {names[0]}: {_plain(str(fault))}")
        _ERR.print("this is a mistake of ours; PUNTUALE_DEBUG=1 shows where it happened")
        return REFUSED
    _ERR.print(f"[bold red]refused:[/] {_plain(str(fault) or names[0])}")
    if advice := next((NEXT[name] for name in names if name in NEXT), None):
        _ERR.print(f"[bold]next:[/] {_plain(advice)}")
    return QUARANTINED if "TooMuchQuarantined" in names else REFUSED


def _is_expected(fault: BaseException) -> bool:
    """Whether the error is one of ours, of the settings' or of the machine's: said, not a bug."""
    package = type(fault).__module__.partition(".")[0]
    return package in ("models", "pipelines", "serving", "pydantic_core") or isinstance(
        fault, OSError
    )


def say(text: str) -> None:
    _OUT.print(_plain(text))


def commands(listed: Sequence[tuple[str, str]]) -> None:
    """What may be typed next, and what each does; never broken, so that it can be copied."""
    wide = max((len(command) for command, _ in listed), default=0)
    _OUT.print("\nNext:")
    for command, what in listed:
        _OUT.print(f"  {_plain(command):<{wide}}   {_plain(what)}", soft_wrap=True)


def warn(text: str) -> None:
    _ERR.print(f"[yellow]note:[/] {_plain(text)}")


def as_json(value: object) -> None:
    """Print a value for a program: nothing else goes to standard output."""
    text = json.dumps(value, default=_text, ensure_ascii=False, indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")


@contextmanager
def working(*, steps: int, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """A progress bar over so many steps; yields what tells that the next one begins."""
    columns = (TextColumn("{task.description:<32}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_ERR, disable=quiet) as progress:
        task = progress.add_task("starting", total=steps + 1)

        def tell(step: str) -> None:
            progress.update(task, description=_plain(step), advance=1)

        yield tell
        progress.update(task, description="done", completed=steps + 1)


def table(
    title: str,
    rows: Sequence[Mapping[str, object]],
    *,
    right: Sequence[str] = (),
    elastic: str | None = None,
) -> None:
    """Rows as a table with the keys of the first as heads; nothing for no rows.

    In a narrow window the elastic column is cut short, so that the others stay whole.
    """
    if not rows:
        return
    shown = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    shown.padding = (0, 1, 0, 0)
    widths = {name: _width(name, rows) for name in rows[0]}
    spare = _OUT.width - sum(widths.values()) - 2 * len(widths) - 2  # what parts the columns
    for name in rows[0]:
        numeric = name in right or all(isinstance(row[name], int | float) for row in rows)
        shown.add_column(
            name.replace("_", " "),
            justify="right" if numeric else "left",
            no_wrap=numeric or name == elastic,
            overflow="ellipsis" if name == elastic else "fold",
            max_width=max(widths[name] + min(spare, 0), 8) if name == elastic else None,
        )
    for row in rows:
        shown.add_row(*(_plain(_cell(value)) for value in row.values()))
    _OUT.print(shown)


def is_wide() -> bool:
    """Whether there is room for more than the columns that matter."""
    return _OUT.width >= 120


def money(cents: int | None) -> str:
    """An amount with its thousands apart: 4,235.00."""
    return "" if cents is None else f"{cents / 100:,.2f}"


def percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _width(name: str, rows: Sequence[Mapping[str, object]]) -> int:
    return max(len(name), *(len(_cell(row[name])) for row in rows))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(text: str) -> str:
    """Names from a ledger are text: no markup, no control characters, one line."""
    return escape("".join(c if c.isprintable() or c == "\n" else " " for c in text))


def _text(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, date | datetime | Path):
        return str(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not for JSON")
