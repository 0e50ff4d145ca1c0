"""Dates told from day numbers: the weekday, the month, whether it is the month's end."""

import numpy as np

from pipelines.events import Counts, Flags, Whole

MONTH_END_DAYS = 3  # the last days of a month, in which month-end payment runs fall


def is_month_end(day: Whole) -> Flags:
    """Whether the day is among the last three of its month."""
    later = (day.astype(np.int64) + MONTH_END_DAYS).astype("datetime64[D]")
    same_month = later.astype("datetime64[M]") == (later - MONTH_END_DAYS).astype("datetime64[M]")
    ends: Flags = ~same_month
    return ends


def weekday(day: Whole) -> Whole:
    """0 for Monday to 6 for Sunday."""
    return (day + 3) % 7


def month(day: Whole) -> Counts:
    """1 for January to 12 for December."""
    months = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    one_to_twelve: Counts = months % 12 + 1
    return one_to_twelve


def day_of_month(day: Whole) -> Counts:
    """1 for the first day of the month."""
    date = day.astype("datetime64[D]")
    since_first: Counts = (date - date.astype("datetime64[M]")).astype(np.int64)
    return since_first + 1
