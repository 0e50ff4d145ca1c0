"""`puntuale policy`: what other ways of dunning would have brought, from the log and simulated."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def policy(
    ledger: Annotated[
        str | None,
        typer.Argument(help="The ledger: a folder or a database URL. None: PUNTUALE_LEDGER."),
    ] = None,
    mapping: Annotated[str | None, typer.Option(help="How a foreign export is read.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day that opens.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="A folder for the report: a page and JSON.")
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Compare the policies in an invented company too.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Which invented company.")] = 1,
    customers: Annotated[
        int, typer.Option(min=20, help="How many customers the invented company has.")
    ] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Compare what is done with age rules, calls and our advice, from the log of actions."""
    from models.catalogue import Catalogue
    from pipelines import action_log, policy_report, reading
    from pipelines.job import Job, day_number
    from pipelines.settings import Settings
    from pipelines.simulation import contest
    from serving import terminal

    now = datetime.now(UTC).replace(microsecond=0)
    day = as_of.date() if as_of else None
    job = Job.of(Settings(), at=now, ledger=ledger, mapping=mapping, as_of=day)
    with terminal.working(steps=13 if simulate else 2, quiet=as_json) as tell:
        tell("reading the log of actions")
        log = action_log.read(reading.read(job).ledger, day_number(job.as_of))
        tell("valuing the policies")
        economics = Catalogue.load(job.settings.catalogue).economics
        valued = policy_report.compare(log, economics)
        met = contest.run(seed, customers=customers, tell=tell) if simulate else None
    told = policy_report.told(valued, met, as_of=str(job.as_of), decisions=log.num_rows)
    if report is not None:
        policy_report.publish(told, report)
    if as_json:
        terminal.as_json(told)
        return
    rows = [
        {
            "policy": policy_report.NAMES[v.policy],
            "SNIPS": _in_words(v.snips.value, v.snips.lowest, v.snips.highest),
            "doubly robust": _in_words(
                v.doubly_robust.value, v.doubly_robust.lowest, v.doubly_robust.highest
            ),
            "why not": v.doubly_robust.lacking,
        }
        for v in valued
    ]
    terminal.table(f"Euro a decision, of {log.num_rows:,}; nearer to zero is better", rows)
    if met is not None:
        scores = [
            {
                "policy": policy_report.NAMES[name],
                "net, euro": f"{score.net_eur:,.0f}",
                "contacts a customer": f"{score.contacts_per_customer:.1f}",
                "of the oracle": terminal.percent(met.share_of_oracle(name)),
            }
            for name, score in met.scores.items()
        ]
        terminal.table(f"A simulated year of {met.customers:,} customers", scores)
    if report is not None:
        terminal.say(f"The report is {report / policy_report.PAGE}")


def _in_words(value: float, lowest: float, highest: float) -> str:
    if value != value:
        return "not identified"
    return f"{value:,.2f} ({lowest:,.2f} to {highest:,.2f})"
