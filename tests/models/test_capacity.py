"""Capacity: nothing over the limits, near the best there is, the same in any order."""

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from models.capacity import NO_POOL, NOT_FREE, Allotment, allot

seeds = st.integers(0, 2**32 - 1)


class Market:
    """Random rows and options: `pools` pools, the first option to wait."""

    def __init__(self, seed: int, *, rows: int, options: int, pools: int, ties: bool = False):
        rng = np.random.default_rng(seed)
        self.weight = np.append(0.0, rng.choice([1.0, 4.0, 5.0, 12.0, 25.0, 45.0], options))
        self.pool = np.append(NO_POOL, rng.integers(NO_POOL, pools, options))
        values = rng.lognormal(6, 1.5, (rows, options + 1)).astype(np.int64) - 200
        if ties:
            values = np.broadcast_to(values[:1], values.shape).copy()
        values[rng.random(values.shape) < 0.3] = NOT_FREE
        values[:, 0] = 0
        self.values = values
        self.limit = rng.uniform(0.02, 0.5, pools) * rows * self.weight.mean()

    def allot(self) -> Allotment:
        return allot(self.values, weight=self.weight, pool=self.pool, limit=self.limit)

    def worth(self, place: npt.NDArray[np.int64]) -> int:
        return int(self.values[np.arange(len(place)), place].sum())

    def used(self, place: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return np.array(
            [self.weight[place][self.pool[place] == k].sum() for k in range(len(self.limit))]
        )

    def program(self) -> tuple[npt.NDArray[np.float64], ...]:
        """The same as a linear program over the options of every row."""
        rows, width = self.values.shape
        too_heavy = (self.pool != NO_POOL) & (self.weight > np.append(self.limit, 0.0)[self.pool])
        gain = np.where((self.values == NOT_FREE) | too_heavy, -1e9, self.values).ravel()
        one_each = np.kron(np.eye(rows), np.ones(width))
        weights = [
            np.tile(np.where(self.pool == k, self.weight, 0.0), rows)
            for k in range(len(self.limit))
        ]
        return gain, np.vstack([one_each, *weights]), np.concatenate([np.ones(rows), self.limit])


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(1, 200), st.integers(1, 8), st.integers(1, 3), st.booleans())
def test_no_pool_overflows_and_no_option_is_taken_that_may_not_be(
    seed: int, rows: int, options: int, pools: int, ties: bool
) -> None:
    market = Market(seed, rows=rows, options=options, pools=pools, ties=ties)
    found = market.allot()
    assert (market.values[np.arange(rows), found.place] != NOT_FREE).all()
    assert (market.used(found.place) <= market.limit).all()
    assert found.used.tolist() == market.used(found.place).tolist()


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(2, 80), st.integers(1, 6), st.booleans())
def test_one_pool_comes_within_the_largest_item_of_the_linear_bound(
    seed: int, rows: int, options: int, ties: bool
) -> None:
    market = Market(seed, rows=rows, options=options, pools=1, ties=ties)
    found = market.allot()
    gain, matrix, ceiling = market.program()
    relaxed = -linprog(-gain, A_ub=matrix, b_ub=ceiling, bounds=(0, 1)).fun
    largest = max(int(market.values.max()), 0)
    assert found.bound_cents == pytest.approx(relaxed, rel=1e-7, abs=0.1)
    assert found.bound_cents - largest - 0.1 <= market.worth(found.place)
    assert market.worth(found.place) <= found.bound_cents + 0.1


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(2, 80), st.integers(2, 8), st.integers(2, 3))
def test_several_pools_come_within_a_largest_item_each_of_the_linear_bound(
    seed: int, rows: int, options: int, pools: int
) -> None:
    market = Market(seed, rows=rows, options=options, pools=pools)
    found = market.allot()
    gain, matrix, ceiling = market.program()
    relaxed = -linprog(-gain, A_ub=matrix, b_ub=ceiling, bounds=(0, 1)).fun
    largest = max(int(market.values.max()), 0)
    assert found.bound_cents >= relaxed - 0.1
    assert relaxed - pools * largest - 0.1 <= market.worth(found.place) <= relaxed + 0.1


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 5), st.integers(1, 3), st.integers(1, 2))
def test_small_cases_are_within_the_largest_item_of_the_best_of_all(
    seed: int, rows: int, options: int, pools: int
) -> None:
    market = Market(seed, rows=rows, options=options, pools=pools)
    best = 0
    for places in product(range(options + 1), repeat=rows):
        place = np.array(places)
        allowed = (market.values[np.arange(rows), place] != NOT_FREE).all()
        if allowed and (market.used(place) <= market.limit).all():
            best = max(best, market.worth(place))
    found = market.worth(market.allot().place)
    assert best - pools * max(int(market.values.max()), 0) <= found <= best


def test_a_day_of_a_company_is_within_a_thousandth_of_the_best_there_is() -> None:
    market = Market(7, rows=400, options=6, pools=2)
    gain, matrix, ceiling = market.program()
    best = milp(
        -gain,
        constraints=LinearConstraint(matrix, -np.inf, ceiling),
        integrality=np.ones(len(gain)),
        bounds=Bounds(0, 1),
    )
    assert market.worth(market.allot().place) >= 0.999 * -best.fun


def test_of_equals_the_first_rows_are_served() -> None:
    found = allot(
        np.array([[0, 500]] * 6),
        weight=np.array([0.0, 12.0]),
        pool=np.array([NO_POOL, 0]),
        limit=np.array([30.0]),
    )
    assert found.place.tolist() == [1, 1, 0, 0, 0, 0]
    assert found.prices[0] == pytest.approx(500 / 12, rel=1e-4)


def test_without_limits_every_row_takes_its_best() -> None:
    market = Market(3, rows=50, options=5, pools=2)
    market.limit = np.full(2, np.inf)
    place = market.allot().place
    assert market.worth(place) == market.values.max(axis=1, initial=0).sum()


def test_an_option_that_no_day_can_hold_is_never_taken() -> None:
    found = allot(
        np.array([[0, 900, 10]]),
        weight=np.array([0.0, 60.0, 5.0]),
        pool=np.array([NO_POOL, 0, 0]),
        limit=np.array([30.0]),
    )
    assert found.place.tolist() == [2]
    assert found.bound_cents == pytest.approx(10)
