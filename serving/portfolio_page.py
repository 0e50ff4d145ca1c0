"""The portfolio as a page: its age, how the figures went, what comes in, what makes the risk."""

from datetime import date
from typing import Any

from fastapi.responses import HTMLResponse

from pipelines import kpis
from serving import charts
from serving.changes import changes_of
from serving.portfolio import Risks, forecast_of, kpis_of, portfolio_risk, provisions_of
from serving.segments import segments_of
from serving.view import View

DAYS = ("dso_days", "best_possible_dso_days", "add_days")
SHARES = ("cei_percent", "late_payment_percent", "promise_kept_percent")


def answer(view: View, risks: Risks) -> HTMLResponse:
    """What the night notes of all that is open."""
    snapshot = view.snapshot
    if snapshot is None:
        return view.render("empty.html")
    facts = snapshot.manifest["facts"]
    forecast = forecast_of(facts.get("forecast"))
    figures = kpis_of(facts.get("kpis"))
    return view.render(
        "portfolio.html",
        risk=portfolio_risk(snapshot, risks, view.language),
        forecast=forecast,
        cash=forecast and charts.weeks_of_cash(forecast),
        provisions=provisions_of(facts.get("provision", ())),
        figures=figures["kpis"],
        history=_history(figures),
        buckets=kpis.BUCKETS,
        segments=segments_of(facts.get("segments", ()), view.language),
        changes=changes_of(facts.get("changes")),
        box=charts.BOX,
    )


def _history(figures: dict[str, Any]) -> dict[str, Any] | None:
    """The figures of the months and of the day as lines, and the rows of their table."""
    if figures["kpis"] is None:
        return None
    rows = [*figures["kpis_before"], figures["kpis"]]
    days = [date.fromisoformat(row["as_of"]) for row in rows]
    drawn = [
        charts.over_time(days, {name: [_figure(row, name) for row in rows] for name in names})
        for names in (DAYS, SHARES)
    ]
    return {
        "charts": [chart for chart in drawn if chart],
        "rows": list(zip(days, rows, strict=True)),
    }


def _figure(row: dict[str, Any], name: str) -> float | None:
    """A figure of a day; shares in percent, to stand beside the CEI."""
    if name in row:
        value: float | None = row[name]
        return value
    share = row[name.replace("_percent", "_share")]
    return None if share is None else 100 * share
