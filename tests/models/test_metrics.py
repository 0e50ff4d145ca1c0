import numpy as np
import pytest
from sklearn import metrics as reference

from models import metrics


@pytest.fixture
def said_and_came() -> tuple[np.ndarray, np.ndarray]:
    dice = np.random.default_rng(3)
    p = np.round(dice.uniform(size=500), 2)  # rounded: many ties
    return (dice.uniform(size=500) < p).astype(float), p


def test_scores_are_those_of_scikit_learn(said_and_came: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = said_and_came

    assert metrics.auc(y, p) == pytest.approx(reference.roc_auc_score(y, p), abs=1e-12)
    assert metrics.brier(y, p) == pytest.approx(reference.brier_score_loss(y, p), abs=1e-12)
    inside = np.clip(p, 1e-6, 1 - 1e-6)
    assert metrics.log_loss(y, p) == pytest.approx(reference.log_loss(y, inside), abs=1e-12)


def test_a_sure_mistake_costs_much_but_not_everything() -> None:
    assert 13 < metrics.log_loss(np.array([1.0]), np.array([0.0])) < 14


def test_ranking_needs_both_sides() -> None:
    assert np.isnan(metrics.auc(np.ones(3), np.array([0.1, 0.2, 0.3])))


def test_reliability_covers_every_row_once(said_and_came: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = said_and_came
    groups = metrics.reliability(y, p, bins=7)

    assert sum(group.rows for group in groups) == 500
    assert sum(group.rows * group.observed for group in groups) == pytest.approx(y.sum())
    assert [g.predicted for g in groups] == sorted(g.predicted for g in groups)


def test_a_calibrated_prediction_has_a_small_calibration_error(
    said_and_came: tuple[np.ndarray, np.ndarray],
) -> None:
    y, p = said_and_came

    assert metrics.calibration_error(y, p) < 0.1
    assert metrics.calibration_error(y, 1 - p) > 0.3
