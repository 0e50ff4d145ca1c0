from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from models import figures, looked_at
from models.looked_at import Explained
from tests.trained import Trained


def bytes_of(figure: object) -> int:
    out = BytesIO()
    figure.savefig(out, format="png")  # type: ignore[attr-defined]
    return len(out.getvalue())


def test_pictures_are_drawn_small_also_of_no_rows(trained: Trained) -> None:
    told = looked_at.explained(trained.model)
    none = looked_at.explained(replace(trained.model, golden=None))
    for draw in (figures.shap_summary, figures.shap_dependence):
        assert bytes_of(draw(none)) < bytes_of(draw(told)) < 300_000


@pytest.mark.parametrize("draw", [figures.shap_summary, figures.shap_dependence])
def test_a_feature_that_is_missing_everywhere_is_drawn(draw: object) -> None:
    told = Explained(("a",), np.full((3, 1), np.nan), np.ones((3, 1)))
    assert bytes_of(draw(told))  # type: ignore[operator]
