from random import Random

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain import without_numba

from pipelines.ordering import order

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-(1 << 20), 1 << 20) | st.just(5), st.integers(-2, 2))
)


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_rows_come_by_owner_day_and_value_whatever_their_order_was(
    rows: list[tuple[int, int, int]], random: Random
) -> None:
    random.shuffle(rows)
    owner, day, value = np.array(rows, np.int64).reshape(-1, 3).T
    found = order(owner, day, value)
    assert [rows[i] for i in found.tolist()] == sorted(rows)


CROWDED = st.lists(
    st.tuples(*[st.integers(0, 1)] * 2, *[st.integers(-3, 3)] * 3), min_size=40, max_size=200
)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(CROWDED)
def test_many_events_of_one_day_are_told_apart_by_all_they_say_in_both_forms(
    rows: list[tuple[int, ...]],
) -> None:
    columns = np.array(rows, np.int64).T
    found = order(*columns)
    with without_numba():
        assert order(*columns).tolist() == found.tolist()
    assert [rows[i] for i in found.tolist()] == sorted(rows)


def test_keys_too_wide_to_pack_are_sorted_all_the_same() -> None:
    owner = np.array([1 << 40, 0, 1 << 40, 3], np.int64)
    day = np.array([1 << 20, 7, -5, 7], np.int64)
    assert order(owner, day).tolist() == [1, 3, 2, 0]
