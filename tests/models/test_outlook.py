"""Dates, days late and money from curves whose answers are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import outlook
from models.horizons import ALL_HORIZONS_DAYS
from models.outlook import BANDS, Economics, Outlook

TODAY = 20_000


def read(survival: object, *, age: int = 0) -> Outlook:
    """What is read of an invoice of this age whose curve is `survival(days ahead)`."""
    as_of, due = np.array([TODAY], np.int32), np.array([TODAY - age], np.int32)
    ahead = outlook.questions(as_of, due)
    curve = np.where(ahead < 0, 1.0, survival(np.maximum(ahead, 0)))  # type: ignore[operator]
    return outlook.read(curve, ahead, as_of=as_of, due_day=due)


def steady(hazard: float) -> object:
    """Every day the same share of what is left is paid."""
    return lambda ahead: (1 - hazard) ** (ahead + 1.0)


AGES = st.integers(-120, 400)


@settings(max_examples=80, deadline=None)
@given(AGES, st.floats(0.0005, 0.5))
def test_the_probabilities_are_the_curve_at_the_horizons_and_1_where_they_have_passed(
    age: int, hazard: float
) -> None:
    found = read(steady(hazard), age=age).probabilities[0]
    for p, horizon in zip(found, ALL_HORIZONS_DAYS, strict=True):
        expected = 1.0 if horizon < age else (1 - hazard) ** (horizon - age + 1)
        assert p == pytest.approx(expected, rel=1e-12)
    assert (np.diff(found) <= 0).all()


@settings(max_examples=80, deadline=None)
@given(AGES, st.floats(0.0005, 0.5))
def test_days_late_agree_with_a_plain_sum_over_days(age: int, hazard: float) -> None:
    days = range(0, max(180 - age, 0))
    plain = min(age, 180) + sum((1 - hazard) ** (day + 1) for day in days)
    found = read(steady(hazard), age=age).expected_days_late[0]
    # Straight between the days at which it is read, a convex curve is taken to lie higher: by at
    # most step**3 / 12 times its second derivative, the error of the trapezoidal rule.
    ahead = outlook.questions(np.array([age], np.int32), np.zeros(1, np.int32))[0]
    k = np.concatenate([[-1], np.unique(ahead[ahead >= 0])])
    bend = np.log1p(-hazard) ** 2 * (1 - hazard) ** (k[:-1] + 1)
    above = float((np.diff(k) ** 3 / 12 * bend).sum())
    assert plain - 1e-9 <= found <= plain + above + 1e-9


def test_days_late_of_a_curve_that_is_straight_between_the_grid_are_exact() -> None:
    def straight(ahead: np.ndarray) -> np.ndarray:
        return 1 - (ahead + 1) / 400

    for age in (-50, -1, 0, 17, 100, 179, 180, 181, 300):
        plain = min(age, 180) + sum(1 - (day + 1) / 400 for day in range(max(180 - age, 0)))
        assert read(straight, age=age).expected_days_late[0] == pytest.approx(plain, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(AGES, st.floats(0.001, 0.6))
def test_the_dates_are_the_quantiles_of_the_curve(age: int, hazard: float) -> None:
    found = read(steady(hazard), age=age)
    end = max(180, 180 - age)
    for level, day in ((0.9, found.date_lo), (0.5, found.expected_date), (0.1, found.date_hi)):
        plain = next((d for d in range(end + 1) if (1 - hazard) ** (d + 1) <= level), None)
        if plain is None:
            assert np.isnan(day[0])
        else:
            # between the days at which the curve is read it is straight
            assert day[0] - TODAY == pytest.approx(plain, abs=1 + plain / 25)


@settings(max_examples=60, deadline=None)
@given(AGES, st.floats(0.0001, 0.9))
def test_dates_come_in_order_not_before_today_and_end_where_the_mass_lies_beyond(
    age: int, hazard: float
) -> None:
    found = read(steady(hazard), age=age)
    dates = np.array([found.date_lo[0], found.expected_date[0], found.date_hi[0]])
    told = dates[~np.isnan(dates)]
    assert (told >= TODAY).all()
    assert (np.diff(told) >= 0).all()
    for level, day in zip((0.9, 0.5, 0.1), dates, strict=True):
        assert np.isnan(day) == (found.mass_beyond[0] > level)


def test_a_day_is_in_the_interval_when_more_than_half_of_it_is() -> None:
    for most, first in (
        (0.21, 0),
        (0.19, 1),
    ):  # paid today; a tenth of all lies before the interval
        found = read(lambda ahead, p=most: np.where(ahead < 1, 1 - p, 0.0), age=0)
        assert found.date_lo[0] - TODAY == first
        late = read(lambda ahead, p=most: np.where(ahead < 1, p, 0.0), age=0)
        assert late.date_hi[0] - TODAY == 1 - first


def test_an_invoice_surely_paid_in_a_week_by_hand() -> None:
    found = read(lambda ahead: np.where(ahead < 7, 1.0, 0.0), age=0)
    assert found.expected_date[0] == found.date_lo[0] == found.date_hi[0] == TODAY + 7
    assert found.expected_days_late[0] == pytest.approx(7)
    assert found.mass_beyond[0] == 0
    assert found.probabilities[0].tolist() == [1, 0, 0, 0, 0]


def test_what_is_never_paid_is_180_days_late_without_a_date() -> None:
    for age in (-30, 0, 90, 500):
        found = read(lambda ahead: np.ones(ahead.shape), age=age)
        assert found.expected_days_late[0] == 180
        assert np.isnan([found.expected_date[0], found.date_lo[0], found.date_hi[0]]).all()
        assert found.mass_beyond[0] == 1


def test_what_is_paid_before_it_is_due_is_late_by_fewer_than_no_days() -> None:
    assert read(lambda ahead: np.zeros(ahead.shape), age=-20).expected_days_late[0] == -20


def test_the_questions_rise_and_hold_every_horizon() -> None:
    as_of = np.full(3, TODAY, np.int32)
    ahead = outlook.questions(as_of, as_of + np.array([-400, 0, 75], np.int32))
    assert (np.diff(ahead, axis=1) >= 0).all()
    for row, to_due in zip(ahead.tolist(), (-400, 0, 75), strict=True):
        assert {to_due + h for h in ALL_HORIZONS_DAYS} <= set(row)


def test_the_share_lost_grows_with_the_age_in_buckets() -> None:
    ages = np.array([-40, 0, 1, 30, 31, 60, 61, 90, 91, 400], np.int32)
    low, to_30, to_60, to_90, beyond = Economics().lgd
    assert outlook.lgd(ages, Economics()).tolist() == [
        low, low, to_30, to_30, to_60, to_60, to_90, to_90, beyond, beyond,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("p", "at_risk_cents", "band"),
    [
        (0.05, 50_000, "low"),
        (0.10, 50_000, "medium"),
        (0.30, 50_000, "high"),
        (0.60, 50_000, "critical"),
        (0.05, 1_000_000, "medium"),
        (0.70, 9_000_000, "critical"),
        (0.35, 2_499, "medium"),
        (0.01, 0, "low"),
    ],
)
def test_the_probability_gives_the_band_and_the_money_moves_it_by_one(
    p: float, at_risk_cents: int, band: str
) -> None:
    found = outlook.bands(np.array([p]), np.array([at_risk_cents]), Economics())
    assert BANDS[found[0]] == band
