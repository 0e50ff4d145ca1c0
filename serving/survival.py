"""The survival curve of an open invoice: how probable it is that it is still unpaid, day by day.

The model answers at its horizons; between two of them the picture draws a straight line.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from models.horizons import ALL_HORIZONS_DAYS, PROBABILITY_COLUMNS
from serving import charts

WIDTH, HEIGHT = 400, 170
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 10, 24
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # the lines across
BOX = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "bottom": BOTTOM}


def curve(invoice: Mapping[str, Any], as_of: date) -> dict[str, Any] | None:
    """The shapes of an invoice's curve; None once its last horizon has passed.

    It is unpaid today, so the curve begins there at 1; x is days from the business due date.
    """
    due = invoice["due_business_date"]
    now = (as_of - due).days
    ahead = [
        (float(days), float(invoice[name]))
        for days, name in zip(ALL_HORIZONS_DAYS, PROBABILITY_COLUMNS, strict=True)
        if days > now
    ]
    if not ahead:
        return None
    begin, end = float(min(now, 0)), float(ALL_HORIZONS_DAYS[-1])
    x = charts.Scale(begin, end, LEFT, WIDTH - RIGHT)
    y = charts.Scale(0.0, 1.0, HEIGHT - BOTTOM, TOP)
    points = [(x(now), y(1.0)), *((x(days), y(share)) for days, share in ahead)]

    def place(day: date | None) -> float | None:
        return None if day is None else x(min(max((day - due).days, begin), end))

    low, high = place(invoice["date_lo"]), place(invoice["date_hi"])
    return {
        "line": charts.path(points),
        "area": charts.path([*points, (points[-1][0], y(0)), (points[0][0], y(0))]) + "Z",
        "dots": points[1:],
        "grid": [(y(share), share) for share in SHARES],
        "days": [(x(days), days) for days in ALL_HORIZONS_DAYS],
        "today": x(now),
        "expected": place(invoice["expected_date"]),
        "band": None if low is None else (low, (high or WIDTH - RIGHT) - low),
    }
