"""Fitting: what is refused and why, the weight that must be earned, the same files each time."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from models import blend, growing
from models.blend import WEIGHTS
from models.fitting import LEAST_LABELS, NotEnoughHistory, TrainingRows, fit
from models.late_payment import LatePaymentModel, curves
from models.time_ahead import TIME_FEATURES
from models.trees import parse
from pipelines import dataset, synthetic
from pipelines.dataset import Dataset
from pipelines.job import day_number

CUT_OFF = day_number(date(2026, 7, 1))


@pytest.fixture(scope="module")
def built() -> Dataset:
    ledger, _ = synthetic.generate(customers=15, months=18, seed=3)
    return dataset.build(ledger, cut_off=CUT_OFF)


def fitted(built: Dataset, rows: TrainingRows | None = None, *, seed: int = 0) -> LatePaymentModel:
    return fit(
        built.rows if rows is None else rows,
        cohorts=built.cohorts,
        peers=built.peers.as_columns(),
        cut_off=CUT_OFF,
        seed=seed,
    )


@pytest.fixture(scope="module")
def model(built: Dataset) -> LatePaymentModel:
    return fitted(built)


def test_a92_too_few_labels_are_refused_with_their_number(built: Dataset) -> None:
    few = built.rows.where(np.arange(len(built.rows.row)) < 120)
    with pytest.raises(
        NotEnoughHistory, match=f"at least {LEAST_LABELS:,} matured labels, got: 120"
    ):
        fitted(built, few)


@pytest.mark.parametrize(("outcome", "missing"), [(True, "paid"), (False, "still open")])
def test_a92_a_constant_label_is_refused_saying_what_is_missing(
    built: Dataset, outcome: bool, missing: str
) -> None:
    alike = replace(built.rows, still_open=np.full(len(built.rows.row), outcome))
    with pytest.raises(NotEnoughHistory, match=f"labels of invoices {missing}, got: 0"):
        fitted(built, alike)


def test_a92_invoices_that_are_all_identical_are_refused(built: Dataset) -> None:
    due = np.full(len(built.rows.snapshots), CUT_OFF - 300, np.int32)
    same = replace(built.rows.snapshots, due_day=due)
    with pytest.raises(NotEnoughHistory, match="due on different days, got: all due on 2025-09-04"):
        fitted(built, replace(built.rows, snapshots=same))


def test_noise_earns_no_weight_and_the_model_says_so(built: Dataset) -> None:
    rows = built.rows
    taken = rows.snapshots.take(rows.row)
    own, _ = curves(built.cohorts, taken, rows.days_ahead[:, None])
    drawn = np.random.default_rng(0).random(len(own)) < own[:, 0]
    answer = fitted(built, replace(rows, still_open=drawn))
    assert answer.weights == (0.0, 0.0)
    said = "the trees do not beat the customer's curve and its cohort's: the former answers"
    assert [answer.facts["blend"][part]["why"] for part in ("near", "far")] == [said, said]


@pytest.mark.parametrize(("at", "part"), [(0, "near"), (1, "far")])
def test_each_weight_is_one_of_those_tried_with_its_evidence(
    model: LatePaymentModel, at: int, part: str
) -> None:
    evidence, weight = model.facts["blend"][part], model.weights[at]
    assert weight in WEIGHTS
    assert evidence["weight"] == weight
    assert set(evidence["log_loss"]) == {str(tried) for tried in WEIGHTS}
    if weight:
        assert evidence["log_loss"][str(weight)] < evidence["log_loss"]["0.0"]
    assert model.facts["blend"]["window_days"] == 90


def test_too_short_a_history_leaves_the_answer_to_the_curve(built: Dataset) -> None:
    labels = len(built.rows.row)
    few = built.rows.where(np.arange(labels) % (labels // (LEAST_LABELS + 50)) == 0)
    answer = fitted(built, few)
    assert answer.weights == (0.0, 0.0)
    assert "too little history" in answer.facts["blend"]["why"]


def test_what_the_trees_alone_can_see_earns_them_a_weight(built: Dataset) -> None:
    rows = built.rows
    amount = rows.snapshots.features[:, rows.snapshots.feature_names.index("ln_amount")]
    large = (amount > np.median(amount))[rows.row]
    answer = fitted(built, replace(rows, still_open=large & (rows.days_ahead < 60)))
    assert answer.weights[0] >= 0.5


def test_a_gain_within_its_error_over_customers_is_no_gain() -> None:
    customer = np.repeat(np.arange(20), 50).astype(np.int32)
    theirs, luck = np.zeros(1000), np.zeros(20)
    luck[3], luck[7] = 1.0, -0.6  # two customers of twenty make all of it
    assert not blend._beats(theirs - luck[customer], theirs, customer)
    assert blend._beats(theirs - 0.01, theirs, customer)
    assert not blend._beats(theirs, theirs, customer)


def test_what_everybodys_curve_tells_as_well_earns_no_weight() -> None:
    """Trees that have only learned that customers do not differ beat the customer's curve."""
    customer = np.repeat(np.arange(40), 20).astype(np.int32)
    noisy, trees = np.full(800, 0.7), np.full(800, 0.6)
    surprise = {w: trees if w else noisy for w in WEIGHTS}
    earned = [
        blend._earned(surprise, customer, usual=0.7, cohort=np.full(800, of))
        for of in (0.59, 0.6, 0.61)
    ]
    assert earned == [0.0, 0.0, 0.7]


def test_the_same_ledger_and_seed_give_identical_files(
    built: Dataset, model: LatePaymentModel, tmp_path: Path
) -> None:
    for name, made in (("once", model), ("twice", fitted(built))):
        (tmp_path / name).mkdir()
        made.save(tmp_path / name)
    for path in sorted((tmp_path / "once").iterdir()):
        assert path.read_bytes() == (tmp_path / "twice" / path.name).read_bytes()


def test_another_seed_grows_other_trees(built: Dataset, model: LatePaymentModel) -> None:
    assert fitted(built, seed=1).tree_text != model.tree_text


def test_the_trees_are_shallow_and_bound_to_fall_with_time(model: LatePaymentModel) -> None:
    trees = parse(model.tree_text)
    assert trees.feature_names[-len(TIME_FEATURES) :] == tuple(TIME_FEATURES)
    constraints = [0] * len(model.feature_names) + list(TIME_FEATURES.values())
    told = f"[monotone_constraints: {','.join(map(str, constraints))}]"
    assert told in model.tree_text
    assert "[max_depth: 6]" in model.tree_text


def test_large_sets_grow_larger_trees() -> None:
    small, large = growing.parameters(1_000, seed=0), growing.parameters(100_000, seed=0)
    assert (small["num_leaves"], large["num_leaves"]) == (7, 15)
    assert small["num_iterations"] < large["num_iterations"]


def test_the_usual_values_are_medians_of_what_was_known(
    built: Dataset, model: LatePaymentModel
) -> None:
    features = built.rows.snapshots.features
    for at, name in enumerate(model.feature_names):
        known = features[~np.isnan(features[:, at]), at]
        assert model.usual[name] == (float(np.median(known)) if len(known) else None)


def test_the_model_remembers_what_it_was_made_of(model: LatePaymentModel, built: Dataset) -> None:
    assert model.facts["cut_off"] == "2026-07-01"
    assert model.facts["labels"] == len(built.rows.row)
    assert isinstance(model.golden, pa.Table)
    model.check_golden()
