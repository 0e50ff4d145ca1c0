"""The model as scikit-learn's users know it: rows X and labels y, fit, predict_proba, clone.

    ledger = sources.read("exports/").ledger
    X, y = training_questions(ledger, cut_off="2026-07-01")
    model = LatePaymentClassifier(ledger, cut_off="2026-07-01").fit(X, y)
    model.predict_proba(X)[:, 1]

A row of X is a question: is this invoice, looked at on this day, still open so many days after it
fell due? What is known of it is taken from the ledger as of the row's own day, so that rows may be
split, shuffled and cross-validated without a look at the future. All is worked out where it is for
training and scoring: the same questions make the same trees, and get the bits that every door does.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from models import outlook
from models.fitting import fit as fit_model
from models.late_payment import LatePaymentModel, Snapshots
from pipelines import backtest, dataset, features, landmarks
from pipelines.as_of import Node
from pipelines.dataset import Questions
from pipelines.features import Peers
from pipelines.job import day_number
from pipelines.ledger import Ledger, rows_of

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Day = str | date | int

COLUMNS = ("invoice_id", "as_of", "horizon_days")
SHOWN = 3  # rows that a refusal names


def training_questions(
    ledger: Ledger, *, cut_off: Day, seed: int = 0
) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """X and y: landmark snapshots with every answer that had matured before the cut-off.

    X has the columns invoice_id, as_of and horizon_days (days after the business due date); y is 1
    where the invoice was still open at the end of that day. Raises NotEnoughHistory.
    """
    day = day_of(cut_off)
    prepared = landmarks.prepare(ledger.known_before(day))
    asked = dataset.questions(prepared, cut_off=day, seed=seed)
    invoice, as_of = asked.invoice[asked.row], asked.as_of[asked.row]
    ids = prepared.ledger.invoices["invoice_id"].combine_chunks().take(pa.array(invoice))
    X = pd.DataFrame(
        {
            "invoice_id": ids.to_numpy(zero_copy_only=False),
            "as_of": as_of.astype("datetime64[D]").astype("datetime64[s]"),
            "horizon_days": as_of + asked.days_ahead - prepared.settlement.due_day[invoice],
        }
    )
    return X, asked.still_open.astype(np.int64)


class LatePaymentClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The late-payment model: P(still open `horizon_days` after the due date), class 1.

    Rows of one customer are not independent: split by customer (`GroupKFold`) or by `as_of`. Of
    training only what was known before `cut_off` is seen; None: the last day that X asks about.
    """

    model_: LatePaymentModel

    def __init__(
        self,
        ledger: Ledger | None = None,
        *,
        cut_off: Day | None = None,
        random_state: int = 0,
        tuned: Mapping[str, float] | None = None,
        looking_at: Collection[str] | None = None,
    ) -> None:
        self.ledger = ledger
        self.cut_off = cut_off
        self.random_state = random_state
        self.tuned = tuned
        self.looking_at = looking_at

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:
        """Learn from questions and their answers; raises ValueError, or NotEnoughHistory."""
        ledger = _given(self.ledger)
        asked = _read(X)
        still_open = _labels(y, len(asked))
        prepared = landmarks.prepare(ledger)
        target = asked.target(prepared)
        cut_off = int(target.max()) + 1 if self.cut_off is None else day_of(self.cut_off)
        prepared = landmarks.prepare(ledger.known_before(cut_off))
        invoice, as_of, row = asked.snapshots(prepared)
        days_ahead = (asked.target(prepared) - asked.as_of).astype(np.int32)
        _refuse(asked, days_ahead < 0, "is asked about a day before its as_of")
        _refuse(asked, target >= cut_off, "is asked about a day that is not over at the cut-off")
        _require_open(asked, prepared)
        peers = Peers.build(prepared.ledger, prepared.settlement, known_until=cut_off)
        questions = Questions(invoice, as_of, row, days_ahead, still_open == 1)
        rows = dataset.answered(prepared, questions, peers=peers)
        self.model_ = fit_model(
            backtest.narrowed(rows, self.looking_at),
            cohorts=dataset.learn_cohorts(prepared, cut_off=cut_off),
            peers=peers.as_columns(),
            cut_off=cut_off,
            seed=self.random_state,
            tuned=self.tuned,
            facts={"feature_book": features.fingerprint()},
        )
        self.classes_ = np.array([0, 1])
        self.feature_names_in_ = np.array(COLUMNS, object)
        self.n_features_in_ = len(COLUMNS)
        return self

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """(n, 2): the probability of being paid by then, and of being still open."""
        check_is_fitted(self, "model_")
        asked = _read(X)
        prepared, taken, row = _taken(
            _given(self.ledger), asked, Peers.from_columns(self.model_.peers)
        )
        taken = backtest.with_features(taken, self.model_.feature_names)
        ahead = (asked.target(prepared) - asked.as_of).astype(np.int32)
        # asked beside the days that every door asks about: the curve never rises along them
        grid = [outlook.questions(taken.as_of, taken.due_day), _side_by_side(ahead, row)]
        days = np.sort(np.concatenate(grid, axis=1), axis=1).astype(np.int32)
        curve = self.model_.predict_curve(taken, days)
        late = curve[row, (days[row] < ahead[:, None]).sum(axis=1)]
        return np.column_stack([1 - late, late])

    def predict(self, X: pd.DataFrame) -> npt.NDArray[np.int64]:
        """1 where it is the likelier that the invoice is still open."""
        late: npt.NDArray[np.int64] = (self.predict_proba(X)[:, 1] > 0.5).astype(np.int64)
        return late

    def __sklearn_tags__(self) -> Tags:
        return _names_not_numbers(super().__sklearn_tags__())


class LedgerFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The feature book as a transformer: questions in, one column for each feature out.

    For a model of one's own behind it, or to try features that are not in the book: `more` holds
    expressions over the streams (`pipelines.streams`) by name. A row sees what was known before its
    own day; the peers' rates are those of the last day that `fit` was shown. `horizon_days` comes
    last.
    """

    peers_: Peers

    def __init__(
        self, ledger: Ledger | None = None, *, more: Mapping[str, Node] | None = None
    ) -> None:
        self.ledger = ledger
        self.more = more

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike | None = None) -> Self:
        """Learn the peers' rates, as known on the latest day of X."""
        ledger, asked = _given(self.ledger), _read(X)
        last = int(asked.as_of.max())
        prepared = landmarks.prepare(ledger.known_before(last))
        self.peers_ = Peers.build(prepared.ledger, prepared.settlement, known_until=last)
        self.feature_names_in_ = np.array(COLUMNS, object)
        self.n_features_in_ = len(COLUMNS)
        return self

    def transform(self, X: pd.DataFrame) -> Floats:
        """(n, features): NaN where something is not known."""
        check_is_fitted(self, "peers_")
        asked = _read(X)
        prepared, taken, row = _taken(_given(self.ledger), asked, self.peers_)
        columns: list[Floats] = [
            taken.features[row],
            asked.horizon_days[:, None].astype(np.float64),
        ]
        if self.more:
            invoice, as_of, _ = asked.snapshots(prepared)
            own = np.empty((len(invoice), len(self.more)), order="F")
            nodes = list(self.more.values())
            features.fill_with(own, nodes, prepared.streams, invoice, as_of, self.peers_)
            columns.insert(1, own[row])
        return np.concatenate(columns, axis=1)

    def get_feature_names_out(self, input_features: npt.ArrayLike | None = None) -> Any:
        return np.array([*features.BOOK, *(self.more or ()), COLUMNS[2]], object)

    def __sklearn_tags__(self) -> Tags:
        return _names_not_numbers(super().__sklearn_tags__())


def day_of(day: Day) -> int:
    """Days since 1970-01-01 of a date, of its ISO text, or of such a number."""
    if isinstance(day, int | np.integer):
        return int(day)
    if isinstance(day, str):
        day = date.fromisoformat(day)
    return day_number(day.date() if isinstance(day, datetime) else day)


@dataclass(frozen=True)
class _Asked:
    """The rows of X, read."""

    invoice_ids: pa.Array
    as_of: Days
    horizon_days: Days

    def __len__(self) -> int:
        return len(self.as_of)

    def invoices(self, prepared: landmarks.Prepared) -> Rows:
        """The ledger's row of each; raises ValueError where it has none."""
        rows: Rows = rows_of(self.invoice_ids, among=prepared.ledger.invoices["invoice_id"])
        _refuse(self, rows < 0, "is not in the ledger, or was not known before the cut-off")
        return rows

    def target(self, prepared: landmarks.Prepared) -> Days:
        """The day that each asks about."""
        days: Days = prepared.settlement.due_day[self.invoices(prepared)] + self.horizon_days
        return days

    def snapshots(self, prepared: landmarks.Prepared) -> tuple[Rows, Days, Rows]:
        """The different (invoice, day) pairs in the order of their first rows, and each row's."""
        invoice = self.invoices(prepared)
        pairs = np.column_stack([invoice, self.as_of.astype(np.int64)])
        _, first, which = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
        place = np.empty(len(first), np.int64)
        place[np.argsort(first)] = np.arange(len(first))
        first = np.sort(first)
        return invoice[first], self.as_of[first], place[which.ravel()]


def _taken(
    ledger: Ledger, asked: _Asked, peers: Peers
) -> tuple[landmarks.Prepared, Snapshots, Rows]:
    """The snapshots of what is asked, and each row's place among them."""
    prepared = landmarks.prepare(ledger)  # each row looks through the window of its own day
    invoice, as_of, row = asked.snapshots(prepared)
    _require_open(asked, prepared)
    return prepared, landmarks.take(prepared, invoice, as_of, peers=peers), row


def _side_by_side(ahead: Days, row: Rows) -> npt.NDArray[np.int32]:
    """All that is asked of each snapshot in a row of its own, its first question filling it up."""
    order = np.argsort(row, kind="stable")
    begin = np.flatnonzero(np.diff(row[order], prepend=-1))
    each = np.diff(np.append(begin, len(row)))
    wide = np.repeat(ahead[order][begin][:, None], each.max(), axis=1)
    wide[row[order], np.arange(len(row)) - np.repeat(begin, each)] = ahead[order]
    return wide


def _require_open(asked: _Asked, prepared: landmarks.Prepared) -> None:
    settlement, invoice = prepared.settlement, asked.invoices(prepared)
    is_open = settlement.settled_known_day[invoice] >= asked.as_of
    is_open &= settlement.issue_day[invoice] <= asked.as_of
    _refuse(asked, ~is_open, "was not open on its as_of")


def _given(ledger: Ledger | None) -> Ledger:
    if ledger is None:
        raise ValueError("ledger must be given: sources.read(PATH).ledger, got: None")
    return ledger


def _read(X: Any) -> _Asked:
    """The columns of a frame, or of an array of three; raises ValueError with what is wrong."""
    if not isinstance(X, pd.DataFrame):
        given = np.asarray(X, object)
        if given.ndim != 2 or given.shape[1] != len(COLUMNS):
            raise ValueError(f"X must have the columns {', '.join(COLUMNS)}, got: {given.shape}")
        X = pd.DataFrame(dict(zip(COLUMNS, given.T, strict=True)))
    if lacking := [name for name in COLUMNS if name not in X.columns]:
        raise ValueError(f"X must have the columns {', '.join(COLUMNS)}, lacking: {lacking}")
    if not len(X):
        raise ValueError("X must have rows, got: none")
    days, horizons = _days(X["as_of"]), pd.to_numeric(X["horizon_days"])
    _refuse_cells("as_of", "a day", X["as_of"], days.isna())
    _refuse_cells("horizon_days", "whole days", X["horizon_days"], ~(horizons % 1 == 0))
    return _Asked(
        pa.array(X["invoice_id"].astype(str).to_list()),
        days.to_numpy().astype("datetime64[D]").astype(np.int32),
        horizons.to_numpy().astype(np.int32),
    )


def _days(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Days as `day_of` reads them; of a moment with a zone the day that it is there."""
    given = column.infer_objects()
    if pd.api.types.is_integer_dtype(given):
        return pd.to_datetime(given, unit="D")
    days = pd.to_datetime(given)
    return days if days.dt.tz is None else days.dt.tz_localize(None)


def _refuse_cells(
    name: str, expected: str, column: "pd.Series[Any]", bad: "pd.Series[bool]"
) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        named = ", ".join(f"row {r}: {column.iloc[r]}" for r in rows[:SHOWN].tolist())
        raise ValueError(f"{name} must be {expected}, got: {named}; {len(rows)} rows in all")


def _labels(y: npt.ArrayLike, rows: int) -> npt.NDArray[np.int64]:
    labels = np.asarray(y)
    if labels.shape != (rows,):
        raise ValueError(f"y must have one label for each of {rows} rows, got: {labels.shape}")
    if odd := sorted(
        {str(v) for v in np.unique(labels)} - {"0", "1", "0.0", "1.0", "True", "False"}
    ):
        raise ValueError(f"y must be 1 (still open) or 0, got: {', '.join(odd[:SHOWN])}")
    return labels.astype(np.int64)


def _refuse(asked: _Asked, bad: npt.NDArray[np.bool_], why: str) -> None:
    if not bad.any():
        return
    rows = np.flatnonzero(bad)
    named = ", ".join(
        f"row {r}: {asked.invoice_ids[r].as_py()} as of {np.datetime64(int(asked.as_of[r]), 'D')}"
        for r in rows[:SHOWN].tolist()
    )
    raise ValueError(f"invoice {why}: {named}; {len(rows)} rows in all")


def _names_not_numbers(tags: Tags) -> Tags:
    """What scikit-learn's own checks feed, arrays of random numbers, names no invoice."""
    tags.input_tags.two_d_array = False
    tags.input_tags.string = True
    tags.no_validation = True
    return tags
