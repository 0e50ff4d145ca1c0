"""The model: no contradiction between days, reasons that add up, files that tell a change."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import to_ledger

from models.horizons import ALL_HORIZONS_DAYS
from models.late_payment import (
    BLOCK,
    CURVES,
    GOLDEN_ROWS,
    LatePaymentModel,
    Snapshots,
    trees_weight,
)
from models.time_ahead import TIME_FEATURES, logit
from pipelines import landmarks as snapshots_of
from tests.trained import Trained, payer, small

FILES = {"model.txt", "model.json", "cohorts.parquet", "peers.parquet", "golden.parquet"}


@pytest.fixture(scope="module")
def some(trained: Trained) -> Snapshots:
    return trained.some(120)


def horizons(snapshots: Snapshots) -> np.ndarray:
    return (snapshots.due_day - snapshots.as_of)[:, None] + np.array(ALL_HORIZONS_DAYS, np.int32)


def changed(model: LatePaymentModel, **changes: object) -> LatePaymentModel:
    return replace(model, **changes)  # type: ignore[arg-type]


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshots:
    """Real invoices on any day, some with features that no invoice ever had."""
    few = small().some(8, seed=draw(st.integers(0, 10_000)))
    features = few.features.copy()
    value = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6), st.sampled_from([0.0, 1e18]))
    for _ in range(draw(st.integers(0, 6))):
        column = draw(st.integers(0, features.shape[1] - 1))
        features[draw(st.integers(0, 7)), column] = draw(value)
    return replace(few, features=features)


WEIGHT = st.sampled_from([0.0, 0.3, 0.7, 1.0])
DAYS_AHEAD = st.lists(st.integers(-30, 400), min_size=12, max_size=12).map(sorted)


@settings(max_examples=40, deadline=None)
@given(snapshots(), DAYS_AHEAD)
def test_the_curve_of_any_snapshot_never_rises(few: Snapshots, ahead: list[int]) -> None:
    days = np.tile(np.array(ahead, np.int32), (len(few), 1))
    curve = small().model.predict_curve(few, days)
    assert (np.diff(curve, axis=1) <= 0).all()
    assert (curve[days < 0] == 1).all()
    assert ((curve > 0) & (curve <= 1)).all()


@settings(max_examples=40, deadline=None)
@given(snapshots(), DAYS_AHEAD)
def test_neither_the_trees_nor_the_curve_rise_nor_their_blend_with_one_weight(
    few: Snapshots, ahead: list[int]
) -> None:
    days = np.tile(np.maximum(np.array(ahead, np.int32), 0), (len(few), 1))
    model = small().model
    stacked, curve = model.stack(few, days)
    raw = model.trees.predict(stacked).reshape(curve.shape)
    # the trees' leaves are summed in floating point: nothing but its rounding may rise
    assert np.diff(raw, axis=1).max() <= 1e-12
    assert np.diff(curve, axis=1).max() <= 0
    even = changed(model, weights=(0.5, 0.5))
    asked = [even.predict_curve(few, days[:, [k]])[:, 0] for k in range(days.shape[1])]
    assert np.diff(asked, axis=0).max() <= 1e-12


def test_where_the_weight_falls_little_has_to_be_made_sure(trained: Trained) -> None:
    """Of two falling curves the blend may rise where the weight goes from one to the other."""
    some = trained.some(150, seed=4)
    days = np.tile(np.arange(0, 200, 4, dtype=np.int32), (150, 1))
    served = trained.model.predict_curve(some, days)
    asked = [trained.model.predict_curve(some, days[:, [k]])[:, 0] for k in range(days.shape[1])]
    assert np.abs(np.column_stack(asked) - served).max() < 0.02


def test_the_trees_weight_holds_for_a_month_past_due_and_then_goes_to_the_far_one() -> None:
    found = trees_weight((0.8, 0.2), np.array([-50, 0, 30, 60, 90, 400]))
    np.testing.assert_allclose(found, [0.8, 0.8, 0.8, 0.5, 0.2, 0.2])


@cache
def booster(text: str) -> lgb.Booster:
    return lgb.Booster(model_str=text)


@settings(max_examples=25, deadline=None)
@given(snapshots(), st.integers(0, 200))
def test_the_trees_part_is_lightgbms_own_contributions(few: Snapshots, k: int) -> None:
    model = changed(small().model, weights=(1.0, 1.0))
    days = np.full(len(few), k, np.int32)
    stacked, _ = model.stack(few, days[:, None])
    theirs = booster(model.tree_text).predict(stacked, pred_contrib=True)
    why = model.explain(few, days)
    assert why.names == (*model.feature_names, *TIME_FEATURES, *CURVES)
    np.testing.assert_allclose(
        why.contributions[:, : -len(CURVES)], theirs[:, :-1], rtol=0, atol=1e-9
    )
    assert why.base == pytest.approx(theirs[0, -1], abs=1e-9)
    raw = booster(model.tree_text).predict(stacked, raw_score=True)
    np.testing.assert_allclose(model.trees.predict(stacked), raw, rtol=0, atol=1e-9)


def test_a_later_payer_is_a_higher_risk_on_every_day(trained: Trained) -> None:
    curves = []
    for late in (-3, 8, 25, 60):
        known = payer("C1", [late] * 24, until=trained.as_of, open_for=-10)
        prepared = snapshots_of.prepare(to_ledger(known))
        last = np.array([len(known["invoices"]) - 1])
        day = np.array([trained.as_of], np.int32)
        taken = snapshots_of.take(prepared, last, day, peers=trained.peers)
        curves.append(trained.model.predict_curve(taken, np.arange(0, 120, 5)[None, :])[0])
    assert (np.diff(curves, axis=0).mean(axis=1) > 0).all()
    assert curves[3][8] > 2 * curves[1][8] > curves[0][8]  # in 40 days: 30 after the due date


def test_with_no_weight_the_customers_curve_answers(trained: Trained, some: Snapshots) -> None:
    days = np.maximum(horizons(some), 0)
    alone = changed(trained.model, weights=(0.0, 0.0)).predict_curve(some, days)
    own = trained.model.customer_curve(some, days)
    np.testing.assert_allclose(alone, 1 / (1 + np.exp(-logit(own))), rtol=1e-12)
    why = changed(trained.model, weights=(0.0, 0.0)).explain(some, days[:, 1])
    assert not why.contributions[:, : -len(CURVES)].any()


def test_one_snapshot_of_many_is_the_snapshot_asked_alone(
    trained: Trained, some: Snapshots
) -> None:
    days = horizons(some)
    of_all = trained.model.predict_curve(some, days)
    why = trained.model.explain(some, np.maximum(days[:, 1], 0))
    for i in (0, 17, 119):
        one = some.take(np.array([i]))
        alone = trained.model.predict_curve(one, days[[i]])
        assert alone.tobytes() == of_all[[i]].tobytes()
        told = trained.model.explain(one, np.maximum(days[[i], 1], 0))
        assert told.contributions.tobytes() == why.contributions[[i]].tobytes()


def test_blocks_do_not_show(trained: Trained, some: Snapshots) -> None:
    again = np.arange(BLOCK + 5) % len(some)
    days = horizons(some)
    many = trained.model.predict_curve(some.take(again), days[again])
    few = trained.model.predict_curve(some, days)
    assert many.tobytes() == few[again].tobytes()


def test_what_is_saved_answers_with_the_same_bits(
    trained: Trained, some: Snapshots, tmp_path: Path
) -> None:
    trained.model.save(tmp_path)
    again = LatePaymentModel.load(tmp_path)
    days = horizons(some)
    assert again.predict_curve(some, days).tobytes() == (
        trained.model.predict_curve(some, days).tobytes()
    )
    (tmp_path / "twice").mkdir()
    again.save(tmp_path / "twice")
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()


def test_the_files_are_data_and_no_pickle(trained: Trained, tmp_path: Path) -> None:
    trained.model.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    for path in tmp_path.iterdir():
        start = {".txt": b"tree\n", ".json": b"{", ".parquet": b"PAR1"}[path.suffix]
        assert path.read_bytes().startswith(start)


def test_the_golden_rows_agree_and_catch_one_changed_leaf(trained: Trained) -> None:
    model = trained.model
    model.check_golden()
    assert model.golden is not None
    assert model.golden.num_rows == GOLDEN_ROWS
    values = re.search(r"leaf_value=(\S+)", model.tree_text)
    assert values is not None
    bent = str(float(values[1]) + 1e-3)
    text = model.tree_text[: values.start(1)] + bent + model.tree_text[values.end(1) :]
    with pytest.raises(ValueError, match=r"golden rows must agree within 1e-09, got: "):
        changed(model, tree_text=text).check_golden()


def test_a_model_without_golden_rows_is_not_believed(trained: Trained) -> None:
    with pytest.raises(ValueError, match="golden"):
        changed(trained.model, golden=None).check_golden()


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("model.json", '"days_ahead",', '"ahead_days",', "time_features must be"),
        ("model.json", '"delay_mean",', '"delay_maen",', "not those of model.json"),
        ("model.txt", "delay_mean ", "delay_maen ", "not those of model.json"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(
    trained: Trained, tmp_path: Path, file: str, old: str, new: str, told: str
) -> None:
    trained.model.save(tmp_path)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=told):
        LatePaymentModel.load(tmp_path)
