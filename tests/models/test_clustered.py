"""Errors by customer: rows of one go together."""

import numpy as np
from scipy import stats

from models import clustered


def test_with_a_row_each_it_is_the_usual_error_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=50)
    error = clustered.error(values, np.arange(50).astype(np.uint64))
    assert np.isclose(error, values.std(ddof=1) / np.sqrt(50))


def test_saying_everything_twice_teaches_nothing() -> None:
    values = np.random.default_rng(1).normal(size=60)
    customer = (np.arange(60) // 3).astype(np.uint64)
    once = clustered.error(values, customer)
    twice = clustered.error(np.tile(values, 2), np.tile(customer, 2))
    assert np.isclose(once, twice)
    assert twice > 1.2 * clustered.error(np.tile(values, 2), np.arange(120).astype(np.uint64))


def test_one_customer_has_no_error_to_tell() -> None:
    assert np.isnan(clustered.error(np.arange(5.0), np.zeros(5, np.uint64)))


def test_few_customers_reach_further() -> None:
    assert np.isclose(clustered.reach(11), stats.t.ppf(0.95, 10))
    assert clustered.reach(5) > clustered.reach(50) > clustered.reach(5_000) > 1.6448
