"""Ids are sought in one way where they are few and in another where they are many."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines import ledger
from pipelines.ledger import numbered, rows_of_each

IDS = st.lists(st.none() | st.sampled_from(["a", "b", "", "A", "è", "a "]), max_size=12)


@st.composite
def columns(draw: st.DrawFn) -> pa.ChunkedArray | pa.Array:
    """In one piece, in several, or a part of a longer one."""
    ids = draw(IDS)
    cut = draw(st.integers(0, len(ids)))
    whole = pa.array(ids, pa.string())
    pieces = pa.chunked_array([whole[:cut], whole[cut:]], pa.string())
    return draw(st.sampled_from([whole, whole[cut:], pieces]))


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(columns(), min_size=1, max_size=3), columns())
def test_few_ids_are_found_where_many_would_be(
    sought: list[pa.ChunkedArray | pa.Array], among: pa.ChunkedArray | pa.Array
) -> None:
    few = rows_of_each(sought, among=among)
    few_numbers, few_values = numbered(among)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "FEW", 0)
        many = rows_of_each(sought, among=among)
        many_numbers, many_values = numbered(among)

    assert [rows.tolist() for rows in many] == [rows.tolist() for rows in few]
    assert {rows.dtype for rows in few + many} == {np.dtype(np.int64)}
    assert (many_numbers.tolist(), many_values) == (few_numbers.tolist(), few_values)


def test_the_first_of_equal_ids_is_found_on_either_side_of_the_boundary() -> None:
    for count in (10, ledger.FEW + 10):
        among = pa.array(["twice", None, "twice", *(f"I{i}" for i in range(count))])
        (rows,) = rows_of_each([pa.array(["twice", None, "I3", "none"])], among=among)
        assert rows.tolist() == [0, -1, 6, -1]
