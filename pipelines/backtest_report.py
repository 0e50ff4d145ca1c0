"""The back-test's report: every figure with its interval, against three baselines, by segment.

`figures` gives them as plain values for JSON; `pipelines/backtest_page.py` makes the page of them.
Intervals are of 90 %, by customers drawn with replacement.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from models import bootstrap, weighted
from models.horizons import HORIZONS_DAYS, column
from models.late_payment import LatePaymentModel
from models.metrics import reliability, surprise
from pipelines import base_rate_check
from pipelines.backtest import CURVE, DUE_DATE, OURS, Backtest
from pipelines.judged import ANSWERERS, Judged, judged
from pipelines.leak_check import LeakVerdict
from pipelines.ledger import Ledger

Floats = npt.NDArray[np.float64]
Columns = dict[str, Callable[[Floats], Floats]]  # a figure's name -> its values for each draw
Told = dict[str, Any]

SEGMENTS = ("origin", "history", "company", "country")
LARGEST = 12  # segments of a kind that are told one by one
DRAWN = ("origin", "history", "company")  # segments with a diagram of their own
LINES = 5  # of these, in one diagram
OTHERS = "others"
LEAST_ROWS = 30  # fewer say nothing
LEAST_IN_A_DOT = 50  # rows of one dot in a diagram


def figures(
    replayed: Backtest, ledger: Ledger, *, leak: LeakVerdict | None = None, seed: int = 0
) -> Told:
    """All figures of the back-test, as plain values."""
    rows = judged(replayed.predictions, ledger)
    return {
        "origins": sorted(set(rows.origin.tolist())),
        "rows": len(rows.test),
        "customers": len(np.unique(rows.customer)),
        "blend": [_blend(model) for model in replayed.models],
        "probabilities": list(_probabilities(rows, seed)),
        "dates": list(_dates(rows, seed)),
        "segments": list(_segments(rows, seed)),
        "reliability": list(_reliabilities(rows)),
        "base_rate": base_rate_check.figures(rows, replayed.predictions, ledger),
        "cash": _cash(replayed),
        "leak_test": None if leak is None else {**asdict(leak), "passed": leak.passed},
        "interval_share": bootstrap.LEVELS[1] - bootstrap.LEVELS[0],
    }


def metrics(told: Told) -> dict[str, float]:
    """The main figures by short names, as MLflow keeps them: ours, and the gain over the curve."""
    out: dict[str, float | None] = {}
    for cell in told["probabilities"]:
        ours, curve = (cell["answerers"][ANSWERERS[who]] for who in (OURS, CURVE))
        for name, figure in ours.items():
            out[f"{cell['test']}.{name}.{column(cell['horizon'])}"] = figure["value"]
        out[f"{cell['test']}.gain_over_curve.{column(cell['horizon'])}"] = curve["gain"]["value"]
    for cell in told["dates"]:
        for name, figure in cell["answerers"][ANSWERERS[OURS]].items():
            out[f"{cell['test']}.{name}"] = figure["value"]
    out |= {f"cash.{k}": told["cash"].get(k) for k in ("coverage", "error_share", "bias_share")}
    if told["leak_test"] is not None:
        out["leak_test.passed"] = float(told["leak_test"]["passed"])
    return {name: value for name, value in out.items() if value is not None}


def _blend(model: LatePaymentModel) -> Told:
    near, far = model.weights
    return {"origin": model.facts["cut_off"], "near": near, "far": far}


def _cells(rows: Judged) -> Iterator[tuple[str, int, int, npt.NDArray[np.bool_]]]:
    """Each test and horizon, with the rows that have an outcome there."""
    for test in np.unique(rows.test).tolist():
        for at, horizon in enumerate(HORIZONS_DAYS):
            yield test, at, horizon, (rows.test == test) & ~np.isnan(rows.came[:, at])


def _probabilities(rows: Judged, seed: int) -> Iterator[Told]:
    for test, at, horizon, among in _cells(rows):
        cell = rows.take(among)
        if len(cell.test) < LEAST_ROWS:
            continue
        y = cell.came[:, at]
        columns: Columns = {}
        for who in ANSWERERS:
            columns.update(_of_answerer(who, y, cell.said[who][:, at], cell.amount))
        for who in ANSWERERS:
            if who != OURS:
                gain = surprise(y, cell.said[who][:, at]) - surprise(y, cell.said[OURS][:, at])
                columns[f"{who}.gain"] = _mean(gain)
        told = _with_intervals(columns, cell.customer, seed)
        yield {
            "test": test,
            "horizon": horizon,
            "rows": len(y),
            "customers": len(np.unique(cell.customer)),
            "came": float(y.mean()),
            "said": float(cell.said[OURS][:, at].mean()),
            "answerers": _by_answerer(told),
        }


def _of_answerer(who: str, y: Floats, p: Floats, amount: Floats) -> Columns:
    return {
        f"{who}.log_loss": _mean(surprise(y, p)),
        f"{who}.brier": _mean((p - y) ** 2),
        f"{who}.auc": lambda w: weighted.auc(w, y, p),
        f"{who}.pr_auc": lambda w: weighted.average_precision(w, y, p),
        f"{who}.calibration_error": lambda w: weighted.calibration_error(w, y, p),
        f"{who}.late_value_in_top_tenth": lambda w: weighted.captured(w, amount * y, p),
    }


def _dates(rows: Judged, seed: int) -> Iterator[Told]:
    for test in np.unique(rows.test).tolist():
        # dates are compared where everybody gives one, and the payment has come
        told = ~np.isnan(np.stack([rows.dates[who][:, 0] for who in ANSWERERS])).any(axis=0)
        cell = rows.take((rows.test == test) & told & np.isfinite(rows.paid_after))
        cover = rows.take((rows.test == test) & ~np.isnan(rows.paid_after))
        if len(cell.test) < LEAST_ROWS:
            continue
        columns: Columns = {}
        for who in ANSWERERS:
            error = np.abs(np.maximum(cell.dates[who][:, 0], 0) - cell.paid_after)
            columns[f"{who}.mean_error_days"] = _mean(error)
            columns[f"{who}.median_error_days"] = _median(error)
            columns[f"{who}.within_3_days"] = _mean((error <= 3).astype(np.float64))
            columns[f"{who}.within_7_days"] = _mean((error <= 7).astype(np.float64))
        figures = _with_intervals(columns, cell.customer, seed)
        for who in ANSWERERS:
            if who != DUE_DATE:  # it gives a day, not an interval
                of_interval = _of_interval(who, cover.dates[who], cover.paid_after)
                given = ~np.isnan(cover.dates[who][:, 1:]).any(axis=1)
                figures |= _with_intervals(of_interval, cover.customer[given], seed)
        yield {"test": test, "rows": len(cell.test), "answerers": _by_answerer(figures)}


def _of_interval(who: str, dates: Floats, paid_after: Floats) -> Columns:
    given = ~np.isnan(dates[:, 1:]).any(axis=1)
    low, high, paid = dates[given, 1], dates[given, 2], paid_after[given]
    inside = (paid >= low) & (paid <= high)
    return {
        f"{who}.coverage": _mean(inside.astype(np.float64)),
        f"{who}.width_days": _mean(high - low),
        f"{who}.median_width_days": _median(high - low),
    }


def _segments(rows: Judged, seed: int) -> Iterator[Told]:
    """By origin, history, company and country: what came, what was said, and the curve's loss."""
    for kind in SEGMENTS:
        names = _largest(getattr(rows, kind))
        for test, at, horizon, among in _cells(rows):
            for name in np.unique(names).tolist():
                cell = rows.take(among & (names == name))
                if len(cell.test) >= LEAST_ROWS:
                    head = {"by": kind, "segment": name or "unknown", "test": test}
                    yield {**head, "horizon": horizon, **_of_segment(cell, at, seed)}


def _of_segment(cell: Judged, at: int, seed: int) -> Told:
    y, ours, curve = cell.came[:, at], cell.said[OURS][:, at], cell.said[CURVE][:, at]
    columns: Columns = {
        "came": _mean(y),
        "log_loss": _mean(surprise(y, ours)),
        "curve_log_loss": _mean(surprise(y, curve)),
        "gain": _mean(surprise(y, curve) - surprise(y, ours)),
    }
    one = np.ones((1, len(y)))
    return {
        "rows": len(y),
        "said": float(ours.mean()),
        **_with_intervals(columns, cell.customer, seed),
        "auc": _plain(weighted.auc(one, y, ours)[0]),
        "curve_auc": _plain(weighted.auc(one, y, curve)[0]),
        "calibration_error": _plain(weighted.calibration_error(one, y, ours)[0]),
    }


def _largest(names: npt.NDArray[np.str_], most: int = LARGEST) -> npt.NDArray[np.str_]:
    found, counts = np.unique(names, return_counts=True)
    kept = found[np.argsort(-counts, kind="stable")[:most]]
    return np.where(np.isin(names, kept), names, OTHERS)


def _reliabilities(rows: Judged) -> Iterator[Told]:
    """What was said against what came: all together, then by segment."""
    for kind in ("all", *DRAWN):
        names = np.full(len(rows.test), "all")
        if kind != "all":
            names = _largest(getattr(rows, kind), LINES)
        for test, at, horizon, among in _cells(rows):
            for name in np.unique(names).tolist():
                here = among & (names == name)
                if here.sum() < LEAST_ROWS:
                    continue
                for who in ANSWERERS if kind == "all" else (OURS,):
                    if who != DUE_DATE:
                        bins = reliability(
                            rows.came[here, at], rows.said[who][here, at], bins=_groups(here)
                        )
                        head = {"by": kind, "segment": name or "unknown", "test": test}
                        head |= {"horizon": horizon, "who": ANSWERERS[who]}
                        yield {**head, "bins": [asdict(b) for b in bins]}


def _groups(rows: npt.NDArray[np.bool_]) -> int:
    """Into how many groups rows go: a dot of few rows jumps about, and says nothing."""
    return int(np.clip(rows.sum() // LEAST_IN_A_DOT, 1, 10))


def _cash(replayed: Backtest) -> Told:
    """The weeks of all origins, and how the forecast did over those that have ended."""
    weeks = replayed.cash.to_pylist()
    for week in weeks:
        week["cut"] = week["cut"].isoformat()
        came = week["came_cents"]
        low, high = week["low_cents"], week["high_cents"]
        week["covered"] = None if came is None else bool(low <= came <= high)
    ended = [week for week in weeks if week["covered"] is not None]
    came = sum(week["came_cents"] for week in ended)
    if not ended or came <= 0:
        return {"weeks": weeks, "ended": len(ended)}
    off = sum(abs(week["came_cents"] - week["expected_cents"]) for week in ended)
    covered = sum(week["covered"] for week in ended)
    low, high = _share_interval(covered, len(ended))
    return {
        "weeks": weeks,
        "ended": len(ended),
        "covered": covered,
        "coverage": covered / len(ended),
        "coverage_low": low,
        "coverage_high": high,
        "error_share": off / came,
        "bias_share": sum(week["expected_cents"] for week in ended) / came - 1,
        "width_share": sum(w["high_cents"] - w["low_cents"] for w in ended) / came,
    }


def _share_interval(covered: int, of: int) -> tuple[float, float]:
    """Between what the share behind a count lies (Jeffreys), if weeks were independent.

    They are not quite: what does not come in one week comes in the next; so it is a little narrow.
    """
    low, high = betaincinv(covered + 0.5, of - covered + 0.5, list(bootstrap.LEVELS))
    return round(float(low), 4), round(float(high), 4)


def _mean(values: Floats) -> Callable[[Floats], Floats]:
    return lambda weights: weighted.mean(weights, values)


def _median(values: Floats) -> Callable[[Floats], Floats]:
    return lambda weights: weighted.median(weights, values)


def _with_intervals(
    columns: Columns, customer: npt.NDArray[np.int64], seed: int
) -> dict[str, Told]:
    """Each figure with its interval: {"value", "low", "high"}."""

    def statistic(weights: Floats) -> Floats:
        return np.stack([figure(weights) for figure in columns.values()], axis=1)

    values = statistic(np.ones((1, len(customer))))[0]
    intervals = bootstrap.intervals(statistic, customer, seed=seed)
    return {
        name: {"value": _plain(value), "low": _plain(low), "high": _plain(high)}
        for name, value, (low, high) in zip(columns, values, intervals, strict=True)
    }


def _by_answerer(told: Mapping[str, Told]) -> dict[str, dict[str, Told]]:
    out: dict[str, dict[str, Told]] = {name: {} for name in ANSWERERS.values()}
    for key, figure in told.items():
        who, name = key.split(".")
        out[ANSWERERS[who]][name] = figure
    return out


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
