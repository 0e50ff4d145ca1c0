from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from models import figures
from models.figures import Explained
from tests.trained import Trained


def bytes_of(figure: object) -> int:
    out = BytesIO()
    figure.savefig(out, format="png")  # type: ignore[attr-defined]
    return len(out.getvalue())


def test_the_golden_rows_are_explained_as_the_trees_explain_them(trained: Trained) -> None:
    told = figures.explained(trained.model)
    raw = trained.model.trees.predict(told.values)
    np.testing.assert_allclose(trained.model.trees.base + told.contributions.sum(axis=1), raw)
    assert told.names == trained.model.trees.feature_names


def test_the_largest_columns_come_first_and_those_without_a_say_not_at_all() -> None:
    told = Explained(("a", "b", "c"), np.zeros((2, 3)), np.array([[0, 1, -3], [0, -1, 2.0]]))
    assert told.largest(5) == [2, 1]


def test_pictures_are_drawn_small_also_of_no_rows(trained: Trained) -> None:
    told = figures.explained(trained.model)
    none = figures.explained(replace(trained.model, golden=None))
    for draw in (figures.shap_summary, figures.shap_dependence):
        assert bytes_of(draw(none)) < bytes_of(draw(told)) < 300_000


@pytest.mark.parametrize("draw", [figures.shap_summary, figures.shap_dependence])
def test_a_feature_that_is_missing_everywhere_is_drawn(draw: object) -> None:
    told = Explained(("a",), np.full((3, 1), np.nan), np.ones((3, 1)))
    assert bytes_of(draw(told))  # type: ignore[operator]
