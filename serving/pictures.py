"""Pictures: what a model looks at and how reliable it was, as shapes for the page's templates.

Only places are worked out here, in the units of each picture's box; colours are the style sheet's.
Nothing is told by colour alone: the height of a dot says what its colour says.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models import wording
from models.looked_at import Column, LookedAt
from models.metrics import Bin
from pipelines.features import BOOK
from serving.phrases import begun, word

Floats = npt.NDArray[np.float64]

STRIP_WIDTH, STRIP_HEIGHT = 300, 28
PLOT_WIDTH, PLOT_HEIGHT = 240, 130
MARGIN = 5  # so that no dot is cut
SHADES = 5  # of a value, from the lowest fifth to the highest
DEPENDENCES = 6
CONTENDERS = ("challenger", "champion", "customer_curve")  # in the order of the page
EDGE = 2  # percent of the values, at either side, that are drawn at the edge
REACH = 98  # percent of the largest column's pushes that lie inside the strips
# How the columns that the model adds are said; the logits are said as the probability they are of.
_UNITS = {"curve_logit": "share", "cohort_logit": "share"}


def feature_label(name: str, language: str) -> str:
    """What a column is, said without a value; never its raw name."""
    if name in BOOK:
        template = BOOK[name].it if language == "it" else BOOK[name].en
        return begun(wording.fill(template, value="…", usual=None))
    return begun(word("looked_at", name, language))


def summary(looked_at: LookedAt, language: str) -> list[dict[str, Any]]:
    """For each column a strip of dots: how far each row is pushed, high values on top."""
    pushed = [float(np.percentile(np.abs(c.contributions), REACH)) for c in looked_at.columns]
    reach = max(pushed, default=1.0)
    return [
        {
            "feature": column.name,
            "text": feature_label(column.name, language),
            "odds": float(np.exp(column.mean_push)),
            "direction": _direction(column),
            "dots": _strip(column, reach or 1.0),
        }
        for column in looked_at.columns
    ]


def dependence(looked_at: LookedAt, language: str, currency: str) -> list[dict[str, Any]]:
    """For the largest columns that have numbers, what each value does."""
    drawn = [c for c in looked_at.columns if (~np.isnan(c.values)).any()][:DEPENDENCES]
    return [_plot(column, language, currency) for column in drawn]


def reliability(looked_at: LookedAt) -> list[dict[str, Any]]:
    """By horizon: what was said against what came, in a square whose diagonal is perfection."""
    return [
        {"horizon": name, "line": _line(groups), "dots": _marks(groups), "groups": groups}
        for name, groups in looked_at.reliability.items()
        if groups
    ]


def _direction(column: Column) -> str:
    return {1: "later", -1: "sooner"}.get(column.direction, "depends")


def _strip(column: Column, reach: float) -> dict[str, str]:
    """The dots of one strip as paths, by shade."""
    push = np.clip(column.contributions / reach, -1, 1)
    x = STRIP_WIDTH / 2 + push * (STRIP_WIDTH / 2 - MARGIN)
    height = _height(column.values)
    y = STRIP_HEIGHT - MARGIN - height * (STRIP_HEIGHT - 2 * MARGIN)
    missing = np.isnan(column.values)
    shade = np.minimum((height * SHADES).astype(np.int64), SHADES - 1)
    paths = {
        f"shade{at}": _dots(x[~missing & (shade == at)], y[~missing & (shade == at)])
        for at in range(SHADES)
    }
    return {name: path for name, path in paths.items() if path} | (
        {"missing": _ticks(x[missing])} if missing.any() else {}
    )


def _height(values: Floats) -> Floats:
    """Each value's place among them, from 0 for the lowest to 1; missing ones in the middle."""
    known = ~np.isnan(values)
    height = np.full(len(values), 0.5)
    distinct, place = np.unique(values[known], return_inverse=True)
    if len(distinct) > 1:
        height[known] = place / (len(distinct) - 1)
    return height


def _plot(column: Column, language: str, currency: str) -> dict[str, Any]:
    known = ~np.isnan(column.values)
    values, pushed = column.values[known], column.contributions[known]
    low, high = np.percentile(values, [EDGE, 100 - EDGE])
    reach = float(np.abs(column.contributions).max()) or 1.0
    place = (np.clip(values, low, high) - low) / ((high - low) or 1.0)
    middle = PLOT_HEIGHT / 2

    def said(value: float) -> str:
        return _quantity(column.name, float(value), language, currency)

    return {
        "feature": column.name,
        "text": feature_label(column.name, language),
        "direction": _direction(column),
        "dots": _dots(
            MARGIN + place * (PLOT_WIDTH - 2 * MARGIN),
            middle - pushed / reach * (middle - MARGIN),
        ),
        "low": said(low),
        "high": said(high),
        "missing": int((~known).sum()),
    }


def _quantity(name: str, value: float, language: str, currency: str) -> str:
    if name in _UNITS:
        value = 1 / (1 + np.exp(-value))
    unit = BOOK[name].unit if name in BOOK else _UNITS.get(name, "count")
    return wording.quantity(value, unit, language, currency=currency)


def _line(groups: Sequence[Bin]) -> str:
    return "M" + "L".join(f"{100 * g.predicted:.1f} {100 - 100 * g.observed:.1f}" for g in groups)


def _marks(groups: Sequence[Bin]) -> str:
    return "".join(f"M{100 * g.predicted:.1f} {100 - 100 * g.observed:.1f}h0" for g in groups)


def _dots(x: Floats, y: Floats) -> str:
    """Points as a path of no length: its round ends are the dots."""
    return "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _ticks(x: Floats) -> str:
    """Short strokes, for rows where the value is missing."""
    return "".join(f"M{a:.1f} {STRIP_HEIGHT / 2 - 3:.1f}v6" for a in x.tolist())


def contenders(metrics: Mapping[str, float]) -> list[dict[str, Any]]:
    """The back-test's figures: for each test and horizon what each contender got, and the best."""
    found: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for name, value in metrics.items():
        who, test, metric, horizon = name.split(".")
        found.setdefault((test, horizon), {}).setdefault(who, {})[metric] = value
    return [
        {
            "test": test,
            "horizon": horizon,
            "rows": next((int(got["rows"]) for got in who.values() if "rows" in got), 0),
            "calibration_error": who.get(CONTENDERS[0], {}).get("calibration_error"),
            "who": who,
            "best": _best(who),
        }
        for (test, horizon), who in sorted(found.items())
    ]


def _best(who: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The best of each figure that contenders are compared by."""
    better: dict[str, Callable[..., float]] = {"log_loss": min, "auc": max}
    return {
        metric: best(values)
        for metric, best in better.items()
        if (values := [got[metric] for got in who.values() if metric in got])
    }
