"""The portfolio as a page: its age, how the figures went, what comes in, what makes the risk."""

from datetime import date
from typing import Any

from fastapi.responses import HTMLResponse

from pipelines import kpis
from serving import charts
from serving.portfolio import Risks, forecast_of, kpis_of, portfolio_risk, provisions_of
from serving.view import View

OVER_TIME = ("dso_days", "best_possible_dso_days", "add_days")


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
    )


def _history(figures: dict[str, Any]) -> dict[str, Any] | None:
    """The figures of the months and of the day as lines, and the rows of their table."""
    if figures["kpis"] is None:
        return None
    rows = [*figures["kpis_before"], figures["kpis"]]
    days = [date.fromisoformat(row["as_of"]) for row in rows]
    drawn = charts.over_time(days, {name: [row[name] for row in rows] for name in OVER_TIME})
    return {"chart": drawn, "rows": list(zip(days, rows, strict=True))}
