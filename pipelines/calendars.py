"""Business days: which days a country works, and where a due date rolls to when it does not."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.ledger import numbered

Days = npt.NDArray[np.int32]

FIRST_YEAR, LAST_YEAR = 1990, 2079
_EPOCH = dt.date(1970, 1, 1)
_DAYS = (dt.date(LAST_YEAR, 12, 31) - _EPOCH).days + 1

SATURDAY, SUNDAY = 5, 6
VAT_PREFIXES: Mapping[str, str] = {"EL": "GR", "UK": "GB"}  # as VAT numbers write these countries


@dataclass(frozen=True)
class Calendar:
    """A country's working days, by day since 1970-01-01 and up to the end of 2079.

    Before 1990 only weekends are known, and days outside the table are taken as they are.
    """

    is_business: npt.NDArray[np.bool_]
    next_business: Days  # the day itself where it is a business day
    count: Days  # business days up to and including the day

    def roll(self, days: Days) -> Days:
        """Each day, or the first business day after it (Regulation 1182/71, art. 3(4))."""
        inside = (days >= 0) & (days < _DAYS)
        return np.where(inside, self.next_business[np.where(inside, days, 0)], days)


def business_days(country: str | None) -> Calendar:
    """The calendar of a country by its ISO code; weekends only where the country is not known."""
    code = code_of(country)
    return _calendar(code) if code else _weekends_only()


def code_of(country: str | None) -> str:
    """The ISO code of a country whose holidays are known, from either of its codes; "" for others.

    One name for each calendar: what is kept by it does not grow with what a ledger calls countries.
    """
    told = (country or "").strip().upper()
    return _codes().get(VAT_PREFIXES.get(told, told), "") if told else ""


def roll(
    days: Days, countries: pa.Array | pa.ChunkedArray, rows: npt.NDArray[np.int64] | None = None
) -> Days:
    """Each day rolled forward by the calendar of its country: that of `rows`, or beside it.

    Where a row is negative the country is not known.
    """
    known, found = numbered(countries)
    if len(known) == 1 and rows is not None and len(rows) and rows.min() >= 0:
        return business_days(found[0] if found else None).roll(days)
    codes = np.append(known, len(found))  # the last place: those that no row knows
    codes = codes[:-1] if rows is None else codes[rows]
    rolled = np.empty(len(days), np.int32)

    for code, country in enumerate([*found, None]):
        mine = np.flatnonzero(codes == code)
        rolled[mine] = business_days(country).roll(days[mine])
    return rolled


@cache
def _codes() -> Mapping[str, str]:
    """ISO 3166's code of two letters by itself and by that of three.

    Asked by any other name the library gives a stock exchange's days, or a constant of its own: for
    ROMA a name of days, for SUN a number.
    """
    from holidays.registry import COUNTRIES

    pairs = [(two, three) for _, two, three, *_ in COUNTRIES.values()]
    return {code: two for two, three in pairs for code in (two, three)}


@cache
def _calendar(country: str) -> Calendar:
    import holidays  # dear to import, and only needed once a due date is rolled

    table = holidays.country_holidays(country, years=range(FIRST_YEAR, LAST_YEAR + 1))
    return _working_days([(day - _EPOCH).days for day in table], sorted(table.weekend))


@cache
def _weekends_only() -> Calendar:
    return _working_days([], [SATURDAY, SUNDAY])


def _working_days(holidays: list[int], weekend: list[int]) -> Calendar:
    weekday = (np.arange(_DAYS) + 3) % 7  # 1970-01-01 was a Thursday
    is_business = ~np.isin(weekday, weekend)
    is_business[holidays] = False

    # The next business day: the smallest one at or after each day, filled from the end backwards.
    day = np.where(is_business, np.arange(_DAYS), _DAYS)
    next_business = np.minimum.accumulate(day[::-1])[::-1].astype(np.int32)
    calendar = Calendar(is_business, next_business, np.cumsum(is_business, dtype=np.int32))
    for shared in (calendar.is_business, calendar.next_business, calendar.count):
        shared.setflags(write=False)
    return calendar
