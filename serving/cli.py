"""The command line `puntuale`: every command reads options, calls one recipe and shows its result.

What a command needs is imported when it runs: `puntuale --help` waits for no model.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.actions_command import actions
from serving.build_features_command import build_features
from serving.demo_command import demo
from serving.doctor_command import doctor
from serving.effects_command import effects
from serving.features_command import features
from serving.init_command import init
from serving.keys_command import keys_app
from serving.models_command import card, models, rollback
from serving.monitor_command import monitor
from serving.night_command import nightly, report, schedule, show_worklist
from serving.policy_command import policy
from serving.pull_command import pull
from serving.tenants_command import environment, for_each_tenant, require_one, tenants_app
from serving.upkeep_command import backup, overdue, restore

if TYPE_CHECKING:
    from pipelines.job import Job
    from pipelines.learning import Learning
    from pipelines.promotion import Trained
    from pipelines.settings import Settings
    from pipelines.tuning import Tuned

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_LEDGER = "a folder of CSV or Parquet files, or a database URL"
Ledger = Annotated[str, typer.Argument(help=f"The ledger: {_LEDGER}.")]
OptionalLedger = Annotated[
    str | None,
    typer.Argument(help=f"The ledger: {_LEDGER}. None: PUNTUALE_LEDGER, or an invented one."),
]
Mapping = Annotated[
    str | None,
    typer.Option(help="How a foreign export is read: sap_items, ibm, xero, quickbooks, or a file."),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="The day that opens; what came before it is known."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Rows = Annotated[int, typer.Option(min=1, help="How many rows to show.")]


@app.callback()
def of_one_company(
    context: typer.Context,
    tenant: Annotated[
        str | None, typer.Option(metavar="NAME", help="The company, where there are several.")
    ] = None,
) -> None:
    """Which invoices will be paid late, why, and what to do next."""
    if tenant is not None:
        context.with_resource(environment({"PUNTUALE_TENANT": tenant}))
    if "--help" not in sys.argv:
        require_one(context.invoked_subcommand or "")


def main() -> None:
    """Run a command; whatever stops it is told in words, with an exit code, without a traceback."""
    try:
        sys.exit(app(standalone_mode=False))  # the code of a typer.Exit, None for a good end
    except (Exception, KeyboardInterrupt) as fault:
        if hasattr(fault, "show") and hasattr(fault, "exit_code"):  # a mistake in the command
            fault.show()
            sys.exit(2)
        if os.environ.get("PUNTUALE_DEBUG"):
            raise
        from serving import terminal

        sys.exit(terminal.stop(fault))


app.command()(demo)
app.command()(init)


@app.command()
def check(ledger: Ledger, mapping: Mapping = None, rows: Rows = 10, as_json: Json = False) -> None:
    """Read a ledger and show what is usable, what is not, and why (exit 3: too much is not)."""
    from pipelines import reading
    from pipelines.sources import IntakeRefused
    from serving import terminal

    job = _job(ledger, mapping, None)
    with terminal.working(steps=1, quiet=as_json) as tell:
        tell("reading the ledger")
        intake = reading.take_in(job)
    account = intake.reconciliation.to_pylist()
    aside = intake.quarantine[:rows].to_pylist()
    if as_json:
        terminal.as_json(
            {
                "tables": account,
                "quarantined": intake.quarantine.num_rows,
                "first_quarantined": aside,
                "warnings": intake.warnings,
            }
        )
    else:
        _show_account(account)
        terminal.table(f"The first rows in quarantine of {intake.quarantine.num_rows:,}", aside)
        for warning in intake.warnings:
            terminal.warn(warning)
    try:
        reading.stop_if_too_much(job.settings, intake)
    except IntakeRefused as refused:
        raise typer.Exit(terminal.stop(refused)) from None


@app.command()
@for_each_tenant
def train(
    ledger: OptionalLedger = None,
    mapping: Mapping = None,
    as_of: AsOf = None,
    tune: Annotated[
        int | None,
        typer.Option(min=1, help="First search for better parameters, with so many trials."),
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option(help="Learn from so large a share of the customers, above 0 and at most 1."),
    ] = None,
    on_cluster: Annotated[
        bool,
        typer.Option("--on-cluster", help="Grow the trees on PUNTUALE_DASK_SCHEDULER's workers."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train on what was known before a day, judge the model and promote it if it does not lose."""
    from pipelines.learning import Learning
    from serving import terminal

    job = _job(ledger, mapping, as_of)
    learning = Learning.of(job.settings, share=sample, on_cluster=on_cluster)
    tuned = _tune(job, tune, quiet=as_json) if tune else None
    trained = _train(job, learning, quiet=as_json, tuned=tuned.parameters if tuned else None)
    if as_json:
        terminal.as_json({"tuning": tuned, "training": trained} if tuned else trained)
        return
    for reason in tuned.why if tuned else ():
        terminal.say(reason)
    _show_training(trained)


@app.command()
def score(
    ledger: OptionalLedger = None,
    mapping: Mapping = None,
    as_of: AsOf = None,
    out: Annotated[Path | None, typer.Option(help="Write all scores to a Parquet file.")] = None,
    rows: Rows = 20,
    as_json: Json = False,
) -> None:
    """Score what is open and show whom to contact first; nothing is published."""
    from pipelines import night, reading
    from pipelines.lookup import in_worklist_order
    from serving import terminal

    job = _job(ledger, mapping, as_of)
    model = night.champion(job.settings)
    with terminal.working(steps=2, quiet=as_json) as tell:
        tell("reading the ledger")
        intake = reading.read(job)
        tell("scoring what is open")
        scores = in_worklist_order(night.score(job, intake, model).scores)
    if out is not None:
        _write(scores, out)
    if as_json:
        terminal.as_json(_answers(scores[:rows].to_pylist(), job.settings, intake.currency))
        return
    show_worklist(scores[:rows].to_pylist(), f"{scores.num_rows:,} open invoices as of {job.as_of}")


@app.command()
def backtest(
    ledger: Ledger,
    as_of: Annotated[
        list[datetime],
        typer.Option(formats=["%Y-%m-%d"], help="A day to go back to; may be given several times."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write the predictions to a Parquet file.")
    ] = None,
    ledger_out: Annotated[
        Path | None, typer.Option(help="The outcomes to judge them by, a Parquet file.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="A folder for the report: a page and JSON, with the leak test's verdict."
        ),
    ] = None,
    mapping: Mapping = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the days.")] = 1,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Log the report to MLflow.")] = False,
    as_json: Json = False,
) -> None:
    """Go back to each day, train only on what was known then, and predict what came after."""
    from pipelines import backtest as replay
    from pipelines import backtest_figures, reading, rolling_origins
    from pipelines.job import day_number
    from serving import terminal

    if mlflow and report is None:
        raise typer.BadParameter("--mlflow logs the report: give --report FOLDER too")
    job = _job(ledger, mapping, None)
    days = sorted({moment.date() for moment in as_of})
    with terminal.working(steps=2 * len(days) + (4 if report else 2), quiet=as_json) as tell:
        tell("reading the ledger")
        ledger_read = reading.read(job).ledger
        replayed = replay.run(
            ledger_read, [day_number(day) for day in days], workers=workers, tell=tell
        )
        tell("judging")
        judged = backtest_figures.figures(replayed, ledger_read)
        if report is not None:
            rolling_origins.report(job, ledger_read, replayed, to=report, mlflow=mlflow, tell=tell)
    predictions = replayed.predictions
    if out is not None:
        _write(predictions, out)
    if ledger_out is not None:
        _write(replayed.ledger, ledger_out)
    if as_json:
        files = {"predictions": out, "report": report}
        written = {name: str(path) for name, path in files.items() if path is not None}
        counted = {"rows": predictions.num_rows, "origins": days, "figures": judged}
        terminal.as_json({**written, **counted})
        return
    names = {
        "test": "test",
        "horizon": "horizon",
        "rows": "rows",
        "came": "came",
        "said": "said",
        "log_loss": "log loss",
        "curve_log_loss": "curve's",
        "auc": "AUC",
    }
    shown = [{name: row.get(key) for key, name in names.items()} for row in judged]
    terminal.table("Puntuale, and the log loss of the customer's own curve", shown)
    if out is not None:
        terminal.say(f"{predictions.num_rows:,} predictions written to {out}")
    if report is not None:
        terminal.say(f"The report is {report / 'report.html'}")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The port.")] = None,
) -> None:
    """Open the page and the API on last night's scores."""
    from pipelines import tenants
    from serving import process
    from serving.access import KeyRing
    from serving.records_at_hand import RecordsAtHand
    from serving.security import require_keys_off_loopback

    # the processes of the server read their settings again, from the environment
    given = {"PUNTUALE_HOST": host, "PUNTUALE_PORT": port}
    with environment({name: str(v) for name, v in given.items() if v is not None}):
        settings = _settings()
        if not tenants.every(settings):  # several companies are never served without keys
            keys = [key.get_secret_value() for key in settings.api_keys]
            ring = KeyRing(keys, RecordsAtHand(settings.records_url).keys)
            ring.refresh()
            require_keys_off_loopback(has_keys=not ring.is_empty, host=settings.host)  # in words
        process.serve(settings)


for of_each in (nightly, report, models, monitor, backup, overdue, pull, doctor):
    app.command()(for_each_tenant(of_each))
app.command()(schedule)
app.command()(features)
app.command()(actions)
app.command()(effects)
for command in (rollback, card, policy):
    app.command()(command)
app.command()(build_features)
app.command()(restore)
app.add_typer(keys_app, name="keys")
app.add_typer(tenants_app, name="tenants")


def _settings() -> "Settings":
    from pipelines.settings import Settings

    return Settings()


def _job(ledger: str | None, mapping: str | None, as_of: datetime | None) -> "Job":
    from pipelines.job import Job

    now = datetime.now(UTC).replace(microsecond=0)
    day = as_of.date() if as_of else None
    return Job.of(_settings(), at=now, ledger=ledger, mapping=mapping, as_of=day)


def _train(
    job: "Job",
    learning: "Learning | None" = None,
    *,
    quiet: bool,
    tuned: dict[str, float] | None = None,
) -> "Trained":
    from pipelines import promotion
    from pipelines.learning import USUAL
    from serving import terminal

    with terminal.working(steps=promotion.STEPS, quiet=quiet) as tell:
        return promotion.run(job, tuned=tuned, learning=learning or USUAL, tell=tell)


def _tune(job: "Job", trials: int, *, quiet: bool) -> "Tuned":
    from pipelines import tuning
    from serving import terminal

    with terminal.working(steps=tuning.STEPS, quiet=quiet) as tell:
        return tuning.run(job, trials=trials, tell=tell)


def _show_account(account: Sequence[dict[str, Any]]) -> None:
    """Rows, then amounts: what was read is what was accepted plus what is in quarantine."""
    from serving import terminal

    kinds = ("read", "accepted", "quarantined")
    by_table = {row["table"]: {kind: row[f"{kind}_rows"] for kind in kinds} for row in account}
    rows = [{"table": table, **counts} for table, counts in by_table.items()]
    amounts = [
        {
            "amounts": f"{row['table']}.{row['column']}",
            **{kind: terminal.money(row[f"{kind}_cents"]) for kind in kinds},
        }
        for row in account
        if row["column"]
    ]
    terminal.table("Rows: read = accepted + quarantined", rows)
    terminal.table("Amounts: read = accepted + quarantined", amounts, right=kinds)


def _show_training(trained: "Trained") -> None:
    from serving import terminal

    terminal.table("On the last matured window", trained.summary())
    verdict = "is the champion" if trained.promoted else "stays a challenger"
    terminal.say(f"Model {trained.version} {verdict} (version {trained.number} in MLflow):")
    for reason in trained.why:
        terminal.say(f"  {reason}")


def _answers(
    rows: Sequence[dict[str, Any]], settings: "Settings", currency: str
) -> list[dict[str, Any]]:
    """The rows as the API answers them, so that a program sees the same at every door."""
    from models.catalogue import Catalogue
    from serving.answers import invoice_score

    language, catalogue = settings.language, Catalogue.load(settings.catalogue)
    return [
        invoice_score(row, language=language, currency=currency, catalogue=catalogue)
        for row in rows
    ]


def _write(table: Any, path: Path) -> None:
    import pyarrow.parquet as pq

    with _whole(path) as aside:
        pq.write_table(table, aside)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of the wanted one only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
