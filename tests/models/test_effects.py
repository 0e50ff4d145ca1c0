"""Effects: right where a plain comparison is wrong, as sure as they say, silent without overlap."""

from dataclasses import replace

import drawn_logs as world
import numpy as np
import pytest

from models import effects
from models.decision_log import DecisionLog
from models.effects import Estimate

RUNS = 40
SMALL = {"customers": 150, "each": 4}


def by_cell(estimates: list[Estimate]) -> dict[tuple[str, str], Estimate]:
    return {(e.action, e.stratum): e for e in estimates}


@pytest.mark.parametrize("tossed", [True, False])
def test_intervals_hold_the_truth_about_as_often_as_they_say(tossed: bool) -> None:
    held = []
    for seed in range(RUNS):
        log = world.draw(seed, tossed=tossed, customers=150, each=4).log
        for cell, e in by_cell(effects.estimate(log, "days", folds=2)).items():
            low, high = e.interval
            held.append(low <= world.GAINS[cell] <= high)
    assert len(held) == 4 * RUNS
    assert 0.82 <= np.mean(held) <= 0.97  # 160 intervals of 90 %, four of each run going together


def test_they_are_right_where_a_plain_comparison_is_wrong() -> None:
    cell, ours, plain = ("call", "difficulty"), [], []
    for seed in range(12):
        log = world.draw(seed, tossed=False).log
        ours.append(by_cell(effects.estimate(log, "days", folds=2))[cell].effect)
        mine = log.stratum == log.strata.index("difficulty")
        waited, called = (log.outcomes["days"][mine & (log.action == a)].mean() for a in (0, 2))
        plain.append(waited - called)
    assert np.mean(plain) < world.GAINS[cell] - 2.5  # the slow are called: calls look harmful
    assert abs(np.mean(ours) - world.GAINS[cell]) < 0.8


def test_recorded_propensities_stand_in_for_features_that_tell_nothing() -> None:
    cell, ours = ("call", "difficulty"), []
    for seed in range(12):
        log = world.draw(seed).log
        blind = replace(log, features=np.zeros((len(log), 1)), feature_names=("nothing",))
        estimate = by_cell(effects.estimate(blind, "days", folds=2))[cell]
        assert estimate.source == "randomised"
        ours.append(estimate.effect)
    assert abs(np.mean(ours) - world.GAINS[cell]) < 1.0


def test_the_share_of_a_risk_that_is_taken_away_is_found() -> None:
    log = world.draw(5, customers=6_000, each=2).log
    for cell, e in by_cell(effects.estimate(log, "unpaid", measure="share", folds=2)).items():
        assert abs(e.effect - world.RESCUES[cell]) < 4 * e.error < 0.4


@pytest.mark.parametrize("tossed", [True, False])
def test_without_overlap_nothing_is_said_in_any_run(tossed: bool) -> None:
    for seed in range(10):
        of = world.cases(np.random.default_rng(seed), 150, 4)
        always = np.eye(3)[np.where(of.slow > 0.2, 2, 0)]
        log = world.draw(seed, tossed=tossed, chance=always, customers=150, each=4).log
        for e in effects.estimate(log, "days", folds=2):
            assert not e.is_identified
            assert np.isnan(e.effect)
            assert np.isnan(e.interval).all()
            assert e.source == "prior"


def test_a_risk_that_is_nobodys_has_no_share_to_fall_by() -> None:
    log = world.draw(0, **SMALL).log
    nobody = replace(log, outcomes={"unpaid": np.zeros(len(log))})
    said = {e.lacking for e in effects.estimate(nobody, "unpaid", measure="share", folds=2)}
    assert said == {"too few stay unpaid to tell a share of them"}


def test_decisions_that_have_not_matured_are_as_if_they_were_not_there() -> None:
    log = world.draw(7, **SMALL).log
    told = np.arange(len(log)) % 3 > 0
    days = np.where(told, log.outcomes["days"], np.nan)
    half = effects.estimate(replace(log, outcomes={"days": days}), "days", folds=2)
    assert half == effects.estimate(log.take(told), "days", folds=2)


def mixed(tossed_share: float) -> DecisionLog:
    """The toss is recorded for some customers only."""
    log = world.draw(8).log
    hidden = (log.customer % np.uint64(1000)) >= 1000 * tossed_share
    propensities = np.where(hidden[:, None], np.nan, log.propensities)
    return replace(log, propensities=propensities, randomised=~hidden)


def test_tossed_decisions_go_before_watched_ones_where_there_are_enough() -> None:
    most = by_cell(effects.estimate(mixed(0.6), "days", folds=2))["call", "habit"]
    assert most.source == "randomised"
    assert most.overlap.customers < 170  # of about 200 who pay late by habit
    few = by_cell(effects.estimate(mixed(0.03), "days", folds=2))["call", "habit"]
    assert few.source == "observational"
    assert few.overlap.customers > 170


def test_the_same_log_gives_the_same_estimates() -> None:
    first, again = (effects.estimate(world.draw(9, **SMALL).log, "days", folds=2) for _ in "12")
    assert first == again


def test_a_share_of_a_handful_of_unpaid_invoices_is_not_told() -> None:
    few = world.draw(3, customers=100, each=4).log
    rare = few.outcomes["unpaid"] * (np.random.default_rng(1).random(len(few)) < 0.3)
    log = replace(few, outcomes={"unpaid": rare})
    lacking = [e.lacking for e in effects.estimate(log, "unpaid", measure="share")]
    assert any("too few would have stayed unpaid" in why for why in lacking)
    # days are told from the same decisions: it is not the overlap that is lacking
    assert all(e.is_identified for e in effects.estimate(few, "days"))
