"""`puntuale nightly`: the night's scores, for real, in rehearsal, or for all nights missed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipelines.job import Job
    from pipelines.night import Night
    from pipelines.rehearsal import Rehearsal

DAY = typer.Option(formats=["%Y-%m-%d"], help="The day that opens; what came before it is known.")


def nightly(
    ledger: Annotated[
        str | None,
        typer.Argument(help="A folder, a database URL; none: PUNTUALE_LEDGER, or an invented one."),
    ] = None,
    mapping: Annotated[str | None, typer.Option(help="How a foreign export is read.")] = None,
    as_of: Annotated[datetime | None, DAY] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many rows to show.")] = 10,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Work everything out, say what would change, keep nothing."),
    ] = False,
    catch_up: Annotated[
        bool,
        typer.Option(
            "--catch-up", help="First make up the nights missed since the last, in order."
        ),
    ] = False,
    most: Annotated[int, typer.Option(min=1, help="How many nights --catch-up does.")] = 14,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Score the whole portfolio and publish it to the API and the page; again changes nothing."""
    from pipelines import missed_nights, night, rehearsal
    from serving import terminal

    if dry_run and catch_up:
        raise typer.BadParameter("--dry-run and --catch-up: one of the two")
    job = _job(ledger, mapping, as_of)
    if dry_run:
        with terminal.working(steps=night.STEPS, quiet=as_json) as tell:
            rehearsed = rehearsal.run(job, tell=tell)
        terminal.as_json(rehearsed) if as_json else _show_rehearsal(rehearsed)
        return
    if catch_up:
        wanted, _ = missed_nights.days(job, most=most)
        with terminal.working(steps=night.STEPS * len(wanted), quiet=as_json) as tell:
            nights, notes = missed_nights.catch_up(
                job, most=most, work=partial(night.run, tell=tell)
            )
        for note in notes:
            terminal.warn(note)
        if as_json:
            terminal.as_json({"nights": nights, "notes": notes})
            return
        for one in nights:
            terminal.say(f"{one.as_of}: {one.invoices:,} open invoices, {published(one)}")
        show_night(job, nights[-1], rows)
        return
    done = work_night(job, quiet=as_json)
    terminal.as_json(done) if as_json else show_night(job, done, rows)


def schedule() -> None:
    """Run every night by PUNTUALE_NIGHT_CRON, with what was missed, until it is stopped."""
    import os
    import sys

    # the doors never import the flows: this process becomes the one that serves them
    os.execv(sys.executable, [sys.executable, "-m", "pipelines.nightly", "--serve"])


def report(
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Which night; none: the last.")
    ] = None,
) -> None:
    """Print where a night's report is, written anew where it is missing: one HTML file."""
    from pipelines import night_report
    from pipelines.settings import Settings

    typer.echo(night_report.of_day(Settings(), as_of.date() if as_of else None))


def work_night(job: "Job", *, quiet: bool) -> "Night":
    """The night, with a progress bar."""
    from pipelines import night
    from serving import terminal

    with terminal.working(steps=night.STEPS, quiet=quiet) as tell:
        return night.run(job, tell=tell)


def show_night(job: "Job", night: "Night", rows: int) -> None:
    """What a published night comes to, and the top of its worklist."""
    from models.bundle import SHARED_PRIOR
    from pipelines import prior
    from pipelines.store import ScoreStore
    from serving import terminal

    snapshot = ScoreStore(job.settings.scores_folder).snapshot(night.snapshot)
    terminal.say(
        f"\n{night.invoices:,} open invoices as of {night.as_of}, "
        f"{terminal.money(night.open_cents)} open, "
        f"{terminal.money(night.value_at_risk_cents)} at risk; {published(night)}."
    )
    if night.model_source == SHARED_PRIOR:
        terminal.warn(prior.ANSWERS)
    for line in night.health.lines() if night.health else ():
        terminal.warn(line)
    show_worklist(snapshot.worklist(limit=rows), "Whom to contact first")


def published(night: "Night") -> str:
    return "published" if night.is_new else "published before, nothing changed"


def show_worklist(worklist: Sequence[dict[str, Any]], title: str) -> None:
    """Invoices in the order of the worklist, as wide as the window allows."""
    from serving import terminal

    shown = [
        {
            "invoice": row["invoice_id"],
            "customer": row["customer_name"] or row["customer_id"],
            "late": row["days_past_due"],
            "open": terminal.money(row["open_cents"]),
            "p>30": terminal.percent(row["p_late_30"]),
            "action": row["action"]["code"],
            "worth": terminal.money(row["action"]["expected_value_cents"]),
            "due": row["due_business_date"],
            "expected": row["expected_date"] or "later",
            "risk": row["risk_band"],
            "cause": row["cause_hint"]["code"],
        }
        for row in worklist
    ]
    if not terminal.is_wide():
        shown = [{name: row[name] for name in list(row)[:7]} for row in shown]
    terminal.table(title, shown, right=("open", "p>30", "worth"), elastic="customer")


def _show_rehearsal(told: "Rehearsal") -> None:
    from serving import terminal

    terminal.say(
        f"\n{told.invoices:,} open invoices as of {told.as_of}, "
        f"{terminal.money(told.open_cents)} open, "
        f"{terminal.money(told.value_at_risk_cents)} at risk; nothing was published."
    )
    if not told.is_new:
        terminal.say("This very night is published already: nothing would change.")
    elif told.changes is None:
        terminal.say("It would be the first night.")
    else:
        changes = told.changes
        terminal.say(f"Against the night of {changes.before}, which is read now:")
        lines = {
            "invoices that are new": f"{changes.new_invoices:,}",
            "invoices that are gone": f"{changes.gone_invoices:,}",
            "open amount": terminal.money(changes.open_change_cents),
            "value at risk": terminal.money(changes.value_at_risk_change_cents),
            "invoices in a higher band": f"{changes.worse_invoices:,}",
            "invoices in a lower band": f"{changes.better_invoices:,}",
            "customers with other advice": f"{changes.other_contacts:,}",
        }
        rows = [{"what": what, "change": change} for what, change in lines.items()]
        terminal.table("What would change", rows, right=("change",))
    if told.pull:
        counted = ("pulled", "accepted", "revised", "held")
        terminal.table("What would be pulled first", told.pull, right=counted)
    if told.new_alerts is not None:
        terminal.say(f"It would raise {told.new_alerts:,} alerts.")
    for line in told.health.lines():
        terminal.warn(line)


def _job(ledger: str | None, mapping: str | None, as_of: datetime | None) -> "Job":
    from pipelines.job import Job
    from pipelines.settings import Settings

    now = datetime.now(UTC).replace(microsecond=0)
    day = as_of.date() if as_of else None
    return Job.of(Settings(), at=now, ledger=ledger, mapping=mapping, as_of=day)
