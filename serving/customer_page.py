"""A customer as a page: what to do, how it has paid, what is open and why, what would change it."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi.responses import HTMLResponse

from models.drafts import MESSAGE_CODES
from models.what_if import Change
from pipelines.changes import CannotChange
from pipelines.customer_record import CustomerRecord
from pipelines.lookup import Row
from pipelines.snapshot import Snapshot
from pipelines.what_if import Asked
from serving import charts, kept_rows, phrases, plan, survival, timeline
from serving.answers import customer_score
from serving.customer_history import record_of
from serving.message_drafts import draft_of
from serving.problems import Problem
from serving.view import View
from serving.what_if import comparison
from serving.worklist_page import PROMISE_DAYS, about, standing_marks

MOST_DAYS, DAYS_STEP = 60, 5  # of the slider that moves the due date
SHOWN = 30  # lines of events, the latest
# what makes two events of a day one line
_SAME = ("kind", "day", "action_code", "outcome_code", "promised_date", "state", "closed_on")


def answer(view: View, customer_id: str, query: Mapping[str, str]) -> HTMLResponse:
    """All that is known of a customer with open invoices."""
    snapshot = view.snapshot
    rows = snapshot.get_customer(customer_id) if snapshot is not None else []
    if snapshot is None or not rows:
        return view.message("problem_title", "problem_text", status=404)
    customer = customer_score(rows, **view.said)
    what_if = _what_if(view, snapshot, rows, query)
    if query.get("only") == "what-if":
        return view.render("what_if.html", what_if=what_if, customer=customer)
    row = snapshot.get_customer_row(customer_id)
    whole = about(row, view)
    record = _record(view, snapshot, customer_id)
    marked = standing_marks(view.at_hand, [customer_id])
    today = view.at_hand.today()
    return view.render(
        "customer.html",
        customer=customer,
        whole=whole,
        record=record,
        events=record and _events(record),
        curves={row["invoice_id"]: survival.curve(row, snapshot.as_of) for row in rows},
        curve_box=survival.BOX,
        falls={row["invoice_id"]: _fall(row) for row in rows},
        customer_fall=charts.waterfall(
            customer["base_amount"], [cause["amount"] for cause in customer["causes"]]
        ),
        drawn=record and timeline.drawn(record, whole["signals"] if whole else ()),
        box=charts.BOX,
        what_if=what_if,
        mark=(marked or {}).get(customer_id),
        marks_away=marked is None,
        today=today,
        promise_by=today + timedelta(days=PROMISE_DAYS),
        **_contact(view, snapshot, customer_id, query.get("draft")),
    )


def _record(view: View, snapshot: Snapshot, customer_id: str) -> CustomerRecord | None:
    """The customer's record, None where the night's rows are not kept."""
    try:
        return record_of(view.at_hand, snapshot, customer_id)
    except Problem:
        return None


def _fall(row: Row) -> list[dict[str, float | str]]:
    """The reasons of an invoice, each from where the last one ended, up to its probability."""
    return charts.waterfall(row["base_probability"], [told["points"] for told in row["reasons"]])


def _events(record: CustomerRecord) -> list[dict[str, Any]]:
    """What was done, promised and disputed, the latest first; the same of one day is one line."""
    kinds = (
        ("action", [r for r in record.actions if r["action_code"] != "wait"], "performed_on"),
        ("promise", record.promises, "made_on"),
        ("dispute", record.disputes, "opened_on"),
    )
    told = [
        {"kind": kind, "day": row[day], **row}
        for kind, rows, day in kinds
        for row in reversed(rows)
    ]
    found: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in sorted(told, key=lambda row: row["day"], reverse=True):
        same = tuple(row.get(name) for name in _SAME)
        line = found.setdefault(same, {**row, "invoices": []})
        line["invoices"] += [row["invoice_id"]] if row["invoice_id"] else []
    return list(found.values())[:SHOWN]


def _contact(view: View, snapshot: Snapshot, customer_id: str, asked: str | None) -> dict[str, Any]:
    """What the plan has for a customer, and the draft that was asked for or that goes with it."""
    planned = snapshot.get_contact(customer_id)
    if planned is None:
        return {"contact": None, "draft": None, "no_draft": None, "drafts": ()}
    draft, why = None, None
    action = asked or planned["code"]
    if action in MESSAGE_CODES:
        try:
            draft = draft_of(snapshot, planned, action, **view.said)
        except Problem:
            block = "do_not_contact" if planned["do_not_contact"] else "dispute"
            why = phrases.block_text(block, view.language)
    return {
        "contact": plan.contact(planned, **view.said),
        "draft": draft,
        "no_draft": why,
        "drafts": () if planned["do_not_contact"] else MESSAGE_CODES,
    }


def _what_if(
    view: View, snapshot: Snapshot, rows: list[Row], query: Mapping[str, str]
) -> dict[str, Any]:
    """The form of a what-if, and its answer where one is asked."""
    newest_first = sorted(rows, key=lambda row: row["due_business_date"], reverse=True)
    ids = [row["invoice_id"] for row in newest_first]
    invoice = query.get("invoice") or ids[0]
    days = query.get("more_days") or "0"
    instalments = query.get("instalments") or "1"
    form = {
        "ids": ids,
        "invoice": invoice if invoice in ids else ids[0],
        "more_days": int(days) if re.fullmatch(r"[0-9]{1,3}", days, re.ASCII) else 0,
        "instalments": int(instalments)
        if re.fullmatch(r"[0-9]{1,2}", instalments, re.ASCII)
        else 1,
        "most_days": MOST_DAYS,
        "days_step": DAYS_STEP,
    }
    is_asked = "more_days" in query or "instalments" in query
    return {**form, "answer": _answered(view, snapshot, form) if is_asked else None}


def _answered(view: View, snapshot: Snapshot, form: Mapping[str, Any]) -> dict[str, Any] | None:
    """The invoice as it is and with the change; None where no answer can be given."""
    model = view.at_hand.model
    change = Change(
        more_days=form["more_days"] or None,
        instalments=form["instalments"] if form["instalments"] > 1 else None,
    )
    if model is None:
        return None
    try:
        ledger = kept_rows.of_invoice(view.at_hand, snapshot, form["invoice"])
        asked = Asked.of(ledger, kept_rows.day_number(snapshot.as_of), model, form["invoice"])
        return comparison(asked.compare(change), view.said)
    except (Problem, CannotChange):
        return None
