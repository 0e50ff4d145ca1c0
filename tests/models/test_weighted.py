"""Weighted figures: of equal weights the plain ones, of whole weights those of repeated rows."""

import numpy as np
import pytest
from sklearn import metrics as reference

from models import metrics, weighted

DICE = np.random.default_rng(7)
P = np.round(DICE.uniform(size=300), 2)  # rounded: many ties
Y = (DICE.uniform(size=300) < P).astype(float)
VALUE = DICE.integers(1, 1_000, 300).astype(float)
ONES = np.ones((1, 300))
TIMES = DICE.integers(0, 4, (3, 300)).astype(float)


def test_equal_weights_give_the_plain_figures() -> None:
    assert weighted.auc(ONES, Y, P)[0] == pytest.approx(metrics.auc(Y, P))
    assert weighted.calibration_error(ONES, Y, P)[0] == pytest.approx(
        metrics.calibration_error(Y, P)
    )
    assert weighted.mean(ONES, VALUE)[0] == pytest.approx(VALUE.mean())
    assert weighted.average_precision(ONES, Y, P)[0] == pytest.approx(
        reference.average_precision_score(Y, P)
    )


@pytest.mark.parametrize("draw", range(3))
def test_whole_weights_are_repeated_rows(draw: int) -> None:
    rows = np.repeat(np.arange(300), TIMES[draw].astype(int))
    y, p, value = Y[rows], P[rows], VALUE[rows]
    assert weighted.auc(TIMES, Y, P)[draw] == pytest.approx(metrics.auc(y, p))
    assert weighted.average_precision(TIMES, Y, P)[draw] == pytest.approx(
        reference.average_precision_score(y, p)
    )
    assert weighted.mean(TIMES, VALUE)[draw] == pytest.approx(value.mean())
    assert weighted.median(TIMES, VALUE)[draw] == np.sort(value)[(len(value) - 1) // 2]


def test_the_top_tenth_of_the_rows_holds_its_share_of_the_value() -> None:
    p, late_value = np.arange(20.0), np.zeros(20)
    late_value[[19, 3]] = 30, 70
    assert weighted.captured(np.ones((1, 20)), late_value, p)[0] == pytest.approx(0.3)
    assert weighted.captured(np.ones((1, 20)), late_value, -p)[0] == 0


def test_rows_of_the_same_risk_hold_their_part_of_the_value() -> None:
    value = np.arange(40.0)
    for order in (slice(None), slice(None, None, -1)):
        assert weighted.captured(np.ones((1, 40)), value[order], np.zeros(40))[0] == pytest.approx(
            0.1
        )


def test_what_cannot_be_told_is_nan() -> None:
    alike = np.ones(4), np.arange(4.0)
    assert np.isnan(weighted.auc(np.ones((1, 4)), *alike)[0])
    assert np.isnan(weighted.mean(np.zeros((1, 4)), alike[1])[0])
    assert np.isnan(weighted.median(np.ones((1, 0)), np.empty(0))[0])
    assert np.isnan(weighted.captured(np.ones((1, 4)), np.zeros(4), alike[1])[0])
