"""POST /v1/actions and /v1/promises: what was done to get paid, and what the customer said.

What was recommended, and how likely, is kept beside what was done: without it nobody can learn
later whether the recommendation was worth anything.
"""

import uuid
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from pipelines.records import audit, ledger_rows
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
        row = cells(action)
        stored = _open_row(at_hand, action.invoice_id, action.customer_id)
        if action.action_code not in {known.code for known in at_hand.catalogue.actions}:
            fault = Fault("action_code", "unknown_action", "a code of the catalogue", "another")
            raise Problem("invalid-request", counted(1), faults=[fault])
        advice = _advice(at_hand, action, stored)
        row = {"action_id": uuid.uuid4().hex, "actor": "human", **advice, **row}
        return await _keep(request, at_hand, "actions", row, recommended=advice)

    @router.post(
        "/v1/promises",
        summary="Record a promise to pay",
        openapi_extra=_extra(PROMISE_EXAMPLE),
        **declaration,
    )
    async def post_promise(request: Request, promise: PromiseMade) -> Response:
        """Until its day has passed, the invoice asks for nothing more than to wait."""
        if promise.promised_date < promise.made_on:
            fault = Fault(
                "promised_date", "promised_before_made", "a day from made_on on", "earlier"
            )
            raise Problem("invalid-request", counted(1), faults=[fault])
        _open_row(at_hand, promise.invoice_id, None)
        row = {"promise_id": uuid.uuid4().hex, "status": "open", **cells(promise)}
        return await _keep(request, at_hand, "promises", row, recommended={})

    return router


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
        return {
            "id": verdict.key,
            "status": verdict.status,
            "recommended_action": advised,
            "as_recommended": None if advised is None else row.get("action_code") == advised,
        }

    return await once(request, at_hand.records, await request.body(), write)


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
