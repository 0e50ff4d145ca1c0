"""Nuisances: no row is answered by what has seen its customer, and what is recorded stands."""

from dataclasses import replace

import drawn_logs as world
import numpy as np

from models import nuisance


def test_no_outcome_of_a_customer_moves_what_is_expected_of_it() -> None:
    log = world.draw(0, customers=120, each=4).log
    y = log.outcomes["days"]
    mine = log.customer == log.customer[0]
    before = nuisance.outcomes(log, y, folds=3)
    after = nuisance.outcomes(log, np.where(mine, 1e3, y), folds=3)
    assert (before[mine] == after[mine]).all()
    assert (before[~mine] != after[~mine]).any()


def test_recorded_propensities_are_given_back_as_they_are() -> None:
    log = world.draw(1, customers=50).log
    assert (nuisance.propensities(log) == log.propensities).all()


def test_estimated_propensities_are_near_the_true_ones_and_sum_to_one() -> None:
    hidden = world.draw(2, tossed=False)
    guessed = nuisance.propensities(hidden.log)
    true = world.chances(hidden.cases)
    assert np.abs(guessed - true).mean() < 0.06
    assert (guessed.sum(axis=1) <= 1 + 1e-9).all()
    assert guessed.sum(axis=1).mean() > 0.99


def test_what_could_not_be_done_stays_impossible_beside_a_guess() -> None:
    hidden = world.draw(3, tossed=False, customers=100).log
    told = hidden.propensities.copy()
    told[hidden.action != 2, 2] = 0.0
    guessed = nuisance.propensities(replace(hidden, propensities=told))
    assert (guessed[told == 0] == 0).all()


def test_an_action_seldom_done_is_expected_to_do_as_it_did() -> None:
    log = world.draw(4, customers=100).log
    few = log.take((log.action != 2) | (np.cumsum(log.action == 2) <= 10))
    y = few.outcomes["days"]
    expected = nuisance.outcomes(few, y, folds=2)[:, 2]
    assert len(np.unique(expected)) == 2  # a mean for each fold
    assert y[few.action == 2].min() < expected.min() <= expected.max() < y[few.action == 2].max()
