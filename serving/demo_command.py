"""`puntuale demo`: an invented company, what was learned and found, and what to try next."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.night_command import show_worklist, work_night

if TYPE_CHECKING:
    from pipelines.job import Job
    from pipelines.ledger import Ledger
    from pipelines.night import Night
    from pipelines.promotion import Trained
    from pipelines.settings import Settings

APART = "demo"  # the folder of the demo in a home that works on a ledger of its own


def demo(
    rows: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Invent a ledger, train on it, score it and show whom to contact first."""
    from pipelines import promotion, reading
    from pipelines.job import Job
    from pipelines.settings import Settings
    from serving import terminal

    given = Settings()
    settings = invented_only(given)
    job = Job.of(settings, at=datetime.now(UTC).replace(microsecond=0))
    with terminal.working(steps=promotion.STEPS, quiet=as_json) as tell:
        trained = promotion.run(job, tell=tell)
    night = work_night(job, quiet=as_json)
    if as_json:
        terminal.as_json({"training": trained, "night": night})
        return
    ledger = reading.read(job).ledger
    for title, sentences in story(job, ledger, trained, night):
        terminal.say(f"\n{title}\n  " + "\n  ".join(sentences))
    _show_first(job, night, rows)
    terminal.commands(next_commands(given, settings))


def invented_only(given: "Settings") -> "Settings":
    """The settings for an invented company: beside a ledger of one's own, in a home apart.

    Nothing invented may reach the models, the scores, the records or the MLflow of a real one.
    """
    if not (given.ledger or given.pull_from or given.database_url or given.tracking_uri):
        return given
    apart = {"home": given.home / APART}
    named = ("ledger", "mapping", "pull_from", "database_url", "tracking_uri", "artifact_root")
    return given.model_copy(update={**apart, **dict.fromkeys(named)})


def story(
    job: "Job", ledger: "Ledger", trained: "Trained", night: "Night"
) -> list[tuple[str, list[str]]]:
    """What was invented, learned and found: each a title and its sentences."""
    from models import bundle
    from models.outlook import BANDS
    from serving import terminal

    model = bundle.champion(job.settings.models_folder)
    invoices = ledger.invoices
    first, last = (str(d) for d in _span(invoices["issue_date"].to_pylist()))
    invented = [
        f"{ledger.customers.num_rows:,} customers, {invoices.num_rows:,} invoices and "
        f"{ledger.payments.num_rows:,} payments from {first} to {last},",
        f"as a company would export them: {job.source}",
    ]
    learned = []
    if model is not None and (labels := model.model.facts.get("labels")):
        learned.append(
            f"{labels:,} questions whose answers had matured before {trained.cut_off}, paid or not."
        )
    learned += [f"{why}." for why in trained.why[:3]]
    verdict = "answers from now on" if trained.promoted else "stays a challenger"
    learned.append(f"Model {trained.version} {verdict}.")
    bands = ", ".join(f"{night.by_band.get(band, 0):,} {band}" for band in BANDS)
    contacts = sum(count for action, count in night.by_action.items() if action != "wait")
    at_risk = terminal.money(night.value_at_risk_cents)
    found = [
        f"{night.invoices:,} open invoices as of {night.as_of}, "
        f"{terminal.money(night.open_cents)} in all, {at_risk} at risk: what is",
        "expected to be unpaid still 90 days after it is due.",
        f"Risk: {bands}. {contacts:,} customers are worth a contact today.",
    ]
    return [("Invented", invented), ("Learned", learned), ("Found", [*found, *_worst(job, night)])]


def next_commands(given: "Settings", used: "Settings") -> list[tuple[str, str]]:
    """Three commands to try, and what each shows."""
    apart = "" if used.home == given.home else f"PUNTUALE_HOME={used.home} PUNTUALE_LEDGER= "
    return [
        (f"{apart}puntuale serve", f"the page and the API, at http://{used.host}:{used.port}/"),
        (
            f"puntuale backtest {used.home / 'sample'} --as-of 2026-02-01",
            "how good it would have been",
        ),
        ("puntuale init YOUR_EXPORT.csv", "the same with your own invoices"),
    ]


def _worst(job: "Job", night: "Night") -> list[str]:
    """The first invoice of the worklist in a sentence with its strongest reason."""
    from pipelines.store import ScoreStore
    from serving import phrases

    rows = ScoreStore(job.settings.scores_folder).snapshot(night.snapshot).worklist(limit=1)
    if not rows or not rows[0]["reasons"]:
        return []
    row: dict[str, Any] = rows[0]
    said = phrases.reason_text(row["reasons"][0], "en", "EUR")
    return [f"First {row['customer_name'] or row['customer_id']}, {row['invoice_id']}: {said}."]


def _show_first(job: "Job", night: "Night", rows: int) -> None:
    from pipelines.store import ScoreStore
    from serving import terminal

    for line in night.health.lines() if night.health else ():
        terminal.warn(line)
    terminal.say("")
    snapshot = ScoreStore(job.settings.scores_folder).snapshot(night.snapshot)
    show_worklist(snapshot.worklist(limit=rows), "Whom to contact first")


def _span(days: Sequence[Any]) -> tuple[Any, Any]:
    known = [day for day in days if day is not None]
    return min(known), max(known)
