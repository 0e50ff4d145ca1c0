"""Overlap: how much of both choices there is in like cases."""

import numpy as np

from models import overlap

CUSTOMERS = np.arange(40).astype(np.uint64)
ALL = np.ones(40, bool)


def measured(**changed: np.ndarray) -> overlap.Overlap:
    did = np.arange(40) % 2 == 0
    given = {
        "considered": ALL,
        "both": ALL,
        "did": did,
        "waited": ~did,
        "weight": np.full(40, 2.0),
        "customer": CUSTOMERS,
    }
    return overlap.measure(**{**given, **changed})  # type: ignore[arg-type]


def test_equal_weights_are_worth_their_customers() -> None:
    seen = measured()
    assert (seen.rows, seen.share, seen.customers) == (40, 1.0, 40)
    assert (seen.effective_action, seen.effective_wait, seen.largest_weight) == (20, 20, 2)
    assert seen.lacking == ""


def test_one_heavy_customer_is_worth_one() -> None:
    weight = np.where(np.arange(40) == 0, 1e6, 1.0)
    assert measured(weight=weight).effective_action < 1.1
    assert "did it with too few" in measured(weight=weight).lacking


def test_the_rows_of_one_customer_are_one() -> None:
    assert measured(customer=CUSTOMERS // np.uint64(20)).effective_wait == 2


def test_where_nobody_had_the_choice_nothing_can_be_said() -> None:
    seen = measured(both=np.zeros(40, bool))
    assert (seen.rows, seen.share) == (0, 0.0)
    assert "no case" in seen.lacking
    assert "waited with too few" in measured(waited=np.zeros(40, bool)).lacking
