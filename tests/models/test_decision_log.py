"""The log as arrays: what a row must be, and what its propensities say of the others."""

import numpy as np
import pytest

from models.decision_log import DecisionLog


def a_log(**changed: object) -> DecisionLog:
    columns: dict[str, object] = {
        "action": ["wait", "call", "letter"],
        "customer": [1, 1, 2],
        "features": [[1.0], [2.0], [np.nan]],
        "outcomes": {"days": [3.0, np.nan, 5.0]},
    }
    return DecisionLog.of(**{**columns, **changed})  # type: ignore[arg-type]


def test_the_actions_seen_follow_wait() -> None:
    log = a_log()
    assert log.codes == ("wait", "call", "letter")
    assert log.action.tolist() == [0, 1, 2]
    assert not log.randomised.any()


def test_one_propensity_of_two_tells_the_other() -> None:
    log = a_log(action=["wait", "call", "call"], propensities=[0.25, 0.9, np.nan])
    assert np.allclose(log.propensities[:2], [[0.25, 0.75], [0.1, 0.9]])
    assert np.isnan(log.propensities[2]).all()
    assert log.randomised.tolist() == [True, True, False]


def test_one_propensity_of_three_tells_no_other_unless_nothing_is_left() -> None:
    log = a_log(propensities=[0.25, 1.0, 0.5])
    assert np.isnan(log.propensities[0, 1:]).all()
    assert log.propensities[1].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"propensities": [0.5, 1.5, 0.5]}, "from 0 to 1"),
        ({"propensities": np.full((3, 3), 0.5)}, "sum to at most 1"),
        ({"propensities": np.full((3, 3), 0.2)}, "must sum to 1"),
        ({"propensities": [[0, 1, 0]] * 3}, "what was done to be possible"),
        ({"propensities": [[0.5, 0.5]] * 3}, "rows and one column or 3"),
        ({"codes": ("call", "wait", "letter")}, "begin with wait"),
        ({"codes": ("wait", "call")}, "hold every action done"),
        ({"customer": [1, 2]}, "customer: expected 3 rows, got: 2"),
        ({"feature_names": ["a", "b"]}, "feature_names: expected 1, got: 2"),
        ({"outcomes": {"days": [1.0]}}, "days: expected 3 rows, got: 1"),
    ],
)
def test_a_log_that_contradicts_itself_is_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        a_log(**changed)


def test_taking_rows_takes_all_columns() -> None:
    taken = a_log(stratum=["a", "b", "a"]).take(np.array([False, True, True]))
    assert taken.action.tolist() == [1, 2]
    assert [taken.strata[s] for s in taken.stratum] == ["b", "a"]
    assert np.isnan(taken.outcomes["days"][0])
    assert taken.customer.tolist() == [1, 2]
