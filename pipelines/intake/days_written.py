"""Days as people write them: read by the stated format, or by a form that has one reading only."""

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

_SLASHED = re.compile(r"^(\d{1,2})[/.\- ](\d{1,2})[/.\- ](\d{4}|\d{2})$")
_YEAR_FIRST = re.compile(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})$")
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})$")
_DAY_FIRST, _MONTH_FIRST, _EITHER = "day first", "month first", "either way"


@dataclass(frozen=True)
class Refusal:
    """Why a column of dates cannot be read: groups of the texts that show it, and what to do."""

    groups: tuple[tuple[str, list[int]], ...]
    advice: str


def typed_days(raw: pa.Array, zone: str) -> pa.Array:
    """A date or timestamp column as days; a moment falls on its day in the ledger's zone."""
    if pa.types.is_timestamp(raw.type) and raw.type.tz is not None:
        raw = pc.local_timestamp(raw.cast(pa.timestamp("us", zone), safe=False))
    if pa.types.is_timestamp(raw.type):
        raw = pc.floor_temporal(raw, unit="day")
    return raw.cast(pa.date32())


def read_days(
    texts: Sequence[str], form: str | None, zone: str
) -> tuple[list[date | None], Refusal | None]:
    """Each text as a day (None where it is none), or why the column as a whole is refused."""
    if form is None:
        if refusal := _ambiguous(texts):
            return [], refusal
        return [_one_reading(text.strip(), zone) for text in texts], None

    found = [_formatted(text.strip(), form, zone) for text in texts]
    swapped = form.translate({ord("d"): "m", ord("m"): "d"})
    mixed = [
        i
        for i, day in enumerate(found)
        if day is None and swapped != form and _formatted(texts[i].strip(), swapped, zone)
    ]
    if mixed:
        groups = ((f"dates written {swapped}, not {form}", mixed),)
        return [], Refusal(groups, "one column must keep one order of day and month")
    return found, None


def _ambiguous(texts: Sequence[str]) -> Refusal | None:
    """Dates like 03/04/2026 are refused until the format is stated, and where they mix."""
    orders: dict[str, list[int]] = {_DAY_FIRST: [], _MONTH_FIRST: [], _EITHER: []}
    for i, text in enumerate(texts):
        if parts := _SLASHED.match(text.strip()):
            first, second, year = (int(part) for part in parts.groups())
            day_first, month_first = _exists(year, second, first), _exists(year, first, second)
            if day_first or month_first:  # 31/02/2026 is no day in any order: a fault of its row
                order = _EITHER if day_first and month_first else _DAY_FIRST
                orders[order if day_first else _MONTH_FIRST].append(i)
    if orders[_DAY_FIRST] and orders[_MONTH_FIRST]:
        groups = tuple((f"dates written {o}", orders[o]) for o in (_DAY_FIRST, _MONTH_FIRST))
        return Refusal(groups, "one column must keep one order of day and month")
    shown = [(o, among) for o, among in orders.items() if among]
    if not shown:
        return None
    groups = tuple((f"dates that can be read {o}", among) for o, among in shown)
    return Refusal(groups, "state date = '%d/%m/%Y' or '%m/%d/%Y' in the mapping")


def _exists(year: int, month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(max(year, 1), month)[1]


def _formatted(text: str, form: str, zone: str) -> date | None:
    try:
        moment = datetime.strptime(text, form)
    except ValueError:
        return _one_reading(text, zone)
    return _local(moment, zone)


def _one_reading(text: str, zone: str) -> date | None:
    """A date whose year comes first, with or without a time of day; None for anything else."""
    if parts := _YEAR_FIRST.match(text) or _COMPACT.match(text):
        text = f"{parts[1]}-{int(parts[2]):02d}-{int(parts[3]):02d}"
    try:
        moment = datetime.fromisoformat(re.sub(r" ?UTC$", "+00:00", text))
    except ValueError:
        return None
    return _local(moment, zone)


def _local(moment: datetime, zone: str) -> date:
    """The calendar day of a moment where the ledger lives; without a zone it is local already."""
    if moment.tzinfo is None:
        return moment.date()
    try:
        return moment.astimezone(ZoneInfo(zone)).date()
    except OverflowError:  # the first and last day of the calendar have no neighbours
        return moment.date()
