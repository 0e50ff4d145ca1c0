"""Charts: figures over time as shapes in the units of a picture's box, for the page's templates.

Only places are worked out here; colours are the style sheet's, and each chart stands beside its
figures in a table. Days and amounts become places by one straight rule on each side.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 78, 12, 18, 26  # of the box, for what is written around it
GRID = 4  # lines across
BOX = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "bottom": BOTTOM}


@dataclass(frozen=True)
class Scale:
    """A straight rule from values to places."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        span = (self.high - self.low) or 1.0
        return self.begin + (value - self.low) / span * (self.end - self.begin)


def across(low: float, high: float) -> Scale:
    """From left to right."""
    return Scale(low, high, LEFT, WIDTH - RIGHT)


def upwards(low: float, high: float, *, height: float = HEIGHT) -> Scale:
    """From the bottom to the top."""
    return Scale(low, high, height - BOTTOM, TOP)


def path(points: Sequence[tuple[float, float]]) -> str:
    """A line through the points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) if points else ""


def steps(points: Sequence[tuple[float, float]], end: float) -> str:
    """A line that keeps each value until the next one, and the last until the end."""
    if not points:
        return ""
    begun, *rest = points
    told = f"M{begun[0]:.1f} {begun[1]:.1f}"
    told += "".join(f"H{x:.1f}V{y:.1f}" for x, y in rest)
    return f"{told}H{end:.1f}"


def ticks(high: float, *, low: float = 0.0, count: int = GRID) -> list[float]:
    """Round values from one at or under low to one at or over high, about so many steps."""
    wanted = max(high - low, 1e-9) / count
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= wanted)
    return [step * n for n in range(math.floor(low / step), math.ceil(high / step) + 1)]


def waterfall(base: float, pushes: Sequence[float]) -> list[dict[str, float | str]]:
    """Bars of what there is to begin with, of each push from where the last one ended, of the sum.

    In percent of the width, which holds all of them and zero.
    """
    ends = [base]
    for push in pushes:
        ends.append(ends[-1] + push)
    low, high = min(0.0, *ends), max(0.0, *ends)
    x = Scale(low, high, 0.0, 100.0)

    def bar(begin: float, end: float, kind: str) -> dict[str, float | str]:
        left, right = sorted((x(begin), x(end)))
        return {"left": left, "width": right - left, "kind": kind}

    fallen = [
        bar(begin, end, "worse" if end > begin else "better")
        for begin, end in zip(ends, ends[1:], strict=False)
    ]
    return [bar(0.0, base, "whole"), *fallen, bar(0.0, ends[-1], "whole")]


def weeks_of_cash(forecast: Mapping[str, Any]) -> dict[str, Any]:
    """The cash of the last weeks as bars, and of the next ones as bars with their interval."""
    past, ahead = forecast["past_weeks"], forecast["weeks"]
    highest = max(
        [week["received"] for week in past] + [week["high"] for week in ahead], default=0.0
    )
    grid = ticks(highest)
    y = upwards(0.0, grid[-1])
    slot = (WIDTH - LEFT - RIGHT) / max(len(past) + len(ahead), 1)

    def bar(place: int, value: float) -> dict[str, float]:
        top = y(max(value, 0.0))
        return {
            "x": LEFT + slot * (place + 0.15),
            "y": top,
            "width": slot * 0.7,
            "height": y(0.0) - top,
            "middle": LEFT + slot * (place + 0.5),
        }

    return {
        "past": [{**bar(at, week["received"]), **week} for at, week in enumerate(past)],
        "ahead": [
            {
                **bar(len(past) + at, week["expected"]),
                **week,
                "low_y": y(max(week["low"], 0.0)),
                "high_y": y(max(week["high"], 0.0)),
            }
            for at, week in enumerate(ahead)
        ],
        "today": LEFT + slot * len(past),
        "grid": [(y(value), value) for value in grid],
    }


def over_time(
    days: Sequence[date], series: Mapping[str, Sequence[float | None]]
) -> dict[str, Any] | None:
    """Several figures by day as lines; None where there are fewer than two days."""
    if len(days) < 2:
        return None
    known = [value for values in series.values() for value in values if value is not None]
    grid = ticks(max(known, default=1.0), low=min(0.0, min(known, default=0.0)))
    x = across(days[0].toordinal(), days[-1].toordinal())
    y = upwards(grid[0], grid[-1])
    lines = {
        name: path(
            [
                (x(day.toordinal()), y(value))
                for day, value in zip(days, values, strict=True)
                if value is not None
            ]
        )
        for name, values in series.items()
    }
    ends = {
        name: y(next((v for v in reversed(values) if v is not None), 0.0))
        for name, values in series.items()
    }
    return {
        "lines": lines,
        "ends": ends,
        "grid": [(y(value), value) for value in grid],
        "first": days[0],
        "last": days[-1],
    }
