"""Shrinkage: each estimate goes towards the prior by how little it knows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import shrinkage
from models.action import Effect
from models.effects import Estimate
from models.overlap import Overlap

MANY = 1e6  # customers: Student's t is the normal
PRIOR = Effect(5.0, 5.0 - 1.6448536, 5.0 + 1.6448536)  # a standard deviation of 1


def an_estimate(effect: float, error: float, lacking: str = "", action: str = "call") -> Estimate:
    overlap = Overlap(100, 1.0, 50, MANY, MANY, 3.0)
    return Estimate(action, "days", "habit", effect, error, MANY, "randomised", overlap, lacking)


def test_equal_precisions_meet_halfway() -> None:
    (belief,) = shrinkage.shrink([an_estimate(6.0, 1.0)], {("call", "habit"): PRIOR})
    assert np.isclose(belief.effect.expected, 5.5, atol=1e-4)
    assert np.isclose(belief.weight, 0.5, atol=1e-4)
    half = (belief.effect.highest - belief.effect.lowest) / 2
    assert np.isclose(half, 1.6448536 / np.sqrt(2), atol=1e-3)
    assert belief.source == "randomised"


def test_what_is_not_identified_stays_the_prior() -> None:
    lacking = an_estimate(np.nan, np.nan, "nobody waited")
    (belief,) = shrinkage.shrink([lacking], {("call", "habit"): PRIOR})
    assert belief.effect == PRIOR
    assert (belief.source, belief.weight) == ("prior", 0.0)


def test_priors_that_the_log_contradicts_give_way_together() -> None:
    actions = ("call", "letter", "email")
    priors = {(action, "habit"): PRIOR for action in actions}
    wrong = [an_estimate(-5.0, 0.5, action=action) for action in actions]
    assert shrinkage.spread(wrong, priors) == pytest.approx(100, rel=0.02)
    for belief in shrinkage.shrink(wrong, priors):
        assert belief.effect.highest < -3.0
    right = [an_estimate(5.1, 0.5, action=action) for action in actions]
    assert shrinkage.spread(right, priors) == 1.0


def test_a_prior_without_width_is_an_order() -> None:
    (belief,) = shrinkage.shrink(
        [an_estimate(50.0, 0.1)], {("call", "habit"): Effect(2.0, 2.0, 2.0)}
    )
    assert belief.effect == Effect(2.0, 2.0, 2.0)


@given(st.floats(-50, 50), st.floats(0.01, 50), st.floats(-20, 20), st.floats(0.1, 20))
def test_a_belief_lies_between_prior_and_estimate_and_is_surer_than_the_log(
    effect: float, error: float, expected: float, width: float
) -> None:
    prior = Effect(expected, expected - width, expected + width)
    (belief,) = shrinkage.shrink([an_estimate(effect, error)], {("call", "habit"): prior})
    low, high = sorted((effect, expected))
    assert low - 1e-9 <= belief.effect.expected <= high + 1e-9
    start, end = belief.estimate.interval
    assert belief.effect.highest - belief.effect.lowest <= end - start + 1e-9
