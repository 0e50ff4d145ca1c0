"""`puntuale effects`: what each action is believed to change, and what the log says of it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from models.catalogue import Catalogue
    from models.shrinkage import Belief
    from pipelines.learned_effects import Learned

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
UNIT = {"days": "days sooner", "unpaid": "share less unpaid"}


def effects(
    ledger: Annotated[
        str | None,
        typer.Argument(help="The ledger: a folder or a database URL. None: PUNTUALE_LEDGER."),
    ] = None,
    mapping: Annotated[str | None, typer.Option(help="How a foreign export is read.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day that opens.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn from the log of actions what each changes, and keep it for the next nights."""
    from pipelines import learned_effects, policies, promotion, reading
    from pipelines.job import Job
    from pipelines.settings import Settings
    from serving import terminal

    now = datetime.now(UTC).replace(microsecond=0)
    day = as_of.date() if as_of else None
    job = Job.of(Settings(), at=now, ledger=ledger, mapping=mapping, as_of=day)
    with terminal.working(steps=2, quiet=as_json) as tell:
        tell("reading the ledger")
        known = reading.read(job).ledger
        tell("learning what actions change")
        learned = promotion.teach(job, known)
    catalogue = policies.in_force(job.settings).catalogue
    rows = told(learned, catalogue) if learned else []
    if as_json:
        terminal.as_json({"learned": learned is not None, "effects": rows})
        return
    if learned is None:
        terminal.say(
            f"The log is too short to learn from: it takes {learned_effects.ENOUGH} decisions "
            "whose outcome is known, some to wait and some not. What was believed stays."
        )
        return
    terminal.table("Effects", [_row(row) for row in rows], elastic="says the log")
    terminal.say(f"{len(rows)} effects from {learned.decisions:,} decisions; kept in")
    terminal.say(f"{job.settings.effects_file}, read by the next night.")


def told(learned: "Learned", catalogue: "Catalogue") -> list[dict[str, Any]]:
    """Each effect: what was believed, what is believed now, on what evidence."""
    from pipelines import learned_effects

    strata = sorted({belief.stratum for belief in learned.beliefs})
    priors = {
        outcome: learned_effects.priors(catalogue, strata, outcome)
        for outcome in learned_effects.OUTCOMES
    }
    return [_told(belief, priors[belief.outcome]) for belief in learned.beliefs]  # type: ignore[index]


def _told(belief: "Belief", priors: Any) -> dict[str, Any]:
    prior, now = priors[belief.action, belief.stratum], belief.effect
    overlap = belief.estimate.overlap
    return {
        "action": belief.action,
        "cause": belief.stratum,
        "outcome": belief.outcome,
        "prior": [prior.expected, prior.lowest, prior.highest],
        "now": [now.expected, now.lowest, now.highest],
        "source": belief.source,
        "overlap_rows": overlap.rows,
        "overlap_share": overlap.share,
        "overlap_customers": overlap.effective,
        "not_identified": belief.estimate.lacking or None,
    }


def _row(row: dict[str, Any]) -> dict[str, object]:
    lacking = row["not_identified"]
    customers = f"{row['overlap_customers']:.0f} customers' worth"
    return {
        "action": row["action"],
        "cause": row["cause"],
        "what": UNIT[row["outcome"]],
        "prior": f"{row['prior'][0]:.3g}",
        "now": "" if lacking else "{:.3g} ({:.3g} to {:.3g})".format(*row["now"]),
        "source": row["source"],
        "says the log": f"not identified: {lacking}" if lacking else customers,
    }
