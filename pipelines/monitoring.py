"""Monitoring: whether the model that answers can still be believed, and whether to train again.

Each night looks back at what earlier nights said of invoices whose day has come since, at what is
fed to the model, at how many pay late, and at the model's age. A finding is raised where the whole
interval over customers lies beyond what is usual, so that chance alone seldom raises one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import drift, metrics
from models.bundle import Bundle
from models.drift import Interval, Reference
from models.horizons import HORIZONS_DAYS, column
from models.metrics import Floats
from pipelines import (
    features,
    input_drift,
    matured_window,
    reading,
    usual_portfolio,
)
from pipelines.features import Peers
from pipelines.findings import Finding, Health, Matured
from pipelines.input_drift import LookedAt
from pipelines.job import Job, day_number
from pipelines.ledger import Ledger, rows_of
from pipelines.settlement import Settlement, settle
from pipelines.settlement import before as settlement_before
from pipelines.store import ScoreStore
from pipelines.track_record import TrackRecord

STEPS = 2  # that `run` tells of
STALE_DAYS = 92  # a quarter: base rates drift, and new customers have no record in the cohorts
DIFFERENT = 0.25  # a stability index above which two spreads are held to be different
BASE_RATE = 0.03  # of invoices: a change that moves a cash forecast
CALIBRATION = 0.03  # of invoices: said more or fewer than came
RECENT_DAYS = 90
LEAST_ROWS, LEAST_CUSTOMERS = 200, 20  # fewer say nothing that could be believed
ANY_MODEL = "any model"  # who has said what this model has not yet had time to
SHOWN = 5  # drifted features, the furthest first


def run(job: Job, model: Bundle, *, tell: Callable[[str], None] = lambda step: None) -> Health:
    """Read the ledger and look at the model as of the day; nothing is written."""
    tell("reading the ledger")
    ledger = reading.read(job).ledger
    tell("looking at the model")
    return check(ledger, job.as_of, model, ScoreStore(job.settings.scores_folder))


def check(
    ledger: Ledger,
    as_of: date,
    model: Bundle,
    store: ScoreStore,
    *,
    known: tuple[Ledger, Settlement] | None = None,
) -> Health:
    """What is to be said of the model, from the ledger and from the nights before.

    `known` is what was known before the day and its settlement, where that was worked out before.
    """
    day = day_number(as_of)
    before, settlement = known or settlement_before(ledger, settle(ledger), day)
    peers = Peers.from_columns(model.model.peers)
    seen = input_drift.look_apart(before, settlement, day, peers)
    lost = input_drift.lost(seen, model.model)
    usual = model.model.facts.get("usual_portfolio", {"features": {}, "rates": {}})
    matured, off = _matured(ledger, as_of, model, TrackRecord(store))
    found = [
        *_missing(lost, as_of),
        *off,
        *_base_rate(settlement, usual["rates"], as_of, _cut_off(model)),
        *_drifted(seen, usual["features"], lost, as_of),
        *_stale(as_of, _cut_off(model)),
    ]
    # what is learned from half an extract is worse than an old model
    retrain = any(f.asks_for_training for f in found) and not lost
    found = _dated(found, _night_before(store, as_of))
    return Health(as_of, model.version, tuple(found), matured, tuple(lost), retrain)


def _missing(lost: Sequence[str], as_of: date) -> list[Finding]:
    if not lost:
        return []
    advice = f"the ledger no longer tells {', '.join(lost)}: check the extract before training"
    count = float(len(lost))
    return [Finding("missing_inputs", "", "alert", as_of, count, count, count, 0.0, advice, False)]


def _matured(
    ledger: Ledger, as_of: date, model: Bundle, record: TrackRecord
) -> tuple[tuple[Matured, ...], list[Finding]]:
    """The first word of earlier nights on each invoice, where its day has come since.

    Where this model's words on a horizon have not matured yet, those of the models before it are
    told instead: they speak for the recipe, and raise no finding.
    """
    own = _Words.of(ledger, as_of, record, model.version)
    anybodys = _Words.of(ledger, as_of, record, None)
    told, off = [], []
    for h, horizon in enumerate(map(column, HORIZONS_DAYS)):
        if own and own.speak_of(h):
            told.append(own.matured(h))
            off += _misjudged(horizon, *own.judged(h), as_of)
        elif anybodys and anybodys.speak_of(h):
            told.append(anybodys.matured(h))
    return tuple(told), off


@dataclass(frozen=True)
class _Words:
    """What was said on earlier nights, beside what came: rows by horizons."""

    by: str
    said: pa.Table
    came: Floats
    customers: npt.NDArray[np.str_]

    @classmethod
    def of(
        cls, ledger: Ledger, as_of: date, record: TrackRecord, version: str | None
    ) -> "_Words | None":
        """None where nothing was said before the day."""
        said = record.first_words(as_of, version=version)
        if said is None:
            return None
        known = ledger.known_before(day_number(as_of))
        there = rows_of(said["invoice_id"], among=known.invoices["invoice_id"]) >= 0
        said = said.filter(pa.array(there))
        came = matured_window.outcomes(ledger, said, cut_off=as_of)
        customers = np.array(said["customer_id"].to_pylist(), dtype=np.str_)
        return cls(version or ANY_MODEL, said, came, customers)

    def speak_of(self, h: int) -> bool:
        return not _too_few(self.customers[~np.isnan(self.came[:, h])])

    def judged(self, h: int) -> tuple[Floats, Floats, npt.NDArray[np.str_]]:
        """What came, what was said, and of whom."""
        rows = ~np.isnan(self.came[:, h])
        said = self.said[column(HORIZONS_DAYS[h])].to_numpy()
        return self.came[rows, h], said[rows], self.customers[rows]

    def matured(self, h: int) -> Matured:
        y, p, _ = self.judged(h)
        return Matured(
            column(HORIZONS_DAYS[h]),
            len(y),
            float(p.mean()),
            float(y.mean()),
            metrics.log_loss(y, p),
            metrics.log_loss(y, np.full(len(y), y.mean())),
            self.by,
        )


def _misjudged(
    horizon: str, y: Floats, p: Floats, customers: npt.NDArray[np.str_], as_of: date
) -> list[Finding]:
    found, base = [], np.full(len(y), y.mean())
    gap = drift.mean(p - y, customers)
    if gap.low > CALIBRATION or gap.high < -CALIBRATION:
        word = "fewer" if gap.value > 0 else "more"
        advice = f"{word} invoices stay unpaid than is said: train again"
        found.append(_finding("calibration_drift", horizon, "alert", as_of, gap, 0.0, advice))
    worse = drift.mean(metrics.surprise(y, p) - metrics.surprise(y, base), customers)
    if worse.low > 0:
        advice = "saying the same of every invoice would be better: train again"
        found.append(_finding("no_better_than_a_guess", horizon, "alert", as_of, worse, 0, advice))
    return found


def _base_rate(
    settlement: Settlement, usual: Mapping[str, Any], as_of: date, cut_off: date
) -> list[Finding]:
    """Whether more or fewer pay late since the cut-off than in the year before it."""
    end = day_number(as_of)
    begin = max(end - RECENT_DAYS, day_number(cut_off))
    found = []
    for horizon in HORIZONS_DAYS:
        if (before := usual.get(column(horizon))) is None:
            continue
        invoice, late = usual_portfolio.reached(settlement, horizon, begin=begin, end=end)
        customers = settlement.customer[invoice]
        if _too_few(customers):
            continue
        seen, slack = drift.mean(late, customers), max(BASE_RATE, before["apart"])
        if seen.low > before["share"] + slack or seen.high < before["share"] - slack:
            word = "more" if seen.value > before["share"] else "fewer"
            advice = f"{word} invoices are unpaid at this horizon than in training: train again"
            about = column(horizon)
            found.append(
                _finding("base_rate_drift", about, "warning", as_of, seen, before["share"], advice)
            )
    return found


def _drifted(
    seen: LookedAt, usual: Mapping[str, Any], lost: Sequence[str], as_of: date
) -> list[Finding]:
    """The features that matter and are spread otherwise than they were in training."""
    if _too_few(seen.customer):
        return []
    found = []
    for at, name in enumerate(features.BOOK):
        if name not in usual or name in lost:
            continue
        expected = max(DIFFERENT, usual[name]["apart"])
        index = drift.stability_interval(
            Reference.from_facts(usual[name]), seen.features[:, at], seen.customer
        )
        if index.low > expected:
            advice = "it is spread otherwise than in training: look at the ledger, then train again"
            found.append(_finding("feature_drift", name, "warning", as_of, index, expected, advice))
    return sorted(found, key=lambda f: (-f.value, f.about))[:SHOWN]


def _stale(as_of: date, cut_off: date) -> list[Finding]:
    age = float((as_of - cut_off).days)
    if age <= STALE_DAYS:
        return []
    since = cut_off + timedelta(days=STALE_DAYS + 1)
    advice = f"it has learned from nothing after {cut_off}: train again"
    return [Finding("stale_model", "", "warning", since, age, age, age, float(STALE_DAYS), advice)]


def _finding(
    code: str,
    about: str,
    severity: str,
    since: date,
    seen: Interval,
    expected: float,
    advice: str,
) -> Finding:
    value, low, high = (round(figure, 4) for figure in (seen.value, seen.low, seen.high))
    return Finding(code, about, severity, since, value, low, high, round(expected, 4), advice)


def _night_before(store: ScoreStore, as_of: date) -> Mapping[tuple[str, str], date]:
    """Since when the latest earlier night had each finding."""
    earlier = [
        facts["health"]
        for facts in store.facts()
        if "health" in facts and facts["health"]["as_of"] < as_of.isoformat()
    ]
    if not earlier:
        return {}
    findings = earlier[-1]["findings"]
    return {(f["code"], f["about"]): date.fromisoformat(f["since"]) for f in findings}


def _dated(found: list[Finding], before: Mapping[tuple[str, str], date]) -> list[Finding]:
    """The findings, each since the night that found it first."""
    return [
        Finding(**{**asdict(f), "since": min(f.since, before.get((f.code, f.about), f.since))})
        for f in found
    ]


def _cut_off(model: Bundle) -> date:
    return date.fromisoformat(str(model.manifest.facts["cut_off"]))


def _too_few(customers: Any) -> bool:
    return len(customers) < LEAST_ROWS or len(np.unique(customers)) < LEAST_CUSTOMERS
