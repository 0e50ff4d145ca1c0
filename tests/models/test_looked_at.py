from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models import looked_at
from models.looked_at import Column, Explained, LookedAt
from models.metrics import Bin
from tests.trained import Trained

RELIABILITY = {"p_late_30": [Bin(10, 0.125, 0.1)]}


def test_the_golden_rows_are_explained_as_the_trees_explain_them(trained: Trained) -> None:
    told = looked_at.explained(trained.model)
    raw = trained.model.trees.predict(told.values)
    np.testing.assert_allclose(trained.model.trees.base + told.contributions.sum(axis=1), raw)
    assert told.names == trained.model.trees.feature_names


def test_the_largest_columns_come_first_and_those_without_a_say_not_at_all() -> None:
    told = Explained(("a", "b", "c"), np.zeros((2, 3)), np.array([[0, 1, -3], [0, -1, 2.0]]))
    assert told.largest(5) == [2, 1]
    assert [column.name for column in looked_at.kept(told, {}).columns] == ["c", "b"]
    assert looked_at.kept(told, {}).columns[0].mean_push == 2.5


def test_of_a_model_without_golden_rows_nothing_is_kept(trained: Trained) -> None:
    none = looked_at.explained(replace(trained.model, golden=None))
    assert looked_at.kept(none, RELIABILITY) == LookedAt((), RELIABILITY)


@pytest.mark.parametrize(
    ("pushed", "direction"),
    [([1, 2, 3, 9, 0], 1), ([3, 2, 2, 1, 0], -1), ([1, 5, 0, 1, 5], 0), ([2, 2, 2, 2, 2], 0)],
)
def test_a_direction_is_told_only_where_it_is_clear(pushed: list[float], direction: int) -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0, np.nan])
    assert Column("a", values, np.array(pushed, np.float64)).direction == direction


def test_what_is_missing_everywhere_has_no_direction() -> None:
    assert Column("a", np.full(3, np.nan), np.array([1.0, 2.0, 3.0])).direction == 0


numbers = st.floats(-1e12, 1e12)


@given(
    arrays(np.float64, 5, elements=numbers | st.just(np.nan)),
    arrays(np.float64, 5, elements=numbers),
)
def test_what_is_kept_comes_back_to_five_digits(
    values: np.ndarray, contributions: np.ndarray
) -> None:
    before = LookedAt((Column("a", values, contributions),), RELIABILITY)
    after = looked_at.parse(looked_at.text(before))
    assert after.reliability == before.reliability
    np.testing.assert_allclose(after.columns[0].values, values, rtol=1e-4)
    np.testing.assert_allclose(after.columns[0].contributions, contributions, rtol=1e-4)
