"""GET /v1/customers/{customer_id}/history: due against paid, what was done and promised."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from pipelines import customer_record
from pipelines.customer_record import CustomerRecord
from pipelines.snapshot import Snapshot
from serving import kept_rows
from serving.answers import Answer, JsonAnswer, Provenance, units
from serving.at_hand import AtHand
from serving.customers import CustomerId
from serving.messages import Day
from serving.problems import EVERY_ROUTE, Problem, declared
from serving.strict_requests import StrictRoute


class PastInvoice(Answer):
    """An invoice, settled or open."""

    invoice_id: str
    issue_date: date
    due_date: date
    due_business_date: date
    amount: float
    open_amount: float
    settled_on: date | None = Field(description="when the last of it came; null while it is open")
    days_late: int = Field(
        description="of the settlement, or of an open one so far; negative: before it was due"
    )


class PastLimit(Answer):
    """A credit limit, from the day on which it began to hold."""

    valid_from: date
    amount: float
    insured_amount: float | None


class PastAction(Answer):
    """Something that was done."""

    performed_on: date
    action_code: str
    invoice_id: str | None
    channel: str | None
    outcome_code: str | None


class PastPromise(Answer):
    """A promise to pay, and how it stands: kept, broken or open."""

    made_on: date
    promised_date: date | None
    invoice_id: str
    amount: float | None
    state: str = Field(examples=["broken"], description="kept, broken or open")


class PastDispute(Answer):
    """A dispute about an invoice."""

    opened_on: date
    closed_on: date | None
    invoice_id: str
    amount: float | None
    reason_code: str | None
    outcome: str | None


class CustomerHistory(Provenance):
    """What was known of a customer before a day, each list the oldest first."""

    invoices: list[PastInvoice]
    limits: list[PastLimit]
    actions: list[PastAction]
    promises: list[PastPromise]
    disputes: list[PastDispute]


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["last night's scores"], route_class=StrictRoute)

    @router.get(
        "/v1/customers/{customer_id:path}/history",
        summary="What a customer was asked for, paid, promised and was sent",
        response_model=CustomerHistory,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_customer_history(
        customer_id: CustomerId,
        as_of: Annotated[
            Day | None, Query(description="what was known before this day; not given: last night")
        ] = None,
    ) -> JsonAnswer:
        """From the rows that last night read."""
        snapshot = at_hand.scores()
        day = as_of or snapshot.as_of
        record = await run_in_threadpool(record_of, at_hand, snapshot, customer_id, day)
        if not record.invoices:
            raise Problem("not-found", f"No customer with invoices before {day} has this id.")
        return JsonAnswer({**at_hand.provenance(snapshot), "as_of": day, **told(record)})

    return router


def record_of(
    at_hand: AtHand, snapshot: Snapshot, customer_id: str, day: date | None = None
) -> CustomerRecord:
    """A customer's record as of a day, or of the night; a Problem (404) where no rows are kept."""
    ledger = kept_rows.of_customer(at_hand, snapshot, customer_id)
    return customer_record.of(ledger, kept_rows.day_number(day or snapshot.as_of))


def told(record: CustomerRecord) -> dict[str, Any]:
    """The record in the answer's words, amounts in units."""
    lists: dict[str, type[Answer]] = {
        "invoices": PastInvoice,
        "limits": PastLimit,
        "actions": PastAction,
        "promises": PastPromise,
        "disputes": PastDispute,
    }
    return {
        name: [_row(row, message) for row in getattr(record, name)]
        for name, message in lists.items()
    }


def _row(row: customer_record.Row, message: type[Answer]) -> dict[str, Any]:
    return {
        name: _units(row[f"{name}_cents"]) if f"{name}_cents" in row else row[name]
        for name in message.model_fields
        if name != "open_amount"
    } | ({"open_amount": units(row["open_cents"])} if "open_cents" in row else {})


def _units(cents: int | None) -> float | None:
    return None if cents is None else units(cents)
