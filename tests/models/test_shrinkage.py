"""Shrinkage: each estimate goes towards the prior by how little it knows."""

from dataclasses import replace

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
    (belief,) = shrinkage.shrink([an_estimate(6.0, 1.0)], {"days": {("call", "habit"): PRIOR}})
    assert np.isclose(belief.effect.expected, 5.5, atol=1e-4)
    assert np.isclose(belief.weight, 0.5, atol=1e-4)
    half = (belief.effect.highest - belief.effect.lowest) / 2
    assert np.isclose(half, 1.6448536 / np.sqrt(2), atol=1e-3)
    assert belief.source == "randomised"


def test_what_is_not_identified_stays_the_prior() -> None:
    lacking = an_estimate(np.nan, np.nan, "nobody waited")
    (belief,) = shrinkage.shrink([lacking], {"days": {("call", "habit"): PRIOR}})
    assert belief.effect == PRIOR
    assert (belief.source, belief.weight) == ("prior", 0.0)


def test_priors_that_the_log_contradicts_give_way_together() -> None:
    actions = ("call", "letter", "email")
    priors = {(action, "habit"): PRIOR for action in actions}
    wrong = [an_estimate(-5.0, 0.5, action=action) for action in actions]
    assert shrinkage.spread(wrong, priors) == pytest.approx(100, rel=0.02)
    for belief in shrinkage.shrink(wrong, {"days": priors}):
        assert belief.effect.highest < -3.0
    right = [an_estimate(5.1, 0.5, action=action) for action in actions]
    assert shrinkage.spread(right, priors) == 1.0


def test_a_prior_without_width_is_an_order() -> None:
    (belief,) = shrinkage.shrink(
        [an_estimate(50.0, 0.1)], {"days": {("call", "habit"): Effect(2.0, 2.0, 2.0)}}
    )
    assert belief.effect == Effect(2.0, 2.0, 2.0)


def test_a_company_that_reacts_weakly_is_told_by_many_vague_estimates() -> None:
    names = [f"action_{i}" for i in range(40)]
    priors = {"days": {(name, "habit"): Effect(4.0, 1.0, 7.0) for name in [*names, "hold"]}}
    vague = [an_estimate(2.0, 3.0, action=name) for name in names]
    silent = an_estimate(np.nan, np.nan, "nobody waited", action="hold")
    *told, hold = shrinkage.shrink([*vague, silent], priors)
    (alone,) = shrinkage.shrink(vague[:1], priors)
    assert told[0].effect.expected < alone.effect.expected < 4.0
    # the action of which the log says nothing goes down with its like, and stays a prior
    assert hold.effect.expected < 3.6
    assert hold.source == "prior"
    assert 0 < hold.weight < 1


def test_errors_that_the_same_customers_made_tell_less_than_as_many_of_their_own() -> None:
    names = [f"action_{i}" for i in range(20)]
    priors = {"days": {(name, "habit"): Effect(4.0, 1.0, 7.0) for name in names}}
    moved = np.random.default_rng(1).normal(size=(20, 500))

    def believed(influence: np.ndarray) -> float:
        estimates = [
            replace(an_estimate(2.0, 3.0, action=name), influence=of)
            for name, of in zip(names, influence, strict=True)
        ]
        return float(np.mean([b.effect.expected for b in shrinkage.shrink(estimates, priors)]))

    shared = moved[:1] + 0.01 * moved  # one group of customers waited, for all the actions
    assert believed(moved) < believed(shared) - 0.3


@given(st.floats(-50, 50), st.floats(0.01, 50), st.floats(-20, 20), st.floats(0.1, 20))
def test_a_belief_lies_between_prior_and_estimate_and_is_surer_than_the_log(
    effect: float, error: float, expected: float, width: float
) -> None:
    prior = Effect(expected, expected - width, expected + width)
    (belief,) = shrinkage.shrink([an_estimate(effect, error)], {"days": {("call", "habit"): prior}})
    low, high = sorted((effect, expected))
    assert low - 1e-9 <= belief.effect.expected <= high + 1e-9
    start, end = belief.estimate.interval
    assert belief.effect.highest - belief.effect.lowest <= end - start + 1e-9
