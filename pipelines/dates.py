"""Dates told from day numbers: the weekday, the month, whether it is the month's end."""

from functools import cache

import numpy as np

from pipelines.events import Counts, Flags, Whole

_LAST_DAY = 1 << 16  # in the year 2149; no calendar of ours reaches it
MONTH_END_DAYS = 3  # the last days of a month, in which month-end payment runs fall


def is_month_end(day: Whole) -> Flags:
    """Whether the day is among the last three of its month."""
    ends: Flags = month(day + MONTH_END_DAYS) != month(day)
    return ends


def weekday(day: Whole) -> Whole:
    """0 for Monday to 6 for Sunday."""
    return (day + 3) % 7


def month(day: Whole) -> Counts:
    """1 for January to 12 for December."""
    return _calendar()[0].take(day, mode="wrap")


def day_of_month(day: Whole) -> Counts:
    """1 for the first day of the month."""
    return _calendar()[1].take(day, mode="wrap")


@cache
def _calendar() -> tuple[Counts, Counts]:
    """The month and the day of the month of each day; those before 1970 wrap around to the end."""
    days = np.concatenate([np.arange(_LAST_DAY), np.arange(-_LAST_DAY, 0)])
    date = days.astype("datetime64[D]")
    months = date.astype("datetime64[M]")
    return months.astype(np.int64) % 12 + 1, (date - months).astype(np.int64) + 1
