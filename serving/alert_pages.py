"""Alerts and quarantine as pages: what is new and what was said of it, and the rows that wait."""

from collections.abc import Mapping
from typing import Any, get_args

import pyarrow as pa
from fastapi.responses import HTMLResponse

from pipelines.records import alerts as kept_alerts
from pipelines.records import ledger_rows
from pipelines.records.alerts import State
from serving import alerts as alert_answers
from serving import phrases
from serving.problems import Problem
from serving.view import View

ROWS = 50
SHOWN = 200  # rows of the quarantine on one page
STATES = get_args(State)


def alerts(view: View, query: Mapping[str, str]) -> HTMLResponse:
    """The alerts in a state, the most value first; those that nobody has taken unless asked."""
    state, code, after = query.get("state") or "open", query.get("code") or None, query.get("after")
    asked = next((known for known in STATES if known == state), None)
    known = asked is not None and (code is None or code in phrases.words("en")["signals"])
    if not known or (after is not None and not alert_answers.is_cursor(after)):
        return view.message("bad_title", "bad_text", status=422)
    at_hand = view.at_hand
    try:
        with at_hand.records.reading() as connection:
            found = kept_alerts.page(
                connection,
                today=at_hand.today(),
                limit=ROWS + 1,
                after=alert_answers.place(after),
                state=asked,
                code=code,
                customer_id=None,
            )
    except Problem:
        return view.message("records_title", "records_text", status=503)
    shown = [alert_answers.told(alert, view.said, at_hand) for alert in found[:ROWS]]
    names = _names(view, [alert["customer_id"] for alert in shown])
    return view.render(
        "alerts.html",
        alerts=[{**alert, "customer_name": names.get(alert["customer_id"])} for alert in shown],
        state=state,
        states=STATES,
        code=code,
        next_after=alert_answers.cursor_behind(found[ROWS - 1]) if len(found) > ROWS else None,
        today=at_hand.today(),
    )


def quarantine(view: View) -> HTMLResponse:
    """Last night's rows that could not be used, and those sent over HTTP that are held."""
    snapshot = view.snapshot
    table = snapshot.quarantine() if snapshot is not None else None
    try:
        with view.at_hand.records.reading() as connection:
            held: list[dict[str, Any]] | None = ledger_rows.waiting(connection, limit=SHOWN)
    except Problem:
        held = None
    return view.render(
        "quarantine.html",
        rows=table.slice(0, SHOWN).to_pylist() if table is not None else [],
        total=table.num_rows if table is not None else 0,
        held=held,
        by_rule=_by_rule(table),
        states=STATES,
    )


def _by_rule(table: pa.Table | None) -> list[dict[str, Any]]:
    """How many rows each rule holds of each table, the most first."""
    if table is None:
        return []
    counted = table.group_by(["rule", "table"]).aggregate([([], "count_all")]).to_pylist()
    rows = [{**of, "rows": of["count_all"]} for of in counted]
    return sorted(rows, key=lambda of: (-of["rows"], of["rule"], of["table"]))


def _names(view: View, customer_ids: list[str]) -> dict[str, str | None]:
    """The customers' names, as far as last night knew them."""
    if view.snapshot is None:
        return {}
    rows = (view.snapshot.get_customer_row(customer) for customer in set(customer_ids))
    return {row["customer_id"]: row["customer_name"] for row in rows if row is not None}
