"""LatePaymentModel: the probability that an invoice is still open, any number of days ahead.

One LightGBM model of stacked landmarks (van Houwelingen, Scandinavian Journal of Statistics 34,
2007): a row is an invoice, a day on which it was open and a number of days ahead; its label,
whether it was still open then. It is averaged on the logit scale with the customer's own survival
curve, by weights chosen on the last matured window. It assumes that rows are drawn without a look
at how they end; drawn by a share of each invoice's life they would favour the quickly paid.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from models import trees
from models.cohorts import Cohorts
from models.customer_curve import PaymentRecords, survival
from models.horizons import ALL_HORIZONS_DAYS
from models.time_ahead import TIME_FEATURES, WorkingDays, columns, logit
from models.treeshap import TabulatedTrees

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Stacked = npt.NDArray[np.float32]

GOLDEN_ROWS = 200
GOLDEN_TOLERANCE = 1e-9
NEAR_DAYS, FAR_DAYS = 30, 90  # past due: between them the trees' weight goes from near to far
USUAL_DAYS_PAST_DUE = 30  # the day that most explanations are about; their base is its
CURVES = ("customer_curve", "cohort_curve")  # what an explanation has beside the trees' columns
BLOCK = 4096  # snapshots predicted together: their stacked rows stay small


@dataclass(frozen=True)
class Snapshots:
    """Open invoices, each as of its own day: all that the model may look at."""

    features: Floats  # (n, p), NaN where missing
    feature_names: tuple[str, ...]
    as_of: Days
    due_day: Days  # rolled to a business day: lateness counts from here
    records: PaymentRecords
    recent: tuple[Rows, Rows]  # the customer's rows in `records`
    cohort_names: Sequence[str]
    cohort: Rows  # the invoice's name in cohort_names
    calendar: Days
    working_days: WorkingDays
    weekday_share: Floats  # (n, 7): on which weekdays the customer pays

    def __len__(self) -> int:
        return len(self.as_of)

    def take(self, rows: Rows | slice) -> "Snapshots":
        """Some of the snapshots, in this order."""
        return Snapshots(
            self.features[rows],
            self.feature_names,
            self.as_of[rows],
            self.due_day[rows],
            self.records,
            (self.recent[0][rows], self.recent[1][rows]),
            self.cohort_names,
            self.cohort[rows],
            self.calendar[rows],
            self.working_days,
            self.weekday_share[rows],
        )


@dataclass(frozen=True)
class Explanation:
    """Contributions to the log-odds of one probability for each snapshot.

    `base + contributions.sum(axis=1)` is the logit of `probability`; columns are `names`.
    """

    names: tuple[str, ...]
    base: float
    contributions: Floats
    probability: Floats
    record_share: Floats  # of what the curve says, how much is the customer's rather than its age's


@dataclass(frozen=True)
class LatePaymentModel:
    """The fitted model: trees, cohorts, the blend, what it was made of. Files only, no pickle."""

    tree_text: str
    weights: tuple[float, float]  # of the trees, up to 30 days past due and from 90 on
    curve_base: float  # mean logit of the curve in training, where its contribution counts from
    feature_names: tuple[str, ...]
    cohorts: Cohorts
    peers: pa.Table  # pipelines.features.peers keeps its table with the model
    usual: Mapping[str, float | None]  # medians in training: what a value is compared with
    facts: Mapping[str, Any] = field(default_factory=dict)
    golden: pa.Table | None = None

    @cached_property
    def trees(self) -> TabulatedTrees:
        return TabulatedTrees(trees.parse(self.tree_text))

    def predict_curve(self, snapshots: Snapshots, days_ahead: Days) -> Floats:
        """P(still open at the end of day as_of + k): (n, m), never rising along a row.

        `days_ahead` is (n, m) with each row rising; negative days, already past, give 1.
        """
        out = np.empty(days_ahead.shape)
        for begin in range(0, len(snapshots), BLOCK):
            asked = snapshots.take(slice(begin, begin + BLOCK)), days_ahead[begin : begin + BLOCK]
            then, curve = time_ahead(self.cohorts, *asked)
            raw = self.trees.predict_each(asked[0].features.astype(np.float32), then)
            weight = trees_weight(self.weights, _past_due(*asked))
            out[begin : begin + BLOCK] = _blend(raw, curve, weight)
        out[days_ahead < 0] = 1.0
        return np.minimum.accumulate(out, axis=1)

    def explain(self, snapshots: Snapshots, days_ahead: Days) -> Explanation:
        """Why each probability at its own number of days ahead (n,) is what it is."""
        names = (*self.feature_names, *TIME_FEATURES, *CURVES)
        contributions = np.empty((len(snapshots), len(names)))
        probability, record_share = np.empty(len(snapshots)), np.empty(len(snapshots))
        usual = float(trees_weight(self.weights, np.array(USUAL_DAYS_PAST_DUE)))
        base = usual * self.trees.base + (1 - usual) * self.curve_base
        for begin in range(0, len(snapshots), BLOCK):
            part = slice(begin, begin + BLOCK)
            asked = snapshots.take(part), days_ahead[part][:, None]
            stacked, curve = self.stack(*asked)
            weight = trees_weight(self.weights, _past_due(*asked))
            of_trees, raw = self.trees.explain(stacked)
            contributions[part, : -len(CURVES)] = weight * of_trees
            of_curves = self._of_curves(stacked, curve)
            contributions[part, -len(CURVES) :] = (1 - weight) * of_curves
            record_share[part] = _first_share(np.abs(of_curves))
            # another day's blend starts elsewhere: that is the day's doing
            start = (weight - usual)[:, 0] * (self.trees.base - self.curve_base)
            contributions[part, names.index("days_past_due_then")] += start
            probability[part] = _blend(raw[:, None], curve, weight)[:, 0]
        return Explanation(names, base, contributions, probability, record_share)

    def _of_curves(self, stacked: Stacked, curve: Floats) -> Floats:
        """What the customer's curve adds to the log-odds: by its own record, and by its cohort's.

        (n, 2), adding up to the curve's logit less its mean in training.
        """
        own, cohort = logit(curve)[:, 0], stacked[:, -1].astype(np.float64)
        return np.column_stack([own - cohort, cohort - self.curve_base])

    def customer_curve(self, snapshots: Snapshots, days_ahead: Days) -> Floats:
        """The baseline: the customer's own shrunken survival curve alone, (n, m)."""
        return curves(self.cohorts, snapshots, days_ahead)[0]

    def stack(self, snapshots: Snapshots, days_ahead: Days) -> tuple[Stacked, Floats]:
        """The trees' input, one row for each snapshot and day ahead, and the curve (n, m)."""
        return stack(self.cohorts, snapshots, days_ahead)

    def check_golden(self) -> None:
        """Raises ValueError unless the golden rows still get the probabilities of their day."""
        if self.golden is None:
            raise ValueError("golden.parquet holds no rows to check the model by")
        stacked = np.column_stack([c.to_numpy() for c in self.golden.columns[:-2]])
        curve, expected = (self.golden[n].to_numpy() for n in ("curve", "probability"))
        past_due = self.golden["days_past_due_then"].to_numpy().astype(np.float64)
        weight = trees_weight(self.weights, past_due)
        got = _blend(self.trees.predict(stacked), curve, weight)
        worst = float(np.max(np.abs(got - expected), initial=0.0))
        if not worst <= GOLDEN_TOLERANCE:
            raise ValueError(
                f"golden rows must agree within {GOLDEN_TOLERANCE}, got: {worst:.3g} apart"
            )

    def with_golden(self, snapshots: Snapshots, days_ahead: Days) -> "LatePaymentModel":
        """The same model with its answers for these snapshots written down."""
        stacked, curve = self.stack(snapshots, days_ahead[:, None])
        past_due = _past_due(snapshots, days_ahead[:, None])
        return self.with_golden_rows(stacked, curve[:, 0], past_due[:, 0])

    def with_golden_rows(
        self, stacked: Stacked, curve: Floats, days_past_due: Days
    ) -> "LatePaymentModel":
        """`with_golden`, of rows that are stacked already."""
        weight = trees_weight(self.weights, days_past_due)
        names = (*self.feature_names, *TIME_FEATURES)
        golden = pa.table(
            {
                **{name: stacked[:, at] for at, name in enumerate(names)},
                "curve": curve,
                "probability": _blend(self.trees.predict(stacked), curve, weight),
            }
        )
        return LatePaymentModel(
            **{name: getattr(self, name) for name in self.__dataclass_fields__ if name != "golden"},
            golden=golden,
        )

    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""
        about = {
            "feature_names": list(self.feature_names),
            "time_features": list(TIME_FEATURES),
            "horizons_days": list(ALL_HORIZONS_DAYS),
            "weights": list(self.weights),
            "curve_base": self.curve_base,
            "usual": dict(self.usual),
            "facts": dict(self.facts),
        }
        (folder / "model.txt").write_text(self.tree_text, encoding="utf-8")
        text = json.dumps(about, indent=1, sort_keys=True, allow_nan=False)
        (folder / "model.json").write_text(text + "\n", encoding="utf-8")
        self.cohorts.save(folder / "cohorts.parquet")
        pq.write_table(self.peers, folder / "peers.parquet", compression="zstd")
        if self.golden is not None:
            pq.write_table(self.golden, folder / "golden.parquet", compression="zstd")

    @classmethod
    def load(cls, folder: Path) -> "LatePaymentModel":
        """The model that `save` wrote.

        Raises ValueError where its parts do not belong together.
        """
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if about["time_features"] != list(TIME_FEATURES):
            raise ValueError(
                f"model.json: time_features must be {list(TIME_FEATURES)}, "
                f"got: {about['time_features']}"
            )
        golden = folder / "golden.parquet"
        model = cls(
            tree_text=(folder / "model.txt").read_text(encoding="utf-8"),
            weights=(float(about["weights"][0]), float(about["weights"][1])),
            curve_base=float(about["curve_base"]),
            feature_names=tuple(about["feature_names"]),
            cohorts=Cohorts.load(folder / "cohorts.parquet"),
            peers=pq.read_table(folder / "peers.parquet"),
            usual=about["usual"],
            facts=about["facts"],
            golden=pq.read_table(golden) if golden.exists() else None,
        )
        if model.trees.feature_names != (*model.feature_names, *TIME_FEATURES):
            raise ValueError("model.txt: its features are not those of model.json, in this order")
        return model


def trees_weight(weights: tuple[float, float], days_past_due: npt.ArrayLike) -> Floats:
    """The trees' weight in the blend for a day so far past due: it goes from one to the other.

    The further past due, the fewer labels the trees have seen, and the more the curve knows.
    """
    near, far = weights
    beyond = np.asarray(days_past_due, np.float64) - NEAR_DAYS
    share = np.clip(beyond / (FAR_DAYS - NEAR_DAYS), 0.0, 1.0)
    return near + (far - near) * share


def _past_due(snapshots: Snapshots, days_ahead: Days) -> npt.NDArray[np.int32]:
    """How far past due each asked day is: (n, m)."""
    past_due: npt.NDArray[np.int32] = (snapshots.as_of - snapshots.due_day)[:, None] + days_ahead
    return past_due


def _first_share(sizes: Floats) -> Floats:
    """How much of two sizes is the first one's: (n,); all of it where both are nothing."""
    total = sizes[:, 0] + sizes[:, 1]
    return np.divide(sizes[:, 0], total, out=np.ones(len(total)), where=total > 0)


def _blend(raw: Floats, curve: Floats, weight: Floats) -> Floats:
    """The probability whose logit is the trees' and the curve's, averaged."""
    odds = weight * raw + (1 - weight) * logit(curve)
    return 1.0 / (1.0 + np.exp(-odds))


def curves(cohorts: Cohorts, snapshots: Snapshots, days_ahead: Days) -> tuple[Floats, Floats]:
    """The customer's curve and its cohort's: two (n, m) of P(still open at as_of + k)."""
    begin, end = snapshots.recent
    rows = cohorts.rows(snapshots.cohort_names, snapshots.cohort, snapshots.as_of)

    def curve(recent: tuple[Rows, Rows]) -> Floats:
        return survival(
            snapshots.records,
            recent,
            as_of=snapshots.as_of,
            due_day=snapshots.due_day,
            days_ahead=days_ahead,
            hazards=cohorts.table,
            cohort=rows,
            observed_from=cohorts.observed_from,
        )

    return curve((begin, end)), curve((end, end))


def time_ahead(cohorts: Cohorts, snapshots: Snapshots, days_ahead: Days) -> tuple[Stacked, Floats]:
    """What the trees read of each day ahead, (n, m, time), and the customer's curve (n, m).

    In float32, as they were grown: a value must not fall on the other side of a threshold.
    """
    curve, cohort = curves(cohorts, snapshots, days_ahead)
    ahead = columns(
        as_of=snapshots.as_of,
        due_day=snapshots.due_day,
        days_ahead=np.maximum(days_ahead, 0),
        calendar=snapshots.calendar,
        working_days=snapshots.working_days,
        weekday_share=snapshots.weekday_share,
        gap_days=snapshots.features[:, snapshots.feature_names.index("gap_mean_365")],
        curve=curve,
        cohort=cohort,
    )
    return ahead.astype(np.float32), curve


def stack(cohorts: Cohorts, snapshots: Snapshots, days_ahead: Days) -> tuple[Stacked, Floats]:
    """What the trees read, (n * m, p + time), and the customer's curve (n, m)."""
    then, curve = time_ahead(cohorts, snapshots, days_ahead)
    n, m = days_ahead.shape
    features = np.repeat(snapshots.features.astype(np.float32), m, axis=0)
    return np.concatenate([features, then.reshape(n * m, -1)], axis=1), curve
