"""Local fidelity: what a reason says is what the model does when its evidence is taken away."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import reasons
from models.late_payment import Snapshots
from models.time_ahead import TIME_FEATURES
from pipelines import synthetic
from pipelines.explaining import cause_of, explained_horizon, with_record
from pipelines.features import BOOK
from pipelines.ledger import rows_of
from pipelines.scoring import score
from tests.trained import Trained, small

FROM_POINTS = 0.05
ENOUGH = 0.95
ANY_WEEKDAY = [0.2] * 5 + [0.0, 0.0]


@dataclass(frozen=True)
class Told:
    """Served answers whose first reason, the day itself aside, has over five points."""

    snapshots: Snapshots
    ahead: np.ndarray
    probability: np.ndarray
    cause: np.ndarray
    points: np.ndarray


@cache
def strangers() -> Trained:
    """The same model, asked about an invented company whose customers it has never seen."""
    return replace(small(), ledger=synthetic.generate(customers=40, months=18, seed=11)[0])


@cache
def served() -> Told:
    return served_of(small())


@cache
def served_to_strangers() -> Told:
    return served_of(strangers(), every_days=12)


def served_of(trained: Trained, *, every_days: int = 30) -> Told:
    """Of all invoices open on some days of a year: evidence can be taken away, today cannot."""
    row, day, cause, points, probability = [], [], [], [], []
    for as_of in range(trained.as_of - 360, trained.as_of + 1, every_days):
        for answer in score(trained.ledger, as_of, trained.bundle).to_pylist():
            evidence = [r for r in answer["reasons"][:-1] if r["feature_group"] != "time"]
            if evidence and abs(evidence[0]["points"]) > FROM_POINTS:
                row.append(answer["invoice_id"])
                day.append(as_of)
                cause.append(evidence[0]["feature_group"])
                points.append(evidence[0]["points"])
                probability.append(answer[answer["reasons_for"]])
    ids = trained.ledger.invoices["invoice_id"]
    taken = trained.take(rows_of(pa.array(row), among=ids), day)
    age = taken.as_of - taken.due_day
    ahead = np.maximum(explained_horizon(age) - age, 0).astype(np.int32)
    return Told(taken, ahead, np.array(probability), np.array(cause), np.array(points))


@cache
def on_the_due_date() -> Told:
    """Of invoices not yet due, asked about their due date: there, reasons go both ways."""
    some = small().some(6000, seed=3)
    some = some.take(np.flatnonzero(some.as_of < some.due_day))
    ahead = (some.due_day - some.as_of).astype(np.int32)
    why = small().model.explain(some, ahead)
    grouped = reasons.by_cause(with_record(why), [cause_of(name) for name in why.names])
    p = small().model.predict_curve(some, ahead[:, None])[:, 0]
    _, points = reasons.points(why.base, grouped.contributions, p)
    points[:, grouped.causes.index("time")] = 0
    first = np.abs(points).argmax(axis=1)
    of_first = points[np.arange(len(points)), first]
    rows = np.flatnonzero(np.abs(of_first) > FROM_POINTS)
    cause = np.array(grouped.causes)[first]
    return Told(some.take(rows), ahead[rows], p[rows], cause[rows], of_first[rows])


def as_usual(snapshots: Snapshots, cause: str) -> np.ndarray:
    """The features with a cause's own at what is usual."""
    features = snapshots.features.copy()
    for at, name in enumerate(snapshots.feature_names):
        if BOOK[name].cause == cause:
            usual = small().model.usual[name]
            features[:, at] = np.nan if usual is None else usual
    return features


def as_missing(snapshots: Snapshots, cause: str) -> np.ndarray:
    """The features with a cause's own missing."""
    own = np.array([BOOK[name].cause == cause for name in snapshots.feature_names])
    return np.where(own, np.nan, snapshots.features)


Without = Callable[[Snapshots, str], np.ndarray]


def without(snapshots: Snapshots, cause: str, features: Without) -> Snapshots:
    """The snapshots as they would be without the evidence for a cause."""
    changed = replace(snapshots, features=features(snapshots, cause))
    if cause == "payment_rhythm":
        any_day = np.tile(ANY_WEEKDAY, (len(snapshots), 1))
        return replace(changed, weekday_share=any_day)
    if cause == "customer_record":
        end = snapshots.recent[1]
        return replace(changed, recent=(end, end))
    return changed


def agreement(answers: Told, features: Without) -> np.ndarray:
    """Whether each probability goes back, without the evidence, as the reason's points said."""
    moved = np.zeros(len(answers.cause))
    for cause in set(answers.cause.tolist()):
        rows = np.flatnonzero(answers.cause == cause)
        other = without(answers.snapshots.take(rows), cause, features)
        now = small().model.predict_curve(other, answers.ahead[rows][:, None])[:, 0]
        moved[rows] = answers.probability[rows] - now
    return np.sign(moved) == np.sign(answers.points)


@pytest.mark.parametrize("features", [as_usual, as_missing])
@pytest.mark.parametrize("asked", [served, served_to_strangers, on_the_due_date])
def test_without_the_evidence_of_the_first_reason_the_probability_goes_back_as_it_said(
    asked: Callable[[], Told], features: Without
) -> None:
    assert len(asked().points) > 100
    assert np.mean(agreement(asked(), features)) >= ENOUGH


@pytest.mark.parametrize("features", [as_usual, as_missing])
def test_it_does_so_whether_the_reason_raised_or_lowered_it(features: Without) -> None:
    answers = on_the_due_date()
    agrees, raised = agreement(answers, features), answers.points > 0
    assert min(raised.sum(), (~raised).sum()) > 50
    assert agrees[raised].mean() > 0.9
    assert agrees[~raised].mean() > 0.9


def test_taking_away_other_evidence_does_not_do_what_the_reason_said() -> None:
    """So the tests above can fail."""
    answers = on_the_due_date()
    other = np.where(answers.cause == "peers", "activity", "peers")
    assert agreement(replace(answers, cause=other), as_missing).mean() < ENOUGH


@pytest.mark.parametrize("name", TIME_FEATURES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), step=st.floats(0.01, 200), ahead=st.integers(0, 180))
def test_every_monotone_feature_moves_the_trees_in_its_direction_only(
    name: str, seed: int, step: float, ahead: int
) -> None:
    model = small().model
    few = small().some(20, seed=seed)
    stacked, _ = model.stack(few, np.full((len(few), 1), ahead, np.int32))
    more = stacked.copy()
    more[:, len(model.feature_names) + list(TIME_FEATURES).index(name)] += np.float32(step)
    change = model.trees.predict(more) - model.trees.predict(stacked)
    # leaves are summed in floating point: nothing but its rounding may go the other way
    assert (change * TIME_FEATURES[name]).min() >= -1e-12
