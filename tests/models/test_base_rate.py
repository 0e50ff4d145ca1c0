"""The base rate: a shift that was put in is found again, and moves nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import base_rate, metrics
from models.base_rate import shift, shifted


def drawn(by: float, rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes whose log-odds are moved by so much from what is said of them."""
    dice = np.random.default_rng(4)
    p = dice.beta(1, 3, rows)
    return (dice.uniform(size=rows) < shifted(p, by)).astype(float), p


@pytest.mark.parametrize("by", [-1.0, 0.0, 0.4])
def test_the_shift_of_drawn_outcomes_is_found_again_and_gains(by: float) -> None:
    y, p = drawn(by)
    found = shift(y, p)

    assert found == pytest.approx(by, abs=0.06)
    assert np.mean(shifted(p, found)) == pytest.approx(y.mean(), abs=1e-9)
    assert metrics.log_loss(y, shifted(p, found)) <= metrics.log_loss(y, p)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(-2, 2))
def test_a_shift_never_changes_an_order_and_leaves_probabilities(p: list[float], by: float) -> None:
    asked = np.sort(p)
    moved = shifted(asked, by)

    assert (np.diff(moved) >= 0).all()
    assert ((moved > 0) & (moved < 1)).all()


@pytest.mark.parametrize("came", [0.0, 1.0])
def test_outcomes_that_are_all_alike_shift_no_further_than_the_bound(came: float) -> None:
    found = shift(np.full(50, came), np.full(50, 0.5))

    assert abs(found) <= base_rate.MOST


def test_nothing_learned_shifts_nothing() -> None:
    none = np.empty(0)
    assert shift(none, none) == 0.0
