"""Where the pictures' shapes stand: sums that add up, curves that begin today."""

from datetime import date, timedelta
from itertools import pairwise

import pytest

from serving import charts, survival

DUE = date(2026, 6, 10)


@pytest.mark.parametrize(
    ("base", "pushes"),
    [(0.25, (0.25, 0.125)), (0.5, (0.3, -0.6, 0.1)), (-200.0, (50.0, -20.0)), (0.0, ())],
)
def test_each_bar_of_a_waterfall_begins_where_the_last_one_ended(base, pushes):
    first, *fallen, whole = charts.waterfall(base, pushes)
    ends = [base]
    for push in pushes:
        ends.append(ends[-1] + push)
    zero = first["left"] if base >= 0 else first["left"] + first["width"]
    span = (max(0.0, *ends) - min(0.0, *ends)) or 1.0
    for bar, (begin, end) in zip(fallen, pairwise(ends), strict=True):
        assert bar["left"] == pytest.approx(zero + 100 * min(begin, end) / span)
        assert bar["width"] == pytest.approx(100 * abs(end - begin) / span)
        assert bar["kind"] == ("worse" if end > begin else "better")
    assert whole["width"] == pytest.approx(100 * abs(ends[-1]) / span)
    assert all(0 <= bar["left"] and bar["left"] + bar["width"] <= 100.001 for bar in fallen)


def drawn(row, as_of):
    return survival.curve(row(due_business_date=DUE), as_of)


def test_a_curve_begins_today_at_one_and_never_rises(row):
    for days_past_due in (-20, 0, 45):
        curve = drawn(row, DUE + timedelta(days=days_past_due))
        points = [tuple(map(float, p.split())) for p in curve["line"][1:].split("L")]
        assert points[0] == pytest.approx((curve["today"], survival.TOP), abs=0.1)
        assert all(one[1] <= other[1] and one[0] < other[0] for one, other in pairwise(points))
        assert len(curve["dots"]) == sum(d > days_past_due for d in (0, 30, 60, 90, 180))


def test_an_invoice_past_the_last_horizon_has_no_curve(row):
    assert drawn(row, DUE + timedelta(days=180)) is None


def test_the_interval_is_drawn_inside_the_box_whatever_its_days(row):
    far = row(due_business_date=DUE, date_lo=DUE - timedelta(days=400), date_hi=None)
    left, width = survival.curve(far, DUE)["band"]
    assert left == survival.LEFT
    assert left + width == survival.WIDTH - survival.RIGHT
