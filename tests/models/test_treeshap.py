import warnings
from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import treeshap
from models.trees import parse
from models.treeshap import TabulatedTrees


def rows(n: int, *, features: int = 8, seed: int = 1) -> np.ndarray:
    """Numbers with ties, exact zeros and missing values, as a ledger's features have."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, features))
    X[:, 1] = np.round(X[:, 1])
    X[:, 2] = np.maximum(X[:, 2], 0.0)
    X[:, 3] = np.round(X[:, 3], 1)
    X[:, 4:][rng.random((n, features - 4)) < 0.15] = np.nan
    X[:, 1][rng.random(n) < 0.05] = np.nan
    return X


def trained(*, leaves: int = 7, trees: int = 20, n: int = 1500, **params: object) -> lgb.Booster:
    X = rows(n)
    noise = np.random.default_rng(2).normal(size=n)
    known = np.nan_to_num(X)
    y = (
        known[:, 0] + known[:, 1] * known[:, 2] + known[:, 4] - known[:, 5] * known[:, 0] + noise
        > 0
    )
    settings = {"objective": "binary", "num_leaves": leaves, "verbosity": -1, "num_threads": 1}
    settings |= {"min_data_in_leaf": 5, "monotone_constraints": [1, 0, 0, 0, 1, 0, 0, -1]}
    return lgb.train({**settings, **params}, lgb.Dataset(X, y), trees)


def tabulated(booster: lgb.Booster) -> TabulatedTrees:
    return TabulatedTrees(parse(booster.model_to_string()))


def hard_rows(booster: lgb.Booster) -> np.ndarray:
    """Fresh rows; among them thresholds, their neighbours, extremes and empty rows."""
    X = rows(400, seed=3)
    rng = np.random.default_rng(4)
    for tree in parse(booster.model_to_string()).trees:
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            near = rng.choice([threshold, np.nextafter(threshold, 9), np.nextafter(threshold, -9)])
            X[rng.integers(len(X)), feature] = near
    X[:6] = np.array([np.nan, 0.0, -0.0, 1e-36, np.inf, -np.inf])[:, None]
    return X


MODELS = {
    "7 leaves": {},
    "15 leaves": {"leaves": 15},
    "31 leaves": {"leaves": 31},
    "no constraints": {"leaves": 15, "monotone_constraints": []},
    "zero is missing": {"leaves": 15, "zero_as_missing": True},
    "nothing is missing": {"leaves": 15, "use_missing": False},
    "bagged": {"leaves": 15, "bagging_fraction": 0.6, "bagging_freq": 1, "feature_fraction": 0.5},
    "constant": {"min_data_in_leaf": 1500},
    "one split": {"leaves": 2},
    "more than 254 thresholds": {"leaves": 31, "max_bin": 1400, "min_data_in_bin": 1, "trees": 150},
}


@pytest.fixture(scope="module", params=MODELS)
def booster(request):
    return trained(**MODELS[request.param])


def assert_as_lightgbm(ours: TabulatedTrees, booster: lgb.Booster) -> None:
    X = hard_rows(booster)
    contributions, raw = ours.explain(X)
    theirs = booster.predict(X, pred_contrib=True)
    np.testing.assert_allclose(contributions, theirs[:, :-1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.base, theirs[0, -1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(raw, booster.predict(X, raw_score=True), rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.base + contributions.sum(axis=1), raw, rtol=0, atol=1e-10)
    assert np.array_equal(ours.predict(X), raw)
    few, few_raw = ours.explain(X[:8])  # answered row by row
    assert np.array_equal(few, contributions[:8])
    assert np.array_equal(few_raw, raw[:8])


def test_contributions_and_scores_are_those_of_lightgbm(booster):
    assert_as_lightgbm(tabulated(booster), booster)


def test_trees_without_tables_give_the_same(booster, monkeypatch):
    monkeypatch.setattr(treeshap, "DEEPEST_FEATURES", -1)
    assert_as_lightgbm(tabulated(booster), booster)


def test_a_model_with_some_trees_walked_gives_the_same(monkeypatch):
    monkeypatch.setattr(treeshap, "DEEPEST_FEATURES", 4)
    booster = trained(leaves=15)
    ours = tabulated(booster)
    assert ours._longest > 4  # some trees are walked ...
    assert ours._tables.bits.size  # ... and some are looked up
    assert_as_lightgbm(ours, booster)


def test_trees_that_disagree_on_missing_values_give_the_same():
    first = trained(trees=5, use_missing=False)
    second = trained(trees=5)
    models = [parse(booster.model_to_string()) for booster in (first, second)]
    both = (*models[0].trees, *models[1].trees)
    ours = TabulatedTrees(replace(models[0], trees=both))
    X = rows(300, seed=5)
    theirs = first.predict(X, pred_contrib=True) + second.predict(X, pred_contrib=True)
    assert ours._longest > 0
    np.testing.assert_allclose(ours.explain(X)[0], theirs[:, :-1], rtol=0, atol=1e-9)


def test_contributions_are_those_of_the_shap_package():
    booster = trained(leaves=15)
    X = rows(50, seed=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks of its own next versions
        import shap

        theirs = shap.TreeExplainer(booster).shap_values(X)
    np.testing.assert_allclose(tabulated(booster).explain(X)[0], theirs, rtol=0, atol=1e-9)


def test_numbers_of_four_bytes_are_those_same_numbers_in_eight():
    booster = trained()
    X = rows(200).astype(np.float32)
    ours = tabulated(booster)
    assert np.array_equal(ours.predict(X), ours.predict(X.astype(np.float64)))
    assert np.array_equal(ours.predict(X), ours.predict(np.asfortranarray(X)))


MIXED = tabulated(trained(leaves=15, trees=60))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 1199), min_size=1, max_size=700), st.booleans())
def test_a_row_gives_the_same_bits_in_any_company(chosen, one_by_one):  # B46, B47
    X = rows(1200, seed=9)
    contributions, raw = MIXED.explain(X)
    if one_by_one:
        chosen = chosen[:1]
    some, some_raw = MIXED.explain(X[chosen])
    assert np.array_equal(some, contributions[chosen])
    assert np.array_equal(some_raw, raw[chosen])
    assert np.array_equal(MIXED.predict(X[chosen]), raw[chosen])


def test_the_size_of_a_block_changes_no_bit(monkeypatch):
    X = rows(700, seed=9)
    together = MIXED.explain(X)
    monkeypatch.setattr(treeshap, "BLOCK_ROWS", 64)
    in_blocks = MIXED.explain(X)
    assert all(np.array_equal(a, b) for a, b in zip(together, in_blocks, strict=True))


def test_no_rows_give_no_rows():
    contributions, raw = MIXED.explain(np.zeros((0, 8)))
    assert contributions.shape == (0, 8)
    assert raw.shape == (0,)


def test_a_wrong_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="X must have 8 columns"):
        MIXED.predict(np.zeros((2, 7)))


def test_the_caller_s_rows_are_left_as_they_were():
    X = rows(10)
    before = X.copy()
    MIXED.explain(X)
    assert np.array_equal(X, before, equal_nan=True)


def test_more_than_254_thresholds_take_wider_codes():
    ours = tabulated(trained(**MODELS["more than 254 thresholds"]))
    assert ours._tables.missing_code == 0xFFFF
    assert ours._tables.bits.size


@pytest.mark.parametrize("name", ["15 leaves", "more than 254 thresholds"])
@pytest.mark.parametrize("m", [1, 7, 31])
def test_rows_beside_each_of_several_others_give_the_bits_of_all_of_them_stacked(name, m):
    ours = tabulated(trained(**MODELS[name]))
    X, then = rows(400, seed=3)[:, :5], rows(400 * m, seed=4)[:, 5:].reshape(400, m, 3)
    stacked = np.concatenate([np.repeat(X, m, axis=0), then.reshape(-1, 3)], axis=1)
    together = ours.predict_each(X, then)
    assert np.array_equal(together, ours.predict(stacked).reshape(400, m))
    assert np.array_equal(ours.predict_each(X[[7]], then[[7]]), together[[7]])


def test_rows_beside_others_are_scored_by_trees_without_tables_too(monkeypatch):
    tables = MIXED.predict_each(rows(20)[:, :6], rows(60)[:, 6:].reshape(20, 3, 2))
    monkeypatch.setattr(treeshap, "DEEPEST_FEATURES", -1)
    walked = tabulated(trained(leaves=15, trees=60))
    again = walked.predict_each(rows(20)[:, :6], rows(60)[:, 6:].reshape(20, 3, 2))
    np.testing.assert_allclose(again, tables, rtol=0, atol=1e-12)
    assert MIXED.predict_each(np.zeros((0, 6)), np.zeros((0, 3, 2))).shape == (0, 3)


@pytest.mark.parametrize("count", [1, 513, 4096, 9000])
def test_threads_share_the_rows_and_change_no_bit(count, monkeypatch):
    X = rows(count, seed=11)
    ran = []
    for cores in (1, 2, 3):
        monkeypatch.setattr(treeshap, "_cores", lambda cores=cores: cores)
        monkeypatch.setattr(treeshap, "THREADS", 3)
        monkeypatch.setattr(treeshap, "ROWS_PER_THREAD", 300)
        later = X[:, 6:, None].repeat(3, axis=2).transpose(0, 2, 1)
        ran.append((*MIXED.explain(X), MIXED.predict(X), MIXED.predict_each(X[:, :6], later)))
    for one, *others in zip(*ran, strict=True):
        assert all(np.array_equal(one, other) for other in others)
