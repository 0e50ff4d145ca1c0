"""The nightly recipe: read the ledger, set aside what is wrong, score what is open, publish it.

Plain functions: the command line calls `run`, the Prefect flow calls the same steps one by one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from models import bundle
from models.bundle import Bundle
from pipelines import fingerprint, scoring, settlement, sources
from pipelines.gate import Portfolio
from pipelines.ledger import Ledger
from pipelines.settings import Settings
from pipelines.sources import Intake, IntakeRefused
from pipelines.store import Run, ScoreStore

STEPS = 3  # that `run` tells of
_EPOCH = date(1970, 1, 1)


class NoModelYet(LookupError):  # noqa: N818 - the name says what happened
    """Nothing can be scored before a model was trained and promoted."""


class TooMuchQuarantined(IntakeRefused):
    """A larger share of a table's rows is wrong than the settings allow."""


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
    by_action: Mapping[str, int]
    is_new: bool  # False: the same night was published before, and nothing changed


def run(
    settings: Settings,
    *,
    as_of: date,
    computed_at: datetime,
    source: str | Path,
    mapping: str | Path | None = None,
    tell: Callable[[str], None] = lambda step: None,
) -> Night:
    """Score the ledger as of a day and make it what everybody reads; again changes nothing."""
    with ScoreStore(settings.scores_folder).writing() as lock:
        model = champion(settings)
        tell("reading the ledger")
        intake = read(settings, source, mapping=mapping, today=max(computed_at.date(), as_of))
        tell("scoring what is open")
        scores = score(intake.ledger, as_of=as_of, model=model)
        tell("publishing")
        return publish(
            settings, intake, scores, as_of=as_of, model=model, lock=lock, computed_at=computed_at
        )


def champion(settings: Settings) -> Bundle:
    """The model that answers."""
    model = bundle.champion(settings.models_folder)
    if model is None:
        raise NoModelYet("no model has been promoted yet: run `puntuale train`")
    return model


def read(
    settings: Settings, source: str | Path, *, mapping: str | Path | None = None, today: date
) -> Intake:
    """The ledger and its quarantine; refused when too large a share of the rows is wrong."""
    intake = take_in(settings, source, mapping=mapping, today=today)
    stop_if_too_much(settings, intake)
    return intake


def take_in(
    settings: Settings, source: str | Path, *, mapping: str | Path | None = None, today: date
) -> Intake:
    """The ledger and its quarantine, whatever the share of wrong rows.

    `today` is the day of the reading, not of the scoring: a payment dated after it is a mistake.
    """
    given = settings.model_fields_set  # what is not set is left to the mapping
    return sources.read(
        source,
        mapping=mapping or settings.mapping,
        ledger_currency=settings.currency if "currency" in given else None,
        zone=settings.zone if "zone" in given else None,
        today=today,
    )


def stop_if_too_much(settings: Settings, intake: Intake) -> None:
    """Raise TooMuchQuarantined when more rows are wrong than the settings allow."""
    try:
        intake.raise_if_over(settings.quarantine_share_max)
    except IntakeRefused as refused:
        raise TooMuchQuarantined(refused.faults) from None


def score(ledger: Ledger, *, as_of: date, model: Bundle) -> pa.Table:
    """One row per invoice that is open as of the day."""
    return scoring.score(ledger, day_number(as_of), model)


def publish(
    settings: Settings,
    intake: Intake,
    scores: pa.Table,
    *,
    as_of: date,
    model: Bundle,
    lock: Run,
    computed_at: datetime,
) -> Night:
    """Publish the scores if they hold what the ledger says is open, and drop the oldest nights."""
    store = ScoreStore(settings.scores_folder)
    before = set(store.names())
    name = store.publish(
        as_of,
        scores,
        run=lock,
        portfolio=portfolio(intake.ledger, as_of=as_of),
        quarantine=intake.quarantine,
        facts={
            "computed_at": computed_at.isoformat(timespec="seconds"),
            "currency": intake.currency,
            "ledger": fingerprint.of_ledger(intake.ledger),
            "model_files": dict(model.manifest.files),
        },
    )
    store.prune(keep=settings.snapshots_kept, run=lock)
    return Night(
        as_of=as_of,
        snapshot=name,
        model_version=model.version,
        invoices=scores.num_rows,
        open_cents=pc.sum(scores["open_cents"]).as_py() or 0,
        value_at_risk_cents=pc.sum(scores["value_at_risk_cents"]).as_py() or 0,
        quarantined=intake.quarantine.num_rows,
        by_band=_counts(scores["risk_band"]),
        by_action=_counts(pc.struct_field(scores["action"], "code")),
        is_new=name not in before,
    )


def portfolio(ledger: Ledger, *, as_of: date) -> Portfolio:
    """What the ledger says is open, told from its movements alone."""
    settled = settlement.settle(ledger)
    day = day_number(as_of)
    is_open = pa.array(settlement.is_open(settled, day))
    ids = ledger.invoices["invoice_id"].combine_chunks().filter(is_open)
    return Portfolio(ids, int(settlement.open_cents(settled, day).sum()))


def day_number(day: date) -> int:
    """Days since 1970-01-01, as the inside counts them."""
    return (day - _EPOCH).days


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    counted: list[dict[str, Any]] = column.value_counts().to_pylist()
    return {str(c["values"]): c["counts"] for c in sorted(counted, key=lambda c: -c["counts"])}
