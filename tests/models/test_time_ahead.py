"""Time ahead: every column moves one way as the days grow, and counts the days it says."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.time_ahead import EARLIEST, TIME_FEATURES, USUAL_GAP_DAYS, WorkingDays, columns, logit

EPOCH = date(1970, 1, 1)
MONDAY = (date(2024, 1, 1) - EPOCH).days
LAST = MONDAY + 1000


def working(*holidays: int) -> np.ndarray:
    """Monday to Friday but for these days, as running counts by weekday."""
    day = np.arange(LAST)
    works = ((day + 3) % 7 < 5) & ~np.isin(day, holidays)
    return np.stack(
        [np.append(0, np.cumsum(works & ((day + 3) % 7 == weekday))) for weekday in range(7)]
    )


CALENDARS = WorkingDays(np.stack([working(), working(MONDAY + 2)]).astype(np.int32))
WEEKDAYS = np.array([0.2] * 5 + [0.0, 0.0])
FRIDAYS = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0])


def table(
    ahead: np.ndarray,
    *,
    as_of: int = MONDAY,
    due: int = MONDAY + 10,
    calendar: int = 0,
    share: np.ndarray = WEEKDAYS,
    gap: float = 7.0,
) -> dict[str, np.ndarray]:
    """The columns of one question, by name."""
    survival = np.exp(-ahead / 40.0)[None, :]
    found = columns(
        as_of=np.array([as_of], np.int32),
        due_day=np.array([due], np.int32),
        days_ahead=ahead[None, :].astype(np.int32),
        calendar=np.array([calendar], np.int32),
        working_days=CALENDARS,
        weekday_share=share[None, :],
        gap_days=np.array([gap]),
        curve=survival,
        cohort=survival**2,
    )
    return dict(zip(TIME_FEATURES, found[0].T, strict=True))


@settings(max_examples=50, deadline=None)
@given(
    st.integers(MONDAY, MONDAY + 300),
    st.integers(-100, 100),
    st.lists(st.floats(0, 1), min_size=7, max_size=7),
    st.one_of(st.just(float("nan")), st.floats(0, 100)),
)
def test_every_column_moves_one_way_as_the_days_grow(
    as_of: int, to_due: int, share: list[float], gap: float
) -> None:
    found = table(np.arange(300), as_of=as_of, due=as_of + to_due, share=np.array(share), gap=gap)
    for name, direction in TIME_FEATURES.items():
        steps = np.diff(found[name])
        # a column that must lower the chance grows with time; the curves fall with it
        assert (steps * -direction >= 0).all(), name


def test_business_days_are_counted_after_today_up_to_the_day_asked() -> None:
    ahead = np.array([0, 1, 4, 5, 6, 7, 8])
    assert table(ahead)["business_days_ahead"].tolist() == [0, 1, 4, 4, 4, 5, 6]


def test_a_holiday_is_no_business_day_where_it_is_kept() -> None:
    ahead = np.array([1, 2, 3])
    assert table(ahead, calendar=1)["business_days_ahead"].tolist() == [1, 1, 2]
    assert table(ahead, calendar=0)["business_days_ahead"].tolist() == [1, 2, 3]


def test_a_payer_of_fridays_has_its_payday_on_fridays() -> None:
    ahead = np.array([3, 4, 10, 11])
    assert table(ahead, share=FRIDAYS)["habitual_paydays_ahead"].tolist() == [0, 5, 5, 10]
    any_day = table(ahead)
    np.testing.assert_allclose(any_day["habitual_paydays_ahead"], any_day["business_days_ahead"])


@pytest.mark.parametrize("start", [date(2024, 1, 1), date(2024, 1, 31), date(2024, 2, 15)])
def test_month_ends_are_counted_as_the_calendar_has_them(start: date) -> None:
    ahead = np.arange(0, 130)
    plain = [sum((start + timedelta(d + 1)).day == 1 for d in range(1, int(k) + 1)) for k in ahead]
    assert table(ahead, as_of=(start - EPOCH).days)["month_ends_ahead"].tolist() == plain


def test_days_ahead_are_measured_in_the_customers_own_gaps() -> None:
    ahead = np.array([7, 14])
    assert table(ahead, gap=7.0)["payment_gaps_ahead"].tolist() == [1, 2]
    assert table(ahead, gap=0.25)["payment_gaps_ahead"].tolist() == [7, 14]  # a day at least
    unknown = table(ahead, gap=float("nan"))["payment_gaps_ahead"]
    assert unknown.tolist() == [7 / USUAL_GAP_DAYS, 14 / USUAL_GAP_DAYS]


def test_days_past_due_are_counted_then_and_far_before_the_due_date_all_days_are_one() -> None:
    found = table(np.array([0, 10, 12]), due=MONDAY + 10)["days_past_due_then"]
    assert found.tolist() == [-10, 0, 2]
    assert (
        table(np.array([0, 5]), due=MONDAY + 200)["days_past_due_then"].tolist() == [EARLIEST] * 2
    )


def test_log_odds_stay_finite_and_turn_around_a_half() -> None:
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
    p = np.linspace(0.01, 0.99, 9)
    np.testing.assert_allclose(logit(p), -logit(1 - p), atol=1e-12)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit(p))), p)
