"""A customer's timeline: each invoice where it fell due, as high as it was late; and the exposure.

Signals stand where they began, what was done and promised on the days of it. Shapes only: colours
are the style sheet's, and a dot that is open has another form than one that was settled.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from pipelines.customer_record import CustomerRecord, Row
from serving import charts
from serving.charts import RIGHT, WIDTH

INVOICES = 120  # shown, the latest
MONTHS_MIN = 6  # of time shown at least
LATEST_LATE, EARLIEST = 120, -30  # days: what is beyond stands at the edge
MEAN_OF = 5  # settled invoices that the line is the mean of


def drawn(record: CustomerRecord, signals: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The shapes of a record; None where it has no invoice to show."""
    invoices = record.invoices[-INVOICES:]
    if not invoices:
        return None
    begin = min(invoices[0]["due_business_date"], record.as_of - timedelta(days=30 * MONTHS_MIN))
    end = max(record.as_of, invoices[-1]["due_business_date"])
    x = charts.across(begin.toordinal(), end.toordinal())
    late = [_within(row["days_late"]) for row in invoices]
    grid = charts.ticks(max(30, *late), low=min(0, *late))
    y = charts.upwards(grid[0], grid[-1])

    def place(day: date) -> float:
        return x(min(max(day, begin), end).toordinal())

    due = [row for row in invoices if row["settled_on"] or row["days_late"] > 0]
    return {
        "settled": [_dot(row, place, y) for row in due if row["settled_on"]],
        "open": [_dot(row, place, y) for row in due if not row["settled_on"]],
        "mean": charts.path(_mean(due, place, y)),
        "zero": y(0),
        "grid": [(y(value), value) for value in grid],
        "today": place(record.as_of),
        "months": _months(begin, end, place),
        "signals": [
            {"x": place(signal["since"]), "number": number, **signal}
            for number, signal in enumerate(_by_day(signals), 1)
        ],
        "actions": _ticks(record.actions, "performed_on", begin, place),
        "promises": _ticks(record.promises, "made_on", begin, place),
        "exposure": _exposure(record),
        "first": begin,
        "last": end,
    }


def _by_day(signals: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted((s for s in signals if s["since"]), key=lambda signal: signal["since"])


def _within(days_late: int) -> int:
    return min(max(days_late, EARLIEST), LATEST_LATE)


def _dot(row: Row, place: Any, y: charts.Scale) -> dict[str, Any]:
    return {**row, "x": place(row["due_business_date"]), "y": y(_within(row["days_late"]))}


def _mean(due: Sequence[Row], place: Any, y: charts.Scale) -> list[tuple[float, float]]:
    """The mean of the last few settled invoices, at the due day of each."""
    settled = [row for row in due if row["settled_on"]]
    points = []
    for at in range(MEAN_OF - 1, len(settled)):
        last = [row["days_late"] for row in settled[at - MEAN_OF + 1 : at + 1]]
        mean = sum(_within(days) for days in last) / MEAN_OF
        points.append((place(settled[at]["due_business_date"]), y(mean)))
    return points


def _ticks(rows: Sequence[Row], day: str, begin: date, place: Any) -> list[dict[str, Any]]:
    return [{**row, "x": place(row[day])} for row in rows if row[day] >= begin]


def _months(begin: date, end: date, place: Any) -> list[tuple[float, date]]:
    """The first of each quarter, or of each month where they are few."""
    firsts = []
    month = begin.year * 12 + begin.month
    while (first := date(month // 12, month % 12 + 1, 1)) <= end:
        firsts.append(first)
        month += 1
    if len(firsts) > 9:
        firsts = [first for first in firsts if first.month % 3 == 1]
    if len(firsts) > 9:
        firsts = [first for first in firsts if first.month == 1]
    return [(place(first), first) for first in firsts]


def _exposure(record: CustomerRecord) -> dict[str, Any] | None:
    """What was open week by week, and the limit that held then."""
    days = [day for day, _ in record.exposure]
    begin, end = days[0], days[-1]
    limits = [row for row in record.limits if row["valid_from"] <= end]
    current = [row for row in limits if row["valid_from"] <= begin][-1:]
    held = current + [row for row in limits if row["valid_from"] > begin]
    highest = max(
        [cents for _, cents in record.exposure] + [row["amount_cents"] for row in held], default=0
    )
    if highest <= 0:
        return None
    grid = charts.ticks(highest / 100, count=2)
    x = charts.across(begin.toordinal(), end.toordinal())
    y = charts.upwards(0, grid[-1])
    line = [(x(day.toordinal()), y(cents / 100)) for day, cents in record.exposure]
    limit = [(x(max(r["valid_from"], begin).toordinal()), y(r["amount_cents"] / 100)) for r in held]
    return {
        "line": charts.path(line),
        "area": charts.path([*line, (line[-1][0], y(0)), (line[0][0], y(0))]) + "Z",
        "limit": charts.steps(limit, WIDTH - RIGHT),
        "grid": [(y(value), value) for value in grid],
        "first": begin,
        "last": end,
        "now": record.exposure[-1][1] / 100,
        "limit_now": held[-1]["amount_cents"] / 100 if held else None,
    }
