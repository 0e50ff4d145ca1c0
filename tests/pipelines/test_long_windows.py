"""Windows of so many values that the products of their sums no longer fit into 64 bits."""

import math

import numpy as np
import pytest

from pipelines import as_of_compiled, as_of_numpy, window_compiled, window_numpy


@pytest.mark.parametrize("count", [2, 1_000, 100_000])
def test_the_deviation_of_many_values_is_that_of_few_in_every_form(count: int) -> None:
    values = np.tile([20_000, 200_000], count // 2).astype(np.int64)
    total, squares = (np.append(0, np.cumsum(of)) for of in (values, values**2))
    low, high = np.array([0]), np.array([count])
    found = [
        as_of_compiled.deviations(total, squares, low, high).item(),
        as_of_numpy.deviations(total, squares, low, high).item(),
        window_compiled.deviation(values, 0, count),
        window_numpy.deviation(values, 0, count),
    ]
    assert found == [found[0]] * 4
    assert math.isclose(found[0], 90_000 * math.sqrt(count / (count - 1)), rel_tol=1e-12)
