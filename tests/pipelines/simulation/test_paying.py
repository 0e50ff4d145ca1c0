"""What is expected of an invoice, in closed form and day by day."""

import numpy as np
import pytest

from pipelines.simulation.paying import BOOST_DAYS, SPAN_DAYS, Flow, Outlook


def outlook(*, age: float = 3.0, stuck: float = 0.2) -> Outlook:
    flow = Flow(*(np.array([x]) for x in (8.0, 0.004, 0.06, 0.03)))
    return Outlook(flow, np.array([age]), np.array([stuck]))


def test_days_open_are_the_sum_of_the_chances_to_be_open() -> None:
    of = outlook()
    fine = np.linspace(0, SPAN_DAYS, 20_001)
    summed = np.trapezoid([of.open_at(3.0 + t)[0] for t in fine], fine)
    assert of.days_open(SPAN_DAYS)[0] == pytest.approx(summed, rel=1e-5)


def test_an_action_that_does_nothing_changes_nothing() -> None:
    days, unpaid = outlook().changed(np.ones(1), np.zeros(1))
    assert days[0] == 0
    assert unpaid[0] == pytest.approx(0)


@pytest.mark.parametrize(("boost", "freed"), [(2.0, 0.0), (1.0, 0.5), (3.0, 0.3)])
def test_what_an_action_gains_is_what_the_days_show(boost: float, freed: float) -> None:
    of = outlook(age=10.0)
    told, fall = of.changed(np.array([boost]), np.array([freed]))
    fine = np.linspace(0, SPAN_DAYS, 9_001)
    passed = of.flow.passed(10.0 + fine) - of.flow.passed(10.0)
    extra = of.flow.passed(10.0 + np.minimum(fine, BOOST_DAYS)) - of.flow.passed(10.0)
    flows = np.exp(-passed - (boost - 1) * extra)
    still = np.exp(-0.003 * fine)
    after = 0.8 * flows + 0.2 * (freed * flows + (1 - freed) * still)
    before = 0.8 * np.exp(-passed) + 0.2 * still
    # inside the boost the gain is taken to grow evenly: within a sixth
    assert told[0] == pytest.approx(np.trapezoid(before - after, fine), rel=0.16)
    assert 0 < fall[0] < 1
