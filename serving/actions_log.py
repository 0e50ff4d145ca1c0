"""POST /v1/actions, /v1/promises, /v1/snoozes: what was done, promised, put off.

What was recommended, and how likely, is kept beside what was done: without it nobody can learn
later whether the recommendation was worth anything.
"""

import uuid
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from pipelines.records import audit, ledger_rows, marks
from pipelines.records.audit import Writer
from pipelines.records.row_check import Cell, check
from serving.answers import Answer, JsonAnswer
from serving.at_hand import AtHand
from serving.messages import ActionTaken, Day, Id, Message, PromiseToPay
from serving.problems import EVERY_ROUTE, Fault, Problem, counted, declared, shape
from serving.strict_requests import StrictRoute
from serving.writes import IDEMPOTENCY, once


class ActionDone(ActionTaken):
    """What was done about a customer or one of its invoices, and what came of it."""

    customer_id: Id


class PromiseMade(PromiseToPay):
    """When the customer said that it would pay."""

    promised_date: Day


class Snooze(Message):
    """A customer that is left alone until a day."""

    customer_id: Id
    until: Day = Field(description="the day on which it is to be looked at again")


class CustomerMark(Answer):
    """What was last done about a customer, or until when it was put off; null: nothing."""

    customer_id: str
    kind: marks.Kind | None
    subject: str | None = Field(description="the action's code, or the invoice that is promised")
    until: date | None = Field(description="the promised day, or the day to look again")
    made_on: date | None = Field(description="the day of what was done")
    changed_by: str | None


class Done(NamedTuple):
    """What a customer is marked with."""

    customer_id: str
    kind: marks.Kind
    subject: str
    made_on: date
    until: date | None


class Recorded(Answer):
    """What was kept, and what had been recommended."""

    id: str = Field(description="send it again with what came of it")
    status: Literal["accepted", "revised", "unchanged"]
    recommended_action: str | None = Field(examples=["reminder_1"])
    as_recommended: bool | None


ACTION_EXAMPLE = {
    "customer_id": "C-0042",
    "invoice_id": "2026/000311",
    "action_code": "call",
    "channel": "phone",
    "performed_on": "2026-06-30",
    "actor": "human",
    "outcome_code": "promised",
}
SNOOZE_EXAMPLE = {"customer_id": "C-0042", "until": "2026-07-07"}
PROMISE_EXAMPLE = {
    "invoice_id": "2026/000311",
    "made_on": "2026-06-30",
    "promised_date": "2026-07-10",
}


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["actions"], route_class=StrictRoute)
    declaration: dict[str, Any] = {
        "response_model": Recorded,
        "response_class": JsonAnswer,
        "responses": declared(*EVERY_ROUTE, 409),
    }

    @router.post(
        "/v1/actions",
        summary="Record what was done",
        openapi_extra=_extra(ACTION_EXAMPLE),
        **declaration,
    )
    async def post_action(request: Request, action: ActionDone) -> Response:
        """Sent again with its id, an action gets its outcome; the invoice must still be open."""
        return await record_action(request, at_hand, action)

    @router.post(
        "/v1/promises",
        summary="Record a promise to pay",
        openapi_extra=_extra(PROMISE_EXAMPLE),
        **declaration,
    )
    async def post_promise(request: Request, promise: PromiseMade) -> Response:
        """Until its day has passed, the invoice asks for nothing more than to wait."""
        return await record_promise(request, at_hand, promise)

    @router.post(
        "/v1/snoozes",
        summary="Put a customer off until a day",
        openapi_extra=_extra(SNOOZE_EXAMPLE),
        response_model=CustomerMark,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE, 409),
    )
    async def post_snooze(request: Request, snooze: Snooze) -> Response:
        """The plan shows it and recommends as before. A day that is not ahead ends it."""
        return await record_snooze(request, at_hand, snooze)

    return router


async def record_action(
    request: Request, at_hand: AtHand, action: ActionDone, *, key: str | None = None
) -> Response:
    """Keeps what was done, beside what had been recommended; `key` is for Idempotency-Key."""
    row = cells(action)
    stored = _open_row(at_hand, action.invoice_id, action.customer_id)
    if action.action_code not in {known.code for known in at_hand.catalogue.actions}:
        fault = Fault("action_code", "unknown_action", "a code of the catalogue", "another")
        raise Problem("invalid-request", counted(1), faults=[fault])
    advice = _advice(at_hand, action, stored)
    row = {"action_id": uuid.uuid4().hex, "actor": "human", **advice, **row}
    mark = Done(action.customer_id, "done", action.action_code, action.performed_on, None)
    return await _keep(request, at_hand, "actions", row, recommended=advice, mark=mark, key=key)


async def record_promise(
    request: Request, at_hand: AtHand, promise: PromiseMade, *, key: str | None = None
) -> Response:
    """Keeps a promise to pay; `key` is for Idempotency-Key."""
    if promise.promised_date < promise.made_on:
        fault = Fault("promised_date", "promised_before_made", "a day from made_on on", "earlier")
        raise Problem("invalid-request", counted(1), faults=[fault])
    scored = _open_row(at_hand, promise.invoice_id, None)
    row = {"promise_id": uuid.uuid4().hex, "status": "open", **cells(promise)}
    mark = None
    if scored is not None:
        made_on, until = promise.made_on, promise.promised_date
        mark = Done(scored["customer_id"], "promised", promise.invoice_id, made_on, until)
    return await _keep(request, at_hand, "promises", row, recommended={}, mark=mark, key=key)


async def record_snooze(
    request: Request, at_hand: AtHand, snooze: Snooze, *, key: str | None = None
) -> Response:
    """Keeps until when a customer is put off, or that it no longer is."""
    snapshot, today = at_hand.snapshot(), at_hand.today()
    if snapshot is not None and not snapshot.get_customer(snooze.customer_id):
        raise Problem("not-found", "No customer with open invoices has this id.")

    def write(connection: sa.Connection, writer: Writer) -> dict[str, Any]:
        if snooze.until <= today:
            marks.clear(connection, snooze.customer_id, writer=writer)
            return _no_mark(snooze.customer_id)
        marks.snooze(
            connection, snooze.customer_id, until=snooze.until, made_on=today, writer=writer
        )
        found = marks.standing(connection, [snooze.customer_id], as_of=today)
        return {"customer_id": snooze.customer_id, **told_mark(found[snooze.customer_id])}

    return await once(request, at_hand.records, await request.body(), write, key=key)


def told_mark(mark: Mapping[str, Any]) -> dict[str, Any]:
    """A mark in the answer's words; days are text, for answers that are kept."""
    names = ("kind", "until", "made_on", "changed_by")
    return {**{name: mark[name] for name in names}, "subject": mark["subject"] or None}


def _no_mark(customer_id: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("kind", "until", "made_on", "changed_by", "subject"))
    return {"customer_id": customer_id, **nothing}


def cells(message: Message) -> dict[str, Cell]:
    """A message as a row of the ledger: its names, days as text, money in units."""
    row: dict[str, Cell] = {}
    for name, value in message:
        if value is None:
            continue
        if name.endswith("_cents"):
            row[name.removesuffix("_cents")] = Decimal(value) / 100
        else:
            row[name] = value.isoformat() if isinstance(value, date) else value
    return row


async def _keep(
    request: Request,
    at_hand: AtHand,
    table: str,
    row: dict[str, Cell],
    *,
    recommended: Mapping[str, Cell],
    mark: "Done | None" = None,
    key: str | None = None,
) -> Response:
    (checked,) = check(table, [row])
    if checked.faults:
        faults = [Fault(f.column, f.rule, f.expected, shape(f.found)) for f in checked.faults]
        raise Problem("invalid-request", counted(len(faults)), faults=faults)
    advised = recommended.get("recommended_action")

    def write(connection: sa.Connection, writer: Writer) -> dict[str, Any]:
        (verdict,) = ledger_rows.put(connection, table, [checked], at=writer.at)
        detail = {"code": row["action_code"]} if table == "actions" else {}
        audit.note(connection, writer, table, str(verdict.key), detail)
        if mark is not None:
            marks.put(connection, **mark._asdict(), writer=writer)
        return {
            "id": verdict.key,
            "status": verdict.status,
            "recommended_action": advised,
            "as_recommended": None if advised is None else row.get("action_code") == advised,
        }

    return await once(request, at_hand.records, await request.body(), write, key=key)


def _open_row(
    at_hand: AtHand, invoice_id: str | None, customer_id: str | None
) -> Mapping[str, Any] | None:
    """The invoice as last scored; a Problem (409) where it is not open any more.

    Without scores nothing is known of any invoice, and what was done is kept all the same.
    """
    snapshot = at_hand.snapshot()
    if snapshot is None or invoice_id is None:
        return None
    row = snapshot.get_invoice(invoice_id)
    if row is None:
        detail = f"This invoice is not among those open as of {snapshot.as_of}: paid, or not known."
        raise Problem("conflict", detail)
    if customer_id is not None and row["customer_id"] != customer_id:
        fault = Fault("invoice_id", "unknown_invoice", "an invoice of the customer", "another's")
        raise Problem("invalid-request", counted(1), faults=[fault])
    return row


def _advice(
    at_hand: AtHand, done: ActionDone, invoice: Mapping[str, Any] | None
) -> dict[str, Cell]:
    """What was recommended, as the log of actions keeps it: the day's plan for the customer.

    A night without a plan has its advice for the invoice. What was done before the day that the
    scores are of was not recommended by them.
    """
    snapshot = at_hand.snapshot()
    if snapshot is None or done.performed_on < snapshot.as_of:
        return {}
    advised = snapshot.get_contact(done.customer_id) or (invoice or {}).get("action") or {}
    told = {
        "recommended_action": advised.get("code"),
        "policy_version": advised.get("policy_version"),
        "propensity": advised.get("propensity"),
        "holdout": advised.get("held_out"),
    }
    return {name: value for name, value in told.items() if value is not None}


def _extra(example: Mapping[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"example": dict(example)}}
    return {"requestBody": {"content": content}, "parameters": [IDEMPOTENCY]}
