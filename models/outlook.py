"""Outlook: the dates and the money that follow from a survival curve."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.horizons import ALL_HORIZONS_DAYS, DEFAULT_HORIZON_DAYS

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Cents = npt.NDArray[np.int64]

# Where the curve is read, in days ahead: every day at first, then ever more sparsely.
GRID = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    9,
    11,
    14,
    17,
    21,
    25,
    30,
    36,
    43,
    51,
    60,
    71,
    84,
    99,
    117,
    138,
    160,
    180,
)
_NEARLY = 1e-9  # a crossing at a day's very end is that day's
BANDS = ("low", "medium", "high", "critical")


@dataclass(frozen=True)
class Economics:
    """What lateness costs, and where the risk bands begin; a company sets its own."""

    annual_rate: float = 0.08  # cost of money tied up
    # share lost of what is never paid, by days past due: up to 0, 30, 60, 90 and beyond
    lgd: tuple[float, float, float, float, float] = (0.35, 0.40, 0.50, 0.60, 0.75)
    # p_late_30 from which the band is medium, high, critical
    bands: tuple[float, float, float] = (0.10, 0.30, 0.60)
    # value at risk from which a band is one higher, and under which it is one lower
    large_cents: int = 1_000_000
    small_cents: int = 2_500


@dataclass(frozen=True)
class Outlook:
    """For n invoices: probabilities (n, 5) in the order of the horizons, dates and days late."""

    probabilities: Floats
    expected_date: Floats  # days since 1970-01-01, NaN past the curve's end
    date_lo: Floats
    date_hi: Floats
    mass_beyond: Floats  # probability of being open past the curve's end
    expected_days_late: Floats


def questions(as_of: Days, due_day: Days) -> npt.NDArray[np.int32]:
    """The days ahead that `read` needs of the curve: (n, m), each row rising."""
    horizons = (due_day - as_of)[:, None] + np.array(ALL_HORIZONS_DAYS)
    grid = np.broadcast_to(np.array(GRID), (len(as_of), len(GRID)))
    return np.sort(np.concatenate([grid, horizons], axis=1), axis=1).astype(np.int32)


def read(
    curve: Floats, days_ahead: npt.NDArray[np.int32], *, as_of: Days, due_day: Days
) -> Outlook:
    """Probabilities, dates and days late from a curve at `questions`."""
    age = (as_of - due_day)[:, None]
    probabilities = np.column_stack(
        [_at(curve, days_ahead, h - age[:, 0]) for h in ALL_HORIZONS_DAYS]
    )
    k = np.concatenate([np.full((len(curve), 1), -1), np.maximum(days_ahead, -1)], axis=1)
    s = np.concatenate([np.ones((len(curve), 1)), curve], axis=1)
    median: Floats = np.maximum(np.ceil(_crossing(s, k, 0.5) - _NEARLY), 0)
    # A day belongs to the interval when more than half of what it brings does: taken whole at
    # both ends, the interval would always hold more than it says.
    first: Floats = np.floor(_crossing(s, k, 0.9) + 0.5 - _NEARLY) + 1
    last: Floats = np.floor(_crossing(s, k, 0.1) + 0.5 - _NEARLY)
    return Outlook(
        probabilities,
        expected_date=median + as_of,
        date_lo=np.fmin(first, median) + as_of,
        date_hi=np.maximum(last, median) + as_of,
        mass_beyond=curve[:, -1],
        expected_days_late=_days_late(s, k, age),
    )


def _at(curve: Floats, days_ahead: npt.NDArray[np.int32], wanted: npt.NDArray[np.int32]) -> Floats:
    """The curve's value at one of its own days ahead in each row."""
    place = (days_ahead < wanted[:, None]).sum(axis=1)
    value: Floats = curve[np.arange(len(curve)), place]
    return value


def _crossing(s: Floats, k: npt.NDArray[np.int32], level: float) -> Floats:
    """Days ahead, with fractions, at which the curve comes down to `level`; NaN if never.

    It is linear between its points; -1 is the end of yesterday.
    """
    under = s <= level
    after = np.argmax(under, axis=1)
    row = np.arange(len(s))
    before = np.maximum(after - 1, 0)
    drop = s[row, before] - s[row, after]
    share = np.divide(s[row, before] - level, drop, out=np.ones(len(s)), where=drop > 0)
    day = k[row, before] + share * (k[row, after] - k[row, before])
    return np.where(under.any(axis=1), day, np.nan)


def _days_late(s: Floats, k: npt.NDArray[np.int32], age: npt.NDArray[np.int32]) -> Floats:
    """E[min(days late, 180)]: today's age and, for each later day, the chance to be open then."""
    until = np.minimum(k, DEFAULT_HORIZON_DAYS - 1 - age)
    until = np.maximum(until, -1)
    step = np.diff(until, axis=1)
    whole = np.maximum(np.diff(k, axis=1), 1)
    slope = np.diff(s, axis=1) / whole
    # the sum over whole days of a line that begins after s[:-1]
    total = (step * s[:, :-1] + slope * step * (step + 1) / 2).sum(axis=1)
    late: Floats = np.minimum(age[:, 0] + total, DEFAULT_HORIZON_DAYS)
    return late


def lgd(age: Days, economics: Economics) -> Floats:
    """The share lost of what is never paid, by days past due."""
    bucket = np.searchsorted((0, 30, 60, 90), age, side="left")
    share: Floats = np.array(economics.lgd)[bucket]
    return share


def bands(p_late_30: Floats, value_at_risk_cents: Cents, economics: Economics) -> Days:
    """Each invoice in BANDS by its place: the probability decides, what is open moves it by one."""
    band = np.searchsorted(economics.bands, p_late_30, side="right")
    band = band + (value_at_risk_cents >= economics.large_cents)
    band = band - (value_at_risk_cents < economics.small_cents)
    return np.clip(band, 0, len(BANDS) - 1).astype(np.int32)
