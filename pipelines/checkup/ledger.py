"""The data: the mapping, the ledger that it reads, and the catalogue of actions."""

from datetime import timedelta

from models.action import CatalogueError
from models.catalogue import Catalogue
from pipelines import reading
from pipelines.checkup.finding import Finding, look, well, wrong
from pipelines.first_look import ended
from pipelines.intake import mapping as mappings
from pipelines.job import Job
from pipelines.sources import IntakeRefused


def mapping(job: Job) -> Finding:
    if job.mapping is None:
        return well("mapping", "none: the ledger has its own names")
    try:
        plan = mappings.load(job.mapping)
    except IntakeRefused as refused:
        told = "; ".join(refused.faults)
        return wrong("mapping", told, "docs/mappings.md; puntuale init LEDGER drafts one")
    tables = sorted({part.table for part in plan.parts})
    return well("mapping", f"{job.mapping}: {', '.join(tables) or 'how cells are written'}")


def ledger(job: Job) -> Finding:
    """Whether the ledger can be read, how much of it is usable, and how old it is."""
    if job.is_invented and not job.settings.ledger:
        return look(
            "ledger", "the invented sample: no PUNTUALE_LEDGER", "puntuale init YOUR_EXPORT.csv"
        )
    try:
        intake = reading.take_in(job)
    except IntakeRefused as refused:
        named = f" --mapping {job.mapping}" if job.mapping else ""
        return wrong("ledger", refused.faults[0], f"puntuale check {job.source}{named}")
    counts = intake.counts.get("invoices", {})
    aside = intake.quarantined_share
    told = f"{counts.get('accepted', 0):,} invoices, at most {aside:.1%} of a table in quarantine"
    if aside > job.settings.quarantine_share_max:
        return wrong("ledger", told, f"puntuale check {job.source} shows the rows and why")
    if (until := ended(intake.ledger, today=job.as_of)) is not None:
        last = until - timedelta(days=1)
        return look("ledger", f"{told}; it ends on {last}", f"--as-of {until}, or a fresh export")
    return well("ledger", told)


def catalogue(job: Job) -> Finding:
    named = job.settings.catalogue
    try:
        actions = Catalogue.load(named)
    except (CatalogueError, OSError) as fault:
        return wrong("catalogue", f"{named}: {fault}", "puntuale actions lists what may be done")
    return well("catalogue", f"{len(actions.actions)} actions, {named or 'the shipped one'}")
