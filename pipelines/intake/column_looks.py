"""What a column's cells can be: days in which order, amounts with which mark, ids, words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake import days_written, money_written

MOST_TEXTS = 2_000  # different cells that are read in every way
FEW_VALUES = 40  # a column of kinds or states has no more
ALMOST_ALL = 0.98
_TIMES = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
_ORDERS = (
    *(f"%d{mark}%m{mark}%{year}" for mark in "/.-" for year in "Yy"),
    *(f"%m{mark}%d{mark}%{year}" for mark in "/-" for year in "Yy"),
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)
YEAR_FIRST = "%Y-%m-%d"
FORMATS = (YEAR_FIRST, *(f"{order}{time}" for time in _TIMES for order in _ORDERS))
# How programs write that there is no date: 1900-01-01, 00.00.0000, 31/12/9999 ...
_NO_DAY = re.compile(
    r"^(?:(?:0{4}|0001|1753|1900|9999)[-/.]?(?:00|01|12|1)[-/.]?(?:00|01|31|1)"
    r"|(?:00|01|31|1)[-/.](?:00|01|12|1)[-/.](?:0{4}|0001|1753|1900|9999)|0{8})"
    r"(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: [AP]M)?)?$"
)
_NO_VALUE = frozenset(
    {"NULL", "null", "\\N", "#N/A", "#N/D", "#NV", "N/A", "n/a", "n/d", "-", "--"}
)
_DAY_OF_EXCEL = re.compile(r"^[34]\d{4}(?:[.,]\d+)?$")  # days since 1899-12-30: 1982 to 2036
_CENTS = re.compile(r"([.,])\d{1,2}\D*$")


@dataclass(frozen=True)
class Look:
    """What a column's cells can be, and how many there are of them."""

    name: str
    rows: int
    filled: int
    distinct: int
    dates: frozenset[str] = frozenset()  # formats in which almost all cells are days
    decimals: frozenset[str] = frozenset()  # marks with which almost all cells are amounts
    mark: str | None = None  # the decimal mark that its cells show
    nothing: frozenset[str] = frozenset()  # cells that say there is no value
    values: dict[str, int] = field(default_factory=dict)  # of a column of few values
    negative: float = 0.0  # share of the cells below zero
    is_excel_day: bool = False

    @property
    def filled_share(self) -> float:
        return self.filled / self.rows if self.rows else 0.0

    @property
    def distinct_share(self) -> float:
        return self.distinct / self.filled if self.filled else 0.0

    @property
    def is_date(self) -> bool:
        return bool(self.dates)

    @property
    def is_amount(self) -> bool:
        return bool(self.decimals)


def look_at(name: str, cells: pa.ChunkedArray, text: pa.Array) -> Look:
    """A look at a column, of its cells as they came and as text."""
    counts = text.drop_null().value_counts()
    texts = counts.field("values").to_pylist()
    nothing = frozenset(t for t in texts if t in _NO_VALUE or _NO_DAY.match(t))
    rows = dict(zip(texts, counts.field("counts").to_pylist(), strict=True))
    for sentinel in nothing:
        del rows[sentinel]
    some = _evenly(sorted(rows))
    look = Look(
        name,
        rows=len(text),
        filled=sum(rows.values()),
        distinct=len(rows),
        nothing=nothing,
        values=rows if len(rows) <= FEW_VALUES else {},
    )
    return _typed(look, cells) or _written(look, some)


def days_of(text: pa.Array, form: str, look: Look) -> np.ndarray:
    """The column's days since 1970-01-01 as floats, NaN where there is none."""
    encoded = text.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    found, _ = days_written.read_days(texts, form, "UTC")
    days = [
        np.nan if t in look.nothing or d is None else d.toordinal() - 719163.0
        for t, d in zip(texts, found, strict=True)
    ]
    codes = encoded.indices.fill_null(len(texts)).to_numpy()
    by_row: np.ndarray = np.array([*days, np.nan])[codes]
    return by_row


def _typed(look: Look, cells: pa.ChunkedArray) -> Look | None:
    """The look at a column of a file that has types; None where it is text."""
    kind = cells.type
    if pa.types.is_temporal(kind) and not pa.types.is_time(kind):
        return replace(look, dates=frozenset({YEAR_FIRST}))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        below = pc.sum(pc.less(cells, 0)).as_py() or 0
        return replace(look, decimals=frozenset(".,"), negative=below / max(look.filled, 1))
    return None


def _written(look: Look, texts: Sequence[str]) -> Look:
    if not texts:
        return look
    dates = frozenset(form for form in FORMATS if _are_days(texts, form))
    decimals = {}
    for mark in ".,":
        cents = money_written.text_cents(texts, mark)
        if sum(c is not None for c in cents) >= ALMOST_ALL * len(texts):
            decimals[mark] = cents
    shown = [found[1] for t in texts if (found := _CENTS.search(t))]
    marked = max(sorted(decimals), key=shown.count) if decimals and shown else None
    cents = decimals.get(marked or "") or next(iter(decimals.values()), [])
    return replace(
        look,
        dates=dates,
        decimals=frozenset(decimals),
        mark=marked,
        negative=sum((c or 0) < 0 for c in cents) / len(texts),
        is_excel_day=all(_DAY_OF_EXCEL.match(t) for t in texts),
    )


def _are_days(texts: Sequence[str], form: str) -> bool:
    """Whether almost all are days in this format; a first look at a few is mostly enough."""
    for some in (texts[:: max(len(texts) // 10, 1)], texts):
        found, _ = days_written.read_days(some, form, "UTC")
        plain = sum(day is not None and 1950 < day.year < 2080 for day in found)
        if plain < ALMOST_ALL * len(some):
            return False
    return True


def _evenly(texts: list[str]) -> list[str]:
    return texts[:: max(len(texts) // MOST_TEXTS, 1)]
