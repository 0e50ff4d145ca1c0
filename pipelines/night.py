"""The nightly recipe: read the ledger, score what is open, plan the day, publish both.

Plain functions: the command line calls `run`, the Prefect flow calls the same steps one by one.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from models.bundle import MODEL_SOURCE, OWN, Bundle
from pipelines import (
    cash_forecast,
    customer_rows,
    fingerprint,
    kpis,
    litter,
    monitoring,
    night_changes,
    night_report,
    night_scores,
    plan_record,
    planning,
    policies,
    portfolio_risk,
    prior,
    provision,
    pulling,
    reading,
    score_database,
    segments,
    settlement,
)
from pipelines.cash_forecast import Forecast
from pipelines.findings import Health
from pipelines.gate import Portfolio
from pipelines.job import Job, day_number
from pipelines.kept_ledgers import KeptLedgers
from pipelines.kpi_record import KpiRecord
from pipelines.ledger import Ledger
from pipelines.plan_record import PlanRecord
from pipelines.records import alerts
from pipelines.settings import Settings
from pipelines.settlement import Settlement
from pipelines.sources import Intake
from pipelines.store import Run, ScoreStore
from pipelines.track_record import TrackRecord

STEPS = 3  # that `run` tells of


class NoModelYet(LookupError):  # noqa: N818 - the name says what happened
    """Nothing can be scored before a model was trained and promoted."""


class Scored(NamedTuple):
    """What a night has worked out: the scores, the plan that rests on them, what to keep of it."""

    scores: pa.Table
    plan: pa.Table
    advised: pa.Table
    summary: Mapping[str, Any]
    forecast: Forecast
    ledger: str | None  # the name under which its rows are kept, where they are


@dataclass(frozen=True)
class Night:
    """What a night leaves to tell; the rest is in the snapshot."""

    as_of: date
    snapshot: str
    model_version: str
    invoices: int
    open_cents: int
    value_at_risk_cents: int
    quarantined: int
    by_band: Mapping[str, int]
    by_action: Mapping[str, int]  # customers, as the day's plan has them
    is_new: bool  # False: the same night was published before, and nothing changed
    lost_inputs: tuple[str, ...] = ()  # features that training knew and this ledger does not tell
    health: Health | None = None  # of the model that answered
    model_source: str = OWN


def run(job: Job, *, tell: Callable[[str], None] = lambda step: None) -> Night:
    """Score the ledger as of a day and make it what everybody reads; again changes nothing."""
    with ScoreStore(job.settings.scores_folder).writing() as lock:
        model = champion(job.settings)
        tell("reading the ledger")
        pulling.for_night(job.settings, at=job.at)
        intake = reading.read(job)
        tell("scoring what is open and planning the day")
        scored = score_kept(job, intake, model)
        tell("publishing")
        told = publish(job, intake, scored, model=model, lock=lock)
        night_report.of_night(job.settings, told.snapshot)
        return told


def champion(settings: Settings) -> Bundle:
    """The model that answers."""
    model = prior.champion(settings)
    if model is None:
        raise NoModelYet("no model has been promoted yet: run `puntuale train`")
    return model


def score_kept(job: Job, intake: Intake, model: Bundle) -> Scored:
    """The night's ledger kept in buckets of customers, and `score` of these."""
    name = fingerprint.of_ledger(intake.ledger)
    folder = KeptLedgers(job.settings.ledgers_folder).keep(intake.ledger, name)
    return score(job, intake, model, kept=folder)


def score(job: Job, intake: Intake, model: Bundle, *, kept: Path | None = None) -> Scored:
    """Every invoice that is open as of the day, and what is to be done with its customer."""
    policy = policies.in_force(job.settings)
    day = day_number(job.as_of)
    scores, asked, cash = night_scores.work(
        intake.ledger, day, model, policy, settings=job.settings, kept=kept
    )
    forecast = cash_forecast.of_parts(cash, as_of=day)
    del cash
    litter.give_back()
    planned = planning.plan_day(asked, policy)
    return Scored(
        scores,
        planning.table(planned, scores, asked, policy),
        plan_record.advised(planned, scores, asked),
        planning.summary(planned, policy),
        forecast,
        kept.name if kept else None,
    )


def publish(job: Job, intake: Intake, scored: Scored, *, model: Bundle, lock: Run) -> Night:
    """Publish what the night says if it holds what is open, and drop the oldest nights."""
    litter.give_back()
    store, scores = ScoreStore(job.settings.scores_folder), scored.scores
    day = day_number(job.as_of)
    before = set(store.names())
    settled = settlement.settle(intake.ledger)
    known = settlement.before(intake.ledger, settled, day)
    health = monitoring.check(intake.ledger, job.as_of, model, store, known=known)
    changes = night_changes.since_last(
        store, job.as_of, scores, scored.plan, is_invented=job.is_invented
    )
    figures = KpiRecord(store)
    recorded = {} if job.is_invented else figures.read()
    noted = kpis.noted(intake.ledger, day, settlement=settled, recorded=recorded)
    name = store.publish(
        job.as_of,
        scores,
        run=lock,
        **tables(job, intake, scored, settled=settled),
        facts={
            "computed_at": job.at.isoformat(timespec="seconds"),
            "currency": intake.currency,
            "is_invented": job.is_invented,
            "source": job.source_mark,
            MODEL_SOURCE: model.source,
            "invoices_read": intake.ledger.invoices.num_rows,
            "lost_inputs": list(health.lost_inputs),
            "risk": portfolio_risk.risk_of(scores),
            "risk_before": portfolio_risk.night_before(
                store, job.as_of, is_invented=job.is_invented
            ),
            "segments": segments.of(scores, intake.ledger.customers),
            "changes": changes and changes.facts(),
            "kpis": noted,
            "forecast": cash_forecast.noted(
                intake.ledger, model.model, as_of=day, told=scored.forecast, settlement=known[1]
            ),
            "provision": provision.matrix(intake.ledger, scores, day, settlement=known[1]),
            "plan": dict(scored.summary),
            "health": health.facts(),
            "ledger": scored.ledger,
            "model_files": dict(model.manifest.files),
        },
    )
    if not job.is_invented:  # whoever tries the sample first is not shown it as their own past
        figures.keep([*noted["history"], noted["now"]])
    record = TrackRecord(store)
    record.keep(job.as_of, scores)
    record.thin(job.as_of, days=job.settings.predictions_kept_days)
    plans = PlanRecord(store)
    plans.keep(job.as_of, scored.advised)
    plans.thin(job.as_of, days=job.settings.plans_kept_days)
    store.prune(keep=job.settings.snapshots_kept, run=lock)
    named = _ledgers_named(store, latest=job.settings.ledgers_kept)
    KeptLedgers(job.settings.ledgers_folder).thin(keep=named)
    with closing(store.snapshot(name)) as snapshot:
        score_database.of_night(job.settings, snapshot)
        alerts.of_night(job.settings.records_url, snapshot, at=job.at)
    return Night(
        as_of=job.as_of,
        snapshot=name,
        model_version=model.version,
        invoices=scores.num_rows,
        open_cents=pc.sum(scores["open_cents"]).as_py() or 0,
        value_at_risk_cents=pc.sum(scores["value_at_risk_cents"]).as_py() or 0,
        quarantined=intake.quarantine.num_rows,
        by_band=counts(scores["risk_band"]),
        by_action=counts(scored.plan["code"]),
        is_new=name not in before,
        lost_inputs=health.lost_inputs,
        health=health,
        model_source=model.source,
    )


def tables(
    job: Job, intake: Intake, scored: Scored, *, settled: Settlement | None = None
) -> dict[str, Any]:
    """What is published beside the scores, and what they are held against."""
    return {
        "portfolio": portfolio(intake.ledger, as_of=job.as_of, settled=settled),
        "quarantine": intake.quarantine,
        "plan": scored.plan,
        "customers": customer_rows.of(scored.scores, intake.ledger.customers),
    }


def summary(night: Night) -> list[dict[str, object]]:
    """The night in a few rows, for a table."""
    told = {
        "as of": night.as_of.isoformat(),
        "snapshot": night.snapshot,
        "model": night.model_version,
        "model source": night.model_source,
        "open invoices": night.invoices,
        "open": night.open_cents / 100,
        "at risk": night.value_at_risk_cents / 100,
        "rows in quarantine": night.quarantined,
        **{f"risk {band}": rows for band, rows in night.by_band.items()},
        **{f"action {code}": rows for code, rows in night.by_action.items()},
        "new": night.is_new,
        "features lost": ", ".join(night.lost_inputs),
        "findings": len(night.health.findings) if night.health else 0,
    }
    return [{"what": what, "value": value} for what, value in told.items()]


def portfolio(ledger: Ledger, *, as_of: date, settled: Settlement | None = None) -> Portfolio:
    """What the ledger says is open, told from its movements alone."""
    settled = settled or settlement.settle(ledger)
    day = day_number(as_of)
    is_open = pa.array(settlement.is_open(settled, day))
    ids = ledger.invoices["invoice_id"].combine_chunks().filter(is_open)
    return Portfolio(ids, int(settlement.open_cents(settled, day).sum()))


def _ledgers_named(store: ScoreStore, *, latest: int) -> set[str]:
    """The ledgers that the latest nights have read, by name."""
    noted = [str(facts["ledger"]) for facts in store.facts() if facts.get("ledger")]
    return set(list(dict.fromkeys(reversed(noted)))[:latest])


def counts(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    counted: list[dict[str, Any]] = column.value_counts().to_pylist()
    return {str(c["values"]): c["counts"] for c in sorted(counted, key=lambda c: -c["counts"])}
