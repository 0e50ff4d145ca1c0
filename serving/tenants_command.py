"""`puntuale tenants`, and what the other commands do where an installation has several companies.

Every command works for the one company that `--tenant` or PUNTUALE_TENANT names. Without it some
do their work for each tenant in turn; the others ask for a name rather than guess.
"""

import functools
import getpass
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.tenant_tables import PRIOR

if TYPE_CHECKING:
    from pipelines.settings import Settings

tenants_app = typer.Typer(no_args_is_help=True, help="Add and list the companies that share this.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Command = Callable[..., None]

# Done for each company in turn where none is named.
FOR_EACH = frozenset(
    {"backup", "doctor", "models", "monitor", "nightly", "overdue", "pull", "report", "train"}
)
# These look after the whole installation, or after nobody's data.
OF_ALL = FOR_EACH | {"actions", "features", "schedule", "serve", "tenants"}
OF_ONE = ("ledger", "source", "mapping")  # arguments that are never those of several companies


class TenantNotNamed(ValueError):  # noqa: N818 - the name says what is missing
    """The installation has several companies, and the command is about one."""


@contextmanager
def environment(given: dict[str, str]) -> Iterator[None]:
    """These variables set for a while, also for the processes that are started meanwhile."""
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def require_one(command: str) -> None:
    """Raises TenantNotNamed where a command is about one company and it is not said which."""
    from pipelines import tenants
    from pipelines.settings import Settings

    settings = Settings()
    if command in OF_ALL or settings.tenant is not None:
        return
    if known := tenants.names(settings):
        raise TenantNotNamed(
            f"there are several companies here: puntuale --tenant NAME {command}, where NAME is "
            f"one of {', '.join(known)}"
        )


def for_each_tenant(command: Command) -> Command:
    """The command, which does its work for each tenant in turn where there are some, and none is
    named. One that fails does not stop the others; the exit code says that some failed.
    """

    @functools.wraps(command)
    def for_each(*args: Any, **given: Any) -> None:
        from pipelines import tenants
        from pipelines.settings import Settings

        every = tenants.every(Settings())
        if not every:
            return command(*args, **given)
        if named := [name for name in OF_ONE if given.get(name) is not None]:
            raise typer.BadParameter(f"{named[0].upper()} is one company's: add --tenant NAME")
        _for_all(every, functools.partial(command, *args, **given), bool(given.get("as_json")))

    return for_each


def _for_all(every: dict[str, "Settings"], command: Command, as_json: bool) -> None:
    """Run it for each tenant; a program gets what it prints for each as one JSON object."""
    from pipelines import tenants
    from serving import terminal

    printed = {name: StringIO() for name in every}
    failed: dict[str, str] = {}
    codes = set()

    def work(own: "Settings") -> None:
        assert own.tenant is not None
        with ExitStack() as stack:
            stack.enter_context(environment({"PUNTUALE_TENANT": own.tenant}))
            if as_json:
                stack.enter_context(redirect_stdout(printed[own.tenant]))
            else:
                terminal.say(f"\n{own.tenant}")
            command()

    for outcome in tenants.each(every, work):
        if outcome.fault is not None and (code := _code(outcome.tenant, outcome.fault)):
            failed[outcome.tenant] = str(outcome.fault) or type(outcome.fault).__name__
            codes.add(code)
    if as_json:
        told = {name: json.loads(text) for name, out in printed.items() if (text := out.getvalue())}
        terminal.as_json({"tenants": told, "failed": failed})
    if codes:
        raise typer.Exit(codes.pop() if len(codes) == 1 else terminal.REFUSED)


def _code(tenant: str, fault: Exception) -> int:
    """The exit code of a command that stopped for one tenant, told in words unless it has been."""
    from serving import terminal

    if isinstance(fault, typer.Exit):
        return int(fault.exit_code)
    terminal.warn(f"{tenant} failed; the others are not held up:")
    return terminal.stop(fault)


@tenants_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Small letters, digits and '-'.")],
    ledger: Annotated[
        str | None, typer.Option(help="A folder or a database URL; none: what is sent or pulled.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="The ledger's currency.")] = None,
    language: Annotated[str | None, typer.Option(help="it or en.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SETTING=VALUE", help="Any other setting of its own."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a company: its settings, its home, its records and its first key, shown once."""
    from pipelines import tenants
    from pipelines.records import keys
    from pipelines.records.audit import Writer
    from pipelines.settings import Settings
    from serving import terminal

    named = {"ledger": _absolute(ledger), "currency": currency, "language": language}
    table = {setting: value for setting, value in named.items() if value is not None}
    own = tenants.add(Settings(), name, table | _settings_given(set_ or []))
    writer = Writer(f"command line, {getpass.getuser()}", datetime.now(UTC))
    with closing(tenants.open_records(own)) as database, database.writing() as connection:
        key, text = keys.make(connection, f"first of {name}", scopes=["admin"], writer=writer)
    if as_json:
        terminal.as_json({"tenant": name, "home": own.home, "key_id": key.key_id, "key": text})
        return
    terminal.say(
        f"{name} is added; its home is {own.home}, its settings stand in {own.tenants}.\n"
        f"Key {key.key_id}, which may do everything for {name}; it is shown this once:\n{text}\n"
        "A service that runs knows of it after a restart."
    )


@tenants_app.command("list")
def list_tenants(as_json: Json = False) -> None:
    """List the companies: what each reads, which model answers, its last night, its keys."""
    from pipelines import tenants
    from pipelines.settings import Settings
    from serving import terminal

    rows = [_row(own) for own in tenants.every(Settings()).values()]
    if as_json:
        terminal.as_json(rows)
    elif rows:
        terminal.table("Tenants", rows)
    else:
        terminal.say("one company uses this installation: puntuale tenants add NAME adds others")


@tenants_app.command("prior")
def make_prior(
    of: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A tenant whose model it is made of; none: invented."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="A folder of bundles; none: the installation's prior.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the model that answers for companies without one of their own; it names nobody."""
    from models import bundle
    from pipelines import prior_making, tenants
    from pipelines.night import NoModelYet
    from pipelines.settings import Settings
    from serving import terminal

    settings, at = Settings(), datetime.now(UTC)
    folder = to or settings.prior_models or settings.home / PRIOR
    if of is None:
        version = prior_making.of_invented(settings.home, to=folder, at=at)
    else:
        found = bundle.champion(tenants.settings_of(settings, of).models_folder)
        if found is None:
            raise NoModelYet(f"no model of {of} has been promoted yet")
        cut_off = str(found.manifest.facts["cut_off"])
        version = prior_making.make(
            found.model, cut_off=cut_off, home=settings.home, to=folder, at=at
        )
    if as_json:
        terminal.as_json({"version": version, "folder": folder})
        return
    terminal.say(
        f"{version} in {folder} answers for companies without a model of their own.\n"
        "It holds trees, medians and how fast invoices are paid in general; no customer, no group."
    )


def _row(own: "Settings") -> dict[str, object]:
    from models import bundle
    from pipelines import prior
    from pipelines.store import ScoreStore

    return {
        "tenant": own.tenant,
        "currency": own.currency,
        "model": bundle.champion_version(prior.answering(own)) or "none",
        "last_night": (ScoreStore(own.scores_folder).current_name() or "none")[:10],
        "keys": _keys_that_open(own),
        "home": str(own.home),
    }


def _keys_that_open(own: "Settings") -> object:
    """How many of the tenant's keys open; what is wrong with its records where they are away."""
    from pipelines.records import keys
    from pipelines.records.database import RecordsAway, RecordsDamaged, open_database

    try:
        with closing(open_database(own.records_url)) as database, database.reading() as connection:
            return sum(key.is_valid(datetime.now(UTC)) for key in keys.all_keys(connection))
    except (RecordsAway, RecordsDamaged) as fault:
        return f"cannot be read: {fault}"


def _settings_given(pairs: list[str]) -> dict[str, str]:
    told = {}
    for pair in pairs:
        setting, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set takes SETTING=VALUE, got: {pair[:60]!r}")
        told[setting.strip().lower().removeprefix("puntuale_")] = value
    return told


def _absolute(ledger: str | None) -> str | None:
    """A folder that is there by its whole path: commands may run elsewhere; else as it stands."""
    is_here = ledger is not None and "://" not in ledger and Path(ledger).exists()
    return str(Path(str(ledger)).resolve()) if is_here else ledger
