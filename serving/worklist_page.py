"""The worklist as a page: one row for each customer as the day's plan has it, or each invoice."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from fastapi.responses import HTMLResponse

from pipelines.lookup import Row
from pipelines.records import marks
from pipelines.snapshot import CUSTOMER_SORTS, INVOICE_SORTS, NotFiltered, Snapshot, Wanted
from serving import phrases, plan
from serving.answers import BANDS, invoice_score, units
from serving.at_hand import AtHand
from serving.problems import Problem
from serving.view import View
from serving.worklist import Page, page, plan_page

ROWS = 25  # the first view stays under 100 KB unpacked
PROMISE_DAYS = 7  # from today: what the form of a promise begins with
FILTERS = ("band", "signal", "action", "company", "collector", "min_open", "q")
_LONGEST = 200  # of a filter's text


def answer(view: View, query: Mapping[str, str]) -> HTMLResponse:
    """The day's plan by customer, or the list by invoice, under the filters of the address."""
    snapshot = view.snapshot
    if snapshot is None:
        return view.render("empty.html")
    by_invoice = query.get("view") == "invoices" or not snapshot.has_plan
    sorts = INVOICE_SORTS if by_invoice else CUSTOMER_SORTS
    wanted, sort, start = (
        wanted_of(query, view),
        query.get("sort") or "worth",
        query.get("from", "0"),
    )
    if wanted is None or sort not in sorts or not re.fullmatch(r"[0-9]{1,9}", start, re.ASCII):
        return view.message("bad_title", "bad_text", status=422)
    context = _shared(view, snapshot, query, by_invoice=by_invoice, sorts=sorts)
    try:
        if by_invoice:
            found = page(snapshot, wanted, start=int(start), limit=ROWS, sort=sort)
            return view.render("worklist.html", **context, **_invoices(view, snapshot, found))
        found = plan_page(snapshot, wanted, start=int(start), limit=ROWS, sort=sort)
    except NotFiltered:
        return view.message("bad_title", "older_text", status=422)
    return view.render("plan.html", **context, **_contacts(view, snapshot, found))


def wanted_of(query: Mapping[str, str], view: View) -> Wanted | None:
    """What the address asks for, None where it asks for what there is not."""
    given = {name: query.get(name) or None for name in FILTERS}
    known = (
        (given["band"] is None or given["band"] in BANDS)
        and (given["signal"] is None or given["signal"] in phrases.words("en")["signals"])
        and (given["action"] is None or given["action"] in view.actions)
        and (given["min_open"] is None or re.fullmatch(r"[0-9]{1,9}", given["min_open"], re.ASCII))
        and all(len(value or "") <= _LONGEST for value in given.values())
    )
    if not known:
        return None
    at_least = given.pop("min_open")
    text = given.pop("q")
    cents = None if at_least is None else int(at_least) * 100
    return Wanted(**given, at_least_cents=cents, text=text)


def _shared(
    view: View,
    snapshot: Snapshot,
    query: Mapping[str, str],
    *,
    by_invoice: bool,
    sorts: Iterable[str],
) -> dict[str, Any]:
    """What both lists show above their rows."""
    filters = {name: query[name] for name in FILTERS if query.get(name)}
    kept = {**filters, "view": "invoices" if by_invoice and snapshot.has_plan else None}
    return {
        "filters": filters,
        "list_query": lambda sort: {**kept, "sort": None if sort == "worth" else sort},
        "sort": query.get("sort") or "worth",
        "sorts": sorts,
        "rows_a_page": ROWS,
        "by_invoice": by_invoice,
        "companies": snapshot.company_codes,
        "collectors": snapshot.collectors,
        "sums": {name: units(cents) for name, cents in snapshot.manifest["sums"].items()},
    }


def _invoices(view: View, snapshot: Snapshot, found: Page) -> dict[str, Any]:
    return {"invoices": [invoice_score(row, **view.said) for row in found.rows], "page": found}


def _contacts(view: View, snapshot: Snapshot, found: Page) -> dict[str, Any]:
    customers = {
        row["customer_id"]: snapshot.get_customer_row(row["customer_id"]) for row in found.rows
    }
    marked = standing_marks(view.at_hand, list(customers))
    today = view.at_hand.today()
    return {
        "contacts": [
            {
                **plan.contact(row, **view.said),
                "whole": about(customers[row["customer_id"]], view),
                "mark": (marked or {}).get(row["customer_id"]),
            }
            for row in found.rows
        ],
        "page": found,
        "summary": plan.summary(snapshot),
        "marks_away": marked is None,
        "promise_by": today + timedelta(days=PROMISE_DAYS),
        "today": today,
    }


def about(customer: Row | None, view: View) -> dict[str, Any] | None:
    """What a row shows of the customer itself; None for a night that kept no such rows."""
    if customer is None:
        return None
    said = {"language": view.language, "currency": view.said["currency"]}
    reason = customer["reason"]
    return {
        **{
            name: customer[name]
            for name in ("collector", "p_late_30", "expected_date", "date_lo", "date_hi")
        },
        "overdue_amount": units(customer["overdue_cents"]),
        "value_at_risk": units(customer["value_at_risk_cents"]),
        "reason": reason and phrases.reason_text(reason, **said),
        "signals": [
            {**signal, "text": phrases.signal_text(signal, **said)}
            for signal in customer["signals"]
        ],
    }


def standing_marks(at_hand: AtHand, customer_ids: list[str]) -> dict[str, marks.Mark] | None:
    """What was last done about these customers; None while the records are away."""
    try:
        with at_hand.records.reading() as connection:
            return marks.standing(connection, customer_ids, as_of=at_hand.today())
    except Problem:
        return None
