"""Fitting: trees on matured rows, blended with the curve by the weight that they have earned.

One recipe, wherever the labels lie: in this process, or in parts on a cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import blend
from models.blend import Window
from models.cohorts import Cohorts
from models.growing import grow, parameters, raw_scores
from models.label_table import NO_DAY, LabelTable, Totals
from models.late_payment import GOLDEN_ROWS, LatePaymentModel, Snapshots, stack
from models.time_ahead import TIME_FEATURES, logit

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

LEAST_LABELS = 2_000  # fewer say too little of five horizons
LEAST_OF_A_KIND = 50  # invoices seen late, and invoices seen paid
SELDOM_MISSING = 0.5  # the share up to which a feature counts as known in training
MOSTLY_VARIES = 0.95  # a value that so many snapshots share is the same by nature


class NotEnoughHistory(ValueError):  # noqa: N818 - the name says what is missing
    """The ledger is too short, or too much of one kind, for anything to be learned.

    `share` is how much of the labels that are needed were there.
    """

    def __init__(self, why: str, *, share: float | None = None) -> None:
        super().__init__(why)
        self.share = share


@dataclass(frozen=True)
class TrainingRows:
    """Matured labels: snapshot `row` was, or was not, still open `days_ahead` days later."""

    snapshots: Snapshots
    customer: npt.NDArray[np.int32]  # of each snapshot: rows of one customer go together
    row: Rows
    days_ahead: Days
    still_open: npt.NDArray[np.bool_]
    sample_weight: Floats | None = None  # of each snapshot, where only a sample of them is here

    @property
    def weight(self) -> Floats | None:
        """What each label counts for, one on average; None where all count alike."""
        if self.sample_weight is None:
            return None
        weight = self.sample_weight[self.row]
        return np.asarray(weight / weight.mean(), np.float64)

    @property
    def target_day(self) -> Days:
        return self.snapshots.as_of[self.row] + self.days_ahead

    def where(self, keep: npt.NDArray[np.bool_]) -> "TrainingRows":
        return TrainingRows(
            self.snapshots,
            self.customer,
            self.row[keep],
            self.days_ahead[keep],
            self.still_open[keep],
            self.sample_weight,
        )


class Labels(Protocol):
    """Where matured labels lie, and what is done with them there."""

    feature_names: tuple[str, ...]

    def totals(self) -> Totals: ...

    def sizes(self, day: int) -> tuple[int, int]:
        """How many had matured before a day, and how many are of snapshots from then on."""
        ...

    def grow(self, settings: Mapping[str, Any], *, before: int | None = None) -> str:
        """LightGBM's text of trees grown on all of them, or on those matured before a day."""
        ...

    def window(self, text: str, *, since: int) -> Window:
        """What trees say of the snapshots from a day on."""
        ...

    def features(self) -> Floats:
        """The snapshots' features, of enough of them to tell what is usual."""
        ...

    def some(self, count: int) -> LabelTable:
        """At most so many labels from all over."""
        ...


def fit(
    rows: TrainingRows,
    *,
    cohorts: Cohorts,
    peers: pa.Table,
    cut_off: int,
    seed: int = 0,
    tuned: Mapping[str, float] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> LatePaymentModel:
    """The model of everything known before `cut_off`.

    Raises NotEnoughHistory, saying what is missing, where labels are too few or all alike.
    """
    return fit_to(
        _Here(rows, cohorts),
        cohorts=cohorts,
        peers=peers,
        cut_off=cut_off,
        seed=seed,
        tuned=tuned,
        facts=facts,
    )


def fit_to(
    labels: Labels,
    *,
    cohorts: Cohorts,
    peers: pa.Table,
    cut_off: int,
    seed: int = 0,
    tuned: Mapping[str, float] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> LatePaymentModel:
    """`fit`, wherever the labels lie."""
    totals = labels.totals()
    _check(totals)
    settings = parameters(totals.labels, seed=seed, tuned=tuned)
    weights, evidence = _weights(labels, totals, cut_off=cut_off, seed=seed, tuned=tuned)
    features = labels.features()
    model = LatePaymentModel(
        tree_text=labels.grow(settings),
        weights=weights,
        curve_base=totals.curve_logit / totals.labels,
        feature_names=labels.feature_names,
        cohorts=cohorts,
        peers=peers,
        usual=_medians(labels.feature_names, features),
        facts={
            **(facts or {}),
            "cut_off": str(np.datetime64(cut_off, "D")),
            "seed": seed,
            "snapshots": totals.snapshots,
            "labels": totals.labels,
            "parameters": settings,
            "tuned": dict(tuned or {}),
            "blend": evidence,
            "inputs": _inputs(labels.feature_names, features),
        },
    )
    some = labels.some(GOLDEN_ROWS)
    return model.with_golden_rows(some.stacked, some.curve, some.past_due)


def tabulated(rows: TrainingRows, cohorts: Cohorts) -> LabelTable:
    """The labels as the trees read them, in float32, as LightGBM bins it, and the curve beside."""
    n, p = len(rows.row), len(rows.snapshots.feature_names) + len(TIME_FEATURES)
    stacked, curve = np.empty((n, p), np.float32), np.empty(n)
    for begin in range(0, n, 1 << 16):
        part = slice(begin, begin + (1 << 16))
        taken = rows.snapshots.take(rows.row[part])
        wide, of_customer = stack(cohorts, taken, rows.days_ahead[part][:, None])
        stacked[part], curve[part] = wide, of_customer[:, 0]
    return LabelTable(
        stacked=stacked,
        curve=curve,
        still_open=rows.still_open,
        customer=rows.customer[rows.row],
        as_of=rows.snapshots.as_of[rows.row],
        target_day=rows.target_day,
        past_due=(rows.target_day - rows.snapshots.due_day[rows.row]).astype(np.int32),
        weight=rows.weight,
    )


def totals_of(snapshots: Snapshots, table: LabelTable) -> Totals:
    """The totals of labels and of all the snapshots, labelled or not, that they are of."""
    return Totals(
        snapshots=len(snapshots),
        labels=len(table),
        late=int(table.still_open.sum()),
        first_as_of=int(snapshots.as_of.min(initial=NO_DAY)),
        first_due=int(snapshots.due_day.min(initial=NO_DAY)),
        last_due=int(snapshots.due_day.max(initial=-NO_DAY)),
        curve_logit=float(logit(table.curve).sum()),
    )


class _Here:
    """Labels in this process."""

    def __init__(self, rows: TrainingRows, cohorts: Cohorts) -> None:
        self.snapshots, self.feature_names = rows.snapshots, rows.snapshots.feature_names
        self.table = tabulated(rows, cohorts)

    def totals(self) -> Totals:
        return totals_of(self.snapshots, self.table)

    def sizes(self, day: int) -> tuple[int, int]:
        return int(self.table.before(day).sum()), int(self.table.since(day).sum())

    def grow(self, settings: Mapping[str, Any], *, before: int | None = None) -> str:
        table = self.table
        part = table if before is None else table.take(table.before(before))
        return grow(part, self.feature_names, settings)

    def window(self, text: str, *, since: int) -> Window:
        judged = self.table.take(self.table.since(since))
        return judged.window(raw_scores(text, judged.stacked))

    def features(self) -> Floats:
        return self.snapshots.features

    def some(self, count: int) -> LabelTable:
        return self.table.take(evenly(len(self.table), count))


def evenly(rows: int, count: int) -> Rows:
    """At most so many of so many rows, evenly apart."""
    return np.linspace(0, rows - 1, min(count, rows)).astype(np.int64)


def _check(totals: Totals) -> None:
    late, paid = totals.late, totals.labels - totals.late
    if totals.labels < LEAST_LABELS:
        raise NotEnoughHistory(
            f"training needs at least {LEAST_LABELS:,} matured labels, got: {totals.labels:,}; "
            f"{LEAST_LABELS - totals.labels:,} are missing: "
            f"a longer ledger or a later cut-off gives more",
            share=totals.labels / LEAST_LABELS,
        )
    if min(late, paid) < LEAST_OF_A_KIND:
        kind = "still open" if late < paid else "paid"
        raise NotEnoughHistory(
            f"training needs at least {LEAST_OF_A_KIND} labels of invoices {kind}, "
            f"got: {min(late, paid)}, {LEAST_OF_A_KIND - min(late, paid)} are missing; "
            "nothing can be learned from outcomes that are all alike"
        )
    if totals.first_due == totals.last_due:
        raise NotEnoughHistory(
            "training needs invoices due on different days, got: all due on "
            f"{np.datetime64(totals.first_due, 'D')}; nothing can be learned from rows all alike"
        )


def _weights(
    labels: Labels,
    totals: Totals,
    *,
    cut_off: int,
    seed: int,
    tuned: Mapping[str, float] | None,
) -> tuple[tuple[float, float], dict[str, Any]]:
    """The trees' weights in the blend, judged on the last window by trees that end before it."""
    days = blend.window_days(cut_off - totals.first_as_of)
    begin = cut_off - days
    before, judged = labels.sizes(begin)
    evidence: dict[str, Any] = {"window_days": int(days)}
    if before < LEAST_LABELS or judged < LEAST_OF_A_KIND:
        why = "too little history to judge the trees: the customer's curve answers"
        return (0.0, 0.0), {**evidence, "why": why}

    text = labels.grow(parameters(before, seed=seed, tuned=tuned), before=begin)
    weights, found = blend.weigh(labels.window(text, since=begin))
    return weights, {**evidence, **found}


def _medians(names: tuple[str, ...], features: Floats) -> dict[str, float | None]:
    """Each feature's median in training, None where it was never known."""
    usual = {}
    for at, name in enumerate(names):
        known = features[:, at]
        known = known[~np.isnan(known)]
        usual[name] = float(np.median(known)) if len(known) else None
    return usual


def _inputs(names: tuple[str, ...], features: Floats) -> dict[str, dict[str, Any]]:
    """How often each feature was missing in training, and whether it told snapshots apart."""
    told = {}
    for at, name in enumerate(names):
        known = features[:, at]
        known = known[~np.isnan(known)]
        most_common = np.unique(known, return_counts=True)[1].max(initial=0)
        told[name] = {
            "missing": round(1 - len(known) / max(len(features), 1), 4),
            "varies": bool(most_common < MOSTLY_VARIES * len(known)),
        }
    return told
