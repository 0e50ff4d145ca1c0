"""The next day on which an invented customer pays: any business day, or its fixed payment run."""

from dataclasses import dataclass

import numpy as np

from pipelines import calendars
from pipelines.invented.customers import COUNTRIES, RUNS
from pipelines.ledger import NEVER

AHEAD_DAYS = 1_500  # how far after the ledger's end payments are followed; later is never
BEHIND_DAYS = 60


@dataclass(frozen=True)
class Paydays:
    """For each country and run, the first payment day on or after each day from `first`."""

    first: int
    table: np.ndarray  # int32 [country, run, day]

    def next_day(
        self, day: np.ndarray, *, country: np.ndarray, run: np.ndarray | int = 0
    ) -> np.ndarray:
        """The first payment day on or after `day`; NEVER past the table's end."""
        at = np.maximum(np.asarray(day, np.int64) - self.first, 0)
        inside = at < self.table.shape[2]
        found = self.table[country, run, np.where(inside, at, 0)]
        return np.where(inside, found, NEVER)


def paydays(*, start: int, until: int) -> Paydays:
    """The payment days of all countries around a ledger that runs from `start` to `until`."""
    first, last = start - BEHIND_DAYS, until + AHEAD_DAYS
    table = np.empty((len(COUNTRIES), len(RUNS), last - first + 1), np.int32)
    for code, country in enumerate(COUNTRIES):
        calendar = calendars.business_days(country)
        day = np.arange(first, last + 45, dtype=np.int32)
        next_business = calendar.next_business[day]
        for run in range(len(RUNS)):
            chosen = np.unique(next_business[_run_days(day, run)])
            at = np.searchsorted(chosen, day[: table.shape[2]])
            table[code, run] = chosen[at]
    return Paydays(first, table)


def _run_days(day: np.ndarray, run: int) -> np.ndarray:
    """Which of these days belong to the run, before they roll to a business day."""
    dates = day.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    day_of_month = (dates - month.astype("datetime64[D]")).astype(int) + 1
    if RUNS[run] == "10th_and_25th":
        return np.isin(day_of_month, (10, 25))
    if RUNS[run] == "fridays":
        return np.asarray((day + 3) % 7 == 4)  # 1970-01-01 was a Thursday
    if RUNS[run] == "month_end":
        return np.asarray((dates + 1).astype("datetime64[M]") != month)
    return np.ones(len(day), bool)
