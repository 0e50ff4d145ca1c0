"""Fitting: trees on matured rows, and the weight that they have earned against the curve."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.cohorts import Cohorts
from models.late_payment import GOLDEN_ROWS, LatePaymentModel, Snapshots, stack
from models.time_ahead import TIME_FEATURES, logit

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

WEIGHTS = (0.0, 0.3, 0.5, 0.7, 1.0)
# The trees' usual weights, up to 30 days past due and from 90 on: they hold unless others do better
# by more than the noise (measured on real invoices: docs/decisions.md).
USUAL_WEIGHTS = (0.7, 0.3)
HALFWAY_DAYS = 60  # past due: which of the two weights a label judges
LEAST_LABELS = 2_000  # fewer say too little of five horizons
LEAST_OF_A_KIND = 50  # invoices seen late, and invoices seen paid
LEAST_JUDGED = 300  # labels of the last window under which a weight is not earned
SURE_ERRORS = 2.0  # standard errors that make a difference more than luck
LIKELY_ERRORS = 1.0  # that do where it has been seen on other ledgers, as the trees' gain has
SMALL = 50_000  # rows under which smaller trees do better
SELDOM_MISSING = 0.5  # the share up to which a feature counts as known in training
MOSTLY_VARIES = 0.95  # a value that so many snapshots share is the same by nature
_EDGE = 1e-6


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


def parameters(rows: int, *, seed: int, tuned: Mapping[str, float] | None = None) -> dict[str, Any]:
    """LightGBM's parameters: regularised hard, grown only with the data, unless tuned ones won."""
    small = rows < SMALL
    usual = {
        "objective": "binary",
        "num_iterations": 150 if small else 250,
        "learning_rate": 0.05,
        "num_leaves": 7 if small else 15,
        "max_depth": 6,  # keeps exact contributions cheap; no AUC is lost
        "min_data_in_leaf": 40 if small else 100,
        "lambda_l2": 20.0,
        "feature_fraction": 0.3 if small else 0.6,  # many features tell much the same
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    return {**usual, **(tuned or {})}


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
    _check(rows)
    stacked, curve = _stacked(rows, cohorts)
    weights, evidence = _choose_weights(
        rows, stacked, curve, cut_off=cut_off, seed=seed, tuned=tuned
    )
    text = _grow(
        stacked,
        rows.still_open,
        rows.snapshots.feature_names,
        weight=rows.weight,
        seed=seed,
        tuned=tuned,
    )
    model = LatePaymentModel(
        tree_text=text,
        weights=weights,
        curve_base=float(logit(curve).mean()),
        feature_names=rows.snapshots.feature_names,
        cohorts=cohorts,
        peers=peers,
        usual=_medians(rows.snapshots),
        facts={
            **(facts or {}),
            "cut_off": str(np.datetime64(cut_off, "D")),
            "seed": seed,
            "snapshots": len(rows.snapshots),
            "labels": len(rows.row),
            "parameters": parameters(len(rows.row), seed=seed, tuned=tuned),
            "tuned": dict(tuned or {}),
            "blend": evidence,
            "inputs": _inputs(rows.snapshots),
        },
    )
    pick = np.linspace(0, len(rows.row) - 1, min(GOLDEN_ROWS, len(rows.row))).astype(np.int64)
    return model.with_golden(rows.snapshots.take(rows.row[pick]), rows.days_ahead[pick])


def _check(rows: TrainingRows) -> None:
    late, paid = int(rows.still_open.sum()), int((~rows.still_open).sum())
    if len(rows.row) < LEAST_LABELS:
        raise NotEnoughHistory(
            f"training needs at least {LEAST_LABELS:,} matured labels, got: {len(rows.row):,}; "
            f"{LEAST_LABELS - len(rows.row):,} are missing: "
            f"a longer ledger or a later cut-off gives more",
            share=len(rows.row) / LEAST_LABELS,
        )
    if min(late, paid) < LEAST_OF_A_KIND:
        kind = "still open" if late < paid else "paid"
        raise NotEnoughHistory(
            f"training needs at least {LEAST_OF_A_KIND} labels of invoices {kind}, "
            f"got: {min(late, paid)}, {LEAST_OF_A_KIND - min(late, paid)} are missing; "
            "nothing can be learned from outcomes that are all alike"
        )
    due = rows.snapshots.due_day
    if due.min() == due.max():
        raise NotEnoughHistory(
            "training needs invoices due on different days, got: all due on "
            f"{np.datetime64(int(due[0]), 'D')}; nothing can be learned from rows all alike"
        )


def _stacked(rows: TrainingRows, cohorts: Cohorts) -> tuple[npt.NDArray[np.float32], Floats]:
    """The trees' input in float32, as LightGBM bins it, and the curve beside it."""
    n, p = len(rows.row), len(rows.snapshots.feature_names) + len(TIME_FEATURES)
    stacked, curve = np.empty((n, p), np.float32), np.empty(n)
    for begin in range(0, n, 1 << 16):
        part = slice(begin, begin + (1 << 16))
        taken = rows.snapshots.take(rows.row[part])
        wide, of_customer = stack(cohorts, taken, rows.days_ahead[part][:, None])
        stacked[part], curve[part] = wide, of_customer[:, 0]
    return stacked, curve


def _grow(
    stacked: npt.NDArray[np.float32],
    still_open: npt.NDArray[np.bool_],
    feature_names: tuple[str, ...],
    *,
    weight: Floats | None = None,
    seed: int,
    tuned: Mapping[str, float] | None = None,
) -> str:
    """LightGBM's text of the trees."""
    # Threads that spin while they wait make training four times slower on a machine that has
    # other work to do; LightGBM's runtime reads this once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import lightgbm as lgb

    settings = parameters(len(stacked), seed=seed, tuned=tuned)
    settings["monotone_constraints"] = [0] * len(feature_names) + list(TIME_FEATURES.values())
    data = lgb.Dataset(
        stacked,
        still_open.astype(np.float32),
        weight=weight,
        feature_name=[*feature_names, *TIME_FEATURES],
        params={"verbosity": -1},
    )
    rounds = settings.pop("num_iterations")
    return str(lgb.train(settings, data, num_boost_round=rounds).model_to_string())


def _choose_weights(
    rows: TrainingRows,
    stacked: npt.NDArray[np.float32],
    curve: Floats,
    *,
    cut_off: int,
    seed: int,
    tuned: Mapping[str, float] | None,
) -> tuple[tuple[float, float], dict[str, Any]]:
    """The trees' weights in the blend, judged on the last window by trees that end before it."""
    from models.trees import parse
    from models.treeshap import TabulatedTrees

    span = cut_off - int(rows.snapshots.as_of.min())
    window = min(90, max(span // 4, 1))
    before = rows.target_day < cut_off - window
    judged = rows.snapshots.as_of[rows.row] >= cut_off - window
    evidence: dict[str, Any] = {"window_days": int(window)}
    if before.sum() < LEAST_LABELS or judged.sum() < LEAST_OF_A_KIND:
        why = "too little history to judge the trees: the customer's curve answers"
        return (0.0, 0.0), {**evidence, "why": why}

    text = _grow(
        stacked[before],
        rows.still_open[before],
        rows.snapshots.feature_names,
        weight=None if rows.weight is None else rows.weight[before],
        seed=seed,
        tuned=tuned,
    )
    raw = TabulatedTrees(parse(text)).predict(stacked[judged])
    own, late = logit(curve[judged]), rows.still_open[judged]
    everybody = stacked[judged, stacked.shape[1] - 1].astype(np.float64)  # the cohort's logit
    customer = rows.customer[rows.row[judged]]
    past_due = (rows.target_day - rows.snapshots.due_day[rows.row])[judged]

    chosen = []
    parts = (("near", past_due < HALFWAY_DAYS), ("far", past_due >= HALFWAY_DAYS))
    for (name, part), usual in zip(parts, USUAL_WEIGHTS, strict=True):
        surprise = {w: _surprise((w * raw + (1 - w) * own)[part], late[part]) for w in WEIGHTS}
        cohort = _surprise(everybody[part], late[part])
        weight = _earned(surprise, customer[part], usual=usual, cohort=cohort)
        chosen.append(weight)
        evidence[name] = {
            "labels": int(part.sum()),
            "log_loss": {str(w): float(s.mean()) if len(s) else None for w, s in surprise.items()},
            "cohort_log_loss": float(cohort.mean()) if len(cohort) else None,
            "weight": weight,
            "why": f"the trees earn a weight of {weight}"
            if weight
            else "the trees do not beat the customer's curve and its cohort's: the former answers",
        }
    return (chosen[0], chosen[1]), evidence


def _earned(
    surprise: Mapping[float, Floats],
    customer: npt.NDArray[np.int32],
    *,
    usual: float,
    cohort: Floats,
) -> float:
    """The weight that the labels of a window give.

    Another weight than the usual one must win by more than two paired standard errors over
    customers. Any weight must win so against the cohort's curve, or the customer's curve answers:
    where customers do not differ, trees that only learn this gain on the latter and know nothing.
    Against the customer's curve itself one standard error is enough: small ledgers show no more.
    """
    if len(customer) < LEAST_JUDGED:
        return 0.0
    weight = min(WEIGHTS, key=lambda w: float(surprise[w].mean()))
    if not _beats(surprise[weight], surprise[usual], customer):
        weight = usual
    ours, own = surprise[weight], surprise[0.0]
    earned = _beats(ours, cohort, customer) and _beats(ours, own, customer, errors=LIKELY_ERRORS)
    return weight if earned else 0.0


def _surprise(odds: Floats, late: npt.NDArray[np.bool_]) -> Floats:
    p = np.clip(1 / (1 + np.exp(-odds)), _EDGE, 1 - _EDGE)
    return -np.where(late, np.log(p), np.log1p(-p))


def _beats(
    ours: Floats,
    theirs: Floats,
    customer: npt.NDArray[np.int32],
    *,
    errors: float = SURE_ERRORS,
) -> bool:
    """Whether our mean is surely lower, customers being independent of each other."""
    gain = theirs - ours
    by_customer = np.bincount(customer, weights=gain - gain.mean())
    error = float(np.sqrt((by_customer**2).sum())) / len(gain)
    return bool(gain.mean() > errors * error)


def _medians(snapshots: Snapshots) -> dict[str, float | None]:
    """Each feature's median in training, None where it was never known."""
    usual = {}
    for at, name in enumerate(snapshots.feature_names):
        known = snapshots.features[:, at]
        known = known[~np.isnan(known)]
        usual[name] = float(np.median(known)) if len(known) else None
    return usual


def _inputs(snapshots: Snapshots) -> dict[str, dict[str, Any]]:
    """How often each feature was missing in training, and whether it told snapshots apart."""
    told = {}
    for at, name in enumerate(snapshots.feature_names):
        known = snapshots.features[:, at]
        known = known[~np.isnan(known)]
        most_common = np.unique(known, return_counts=True)[1].max(initial=0)
        told[name] = {
            "missing": round(1 - len(known) / max(len(snapshots), 1), 4),
            "varies": bool(most_common < MOSTLY_VARIES * len(known)),
        }
    return told
