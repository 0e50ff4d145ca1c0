"""A dry run of the night: everything is worked out, held against the gate, and nothing is kept."""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

from pipelines import monitoring, night, night_changes, pulling, reading
from pipelines.findings import Health
from pipelines.job import Job
from pipelines.night_changes import Changes
from pipelines.records import alerts
from pipelines.records.database import RecordsAway, RecordsDamaged
from pipelines.snapshot import Snapshot, SnapshotDamaged
from pipelines.store import ScoreStore


@dataclass(frozen=True)
class Rehearsal:
    """What the night would publish, and what would change for those who read it."""

    as_of: date
    snapshot: str  # the name that it would have
    replaces: str | None  # the snapshot that is read now
    is_new: bool  # False: it is published already, and nothing would change
    model_version: str
    invoices: int
    open_cents: int
    value_at_risk_cents: int
    quarantined: int
    by_action: Mapping[str, int]
    new_alerts: int | None  # None: the records are away
    changes: Changes | None  # None: nothing is published yet
    health: Health
    pull: list[dict[str, object]] | None = None  # what would be pulled first, by table


def run(job: Job, *, tell: Callable[[str], None] = lambda step: None) -> Rehearsal:
    """The night as it would be; PublishRefused where it would not be published.

    It takes no lock, so that a night that runs at the same time is not disturbed, and pulls
    nothing: rows that the night would pull first are counted, and are not in the scores.
    """
    store = ScoreStore(job.settings.scores_folder)
    model = night.champion(job.settings)
    tell("reading the ledger")
    brought = pulling.would_bring(job.settings, at=job.at)
    intake = reading.read(job)
    tell("scoring what is open and planning the day")
    scored = night.score(job, intake, model)
    tell("comparing with what is published")
    scores = scored.scores
    name = store.rehearse(job.as_of, scores, **night.tables(job, intake, scored))
    changes = None
    if (read_now := _read_now(store)) is not None:
        with closing(read_now):
            changes = night_changes.between(read_now, scores, scored.plan)
    return Rehearsal(
        as_of=job.as_of,
        snapshot=name,
        replaces=store.current_name(),
        is_new=name not in store.names(),
        model_version=model.version,
        invoices=scores.num_rows,
        open_cents=pc.sum(scores["open_cents"]).as_py() or 0,
        value_at_risk_cents=pc.sum(scores["value_at_risk_cents"]).as_py() or 0,
        quarantined=intake.quarantine.num_rows,
        by_action=night.counts(scored.plan["code"]),
        new_alerts=_new_alerts(job, scored),
        changes=changes,
        health=monitoring.check(intake.ledger, job.as_of, model, store),
        pull=None if brought is None else brought.rows(),
    )


def _read_now(store: ScoreStore) -> Snapshot | None:
    with suppress(SnapshotDamaged, OSError):
        if (name := store.current_name()) is not None:
            return store.snapshot(name)
    return None


def _new_alerts(job: Job, scored: night.Scored) -> int | None:
    with suppress(RecordsAway, RecordsDamaged):
        url = job.settings.records_url
        return len(alerts.would_raise(url, scored.scores, as_of=job.as_of))
    return None
