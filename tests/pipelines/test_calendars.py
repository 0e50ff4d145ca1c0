import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from pipelines import calendars


def day(text: str) -> int:
    return (dt.date.fromisoformat(text) - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("country", "due", "business"),
    [
        ("IT", "2026-04-24", "2026-04-24"),  # a Friday
        ("IT", "2026-04-25", "2026-04-27"),  # Liberation Day, a Saturday
        ("IT", "2026-04-05", "2026-04-07"),  # Easter, then Easter Monday
        ("FR", "2026-07-14", "2026-07-15"),
        ("IT", "2026-07-14", "2026-07-14"),
        ("SA", "2026-07-17", "2026-07-19"),  # Friday and Saturday are the weekend there
        ("EL", "2026-03-25", "2026-03-26"),  # Greece, as its VAT numbers write it
        (None, "2026-12-25", "2026-12-25"),  # nothing is known but weekends
        ("Atlantis", "2026-12-26", "2026-12-28"),
        ("ITA", "2026-12-25", "2026-12-28"),
        ("Roma", "2026-12-25", "2026-12-25"),  # no country, but a constant of the library
        ("sun", "2026-12-25", "2026-12-25"),
        ("NYSE", "2026-12-25", "2026-12-25"),
        (" it ", "2026-12-25", "2026-12-28"),
    ],
)
def test_a_due_date_rolls_to_the_next_business_day_of_its_country(
    country: str | None, due: str, business: str
) -> None:
    assert calendars.business_days(country).next_business[day(due)] == day(business)


def test_a_business_day_stays_and_the_running_count_grows_by_one_on_it() -> None:
    calendar = calendars.business_days("IT")
    assert np.array_equal(
        calendar.next_business == np.arange(len(calendar.next_business)), calendar.is_business
    )
    assert np.array_equal(np.diff(calendar.count, prepend=0) == 1, calendar.is_business)


def test_one_calendar_is_built_for_each_country() -> None:
    assert calendars.business_days("IT") is calendars.business_days("it")
    assert calendars.business_days("IT") is calendars.business_days("ITA")


def test_days_outside_the_calendar_are_left_as_they_are() -> None:
    outside = np.array([-400, 1 << 20], np.int32)
    assert np.array_equal(calendars.business_days("IT").roll(outside), outside)


def test_each_day_rolls_by_the_country_beside_it() -> None:
    due = np.full(3, day("2026-07-14"), np.int32)
    rolled = calendars.roll(due, pa.array(["FR", None, "IT"]))
    assert rolled.tolist() == [day("2026-07-15"), day("2026-07-14"), day("2026-07-14")]
