"""GET /v1/alerts: warnings that are new, the most value first; POST: what a person says of one."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from pipelines.records import alerts
from pipelines.records.alerts import State
from pipelines.records.audit import Writer
from serving.answers import Answer, JsonAnswer, Said, units
from serving.at_hand import AtHand
from serving.invoices import InLanguage
from serving.messages import ID_PATTERN, Day, Language, Message
from serving.phrases import signal_text
from serving.problems import EVERY_ROUTE, Fault, Problem, counted, declared
from serving.strict_requests import StrictRoute
from serving.worklist import Limit, Signal
from serving.writes import IDEMPOTENCY, once

AlertId = Annotated[
    str, Path(pattern="^[1-9][0-9]{0,14}$", description="`id` of the alert", examples=["17"])
]
CURSOR = "^[0-9]{1,17}-[1-9][0-9]{0,14}$"
After = Annotated[
    str | None,
    Query(
        pattern=CURSOR,
        description="`next_cursor` of the page before",
        examples=["52938-17"],
    ),
]


class Alert(Answer):
    """A warning that was new on a night, and what was said of it."""

    id: int = Field(examples=[17])
    as_of: date = Field(description="the night that raised it")
    code: str = Field(examples=["delay_drift"])
    text: str = Field(examples=["Pays later and later: 24 days late, used to be 9"])
    severity: str = Field(examples=["high"])
    customer_id: str = Field(examples=["C-0042"])
    invoice_id: str | None = Field(description="null: the warning is about the customer")
    since: date
    value: float = Field(description="value at risk of its invoices when it was raised")
    open_amount: float
    invoices: int
    state: State
    until: date | None = Field(description="of a snoozed one: the day it is open again")
    changed_at: str
    changed_by: str | None
    stands: bool | None = Field(description="whether the last scores still carry the warning")


class Alerts(Answer):
    """A page of alerts, the most value first."""

    next_cursor: str | None = Field(description="for the next page; null on the last")
    alerts: list[Alert]


class AlertChange(Message):
    """What a person says of an alert."""

    state: State
    until: Day | None = None


EXAMPLES: Mapping[str, Any] = {
    "put off": {"value": {"state": "snoozed", "until": "2026-07-07"}},
    "seen": {"value": {"state": "acknowledged"}},
}


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["alerts"], route_class=StrictRoute)

    @router.get(
        "/v1/alerts",
        summary="Warnings that are new",
        response_model=Alerts,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    def get_alerts(
        state: Annotated[State | None, Query(description="only in this state")] = None,
        code: Annotated[Signal | None, Query(description="only this warning")] = None,
        customer: Annotated[
            str | None,
            Query(
                min_length=1,
                max_length=200,
                pattern=ID_PATTERN,
                description="only about this customer",
                examples=["C-0042"],
            ),
        ] = None,
        limit: Limit = 50,
        cursor: After = None,
        lang: InLanguage = None,
    ) -> JsonAnswer:
        """One that was put off is open again from its day on."""
        with at_hand.records.reading() as connection:
            found = alerts.page(
                connection,
                today=at_hand.today(),
                limit=limit + 1,
                after=place(cursor),
                state=state,
                code=code,
                customer_id=customer,
            )
        shown, more = found[:limit], len(found) > limit
        said = at_hand.said_in(lang, at_hand.snapshot())
        return JsonAnswer(
            {
                "next_cursor": cursor_behind(shown[-1]) if more else None,
                "alerts": [told(alert, said, at_hand) for alert in shown],
            }
        )

    @router.post(
        "/v1/alerts/{alert_id}",
        summary="Say what becomes of an alert",
        response_model=Alert,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE, 409),
        openapi_extra={
            "requestBody": {"content": {"application/json": {"examples": dict(EXAMPLES)}}},
            "parameters": [IDEMPOTENCY],
        },
    )
    async def post_alert(
        request: Request, alert_id: AlertId, change: AlertChange, lang: InLanguage = None
    ) -> Response:
        """Acknowledged: somebody has it. Snoozed: not before `until`. Open: as it was raised."""
        return await record_change(request, at_hand, alert_id, change, lang)

    return router


async def record_change(
    request: Request,
    at_hand: AtHand,
    alert_id: str,
    change: AlertChange,
    lang: Language | None,
    *,
    key: str | None = None,
) -> Response:
    """Keeps what a person says of an alert; `key` is for Idempotency-Key."""
    check(change, today=at_hand.today())
    said = at_hand.said_in(lang, at_hand.snapshot())

    def write(connection: sa.Connection, writer: Writer) -> dict[str, Any]:
        try:
            changed = alerts.change(
                connection,
                int(alert_id),
                state=change.state,
                until=change.until,
                writer=writer,
                today=at_hand.today(),
            )
        except LookupError:
            raise Problem("not-found", "No alert has this id.") from None
        return told(changed, said, at_hand)

    return await once(request, at_hand.records, await request.body(), write, key=key)


def check(change: AlertChange, *, today: date) -> None:
    """Refuses (422) a day where none belongs, none where one does, and one that has passed."""
    expected = None
    if change.state == "snoozed" and (change.until is None or change.until <= today):
        expected = "a day after today, with the state snoozed"
    elif change.state != "snoozed" and change.until is not None:
        expected = "nothing, unless the state is snoozed"
    if expected:
        got = "nothing" if change.until is None else "a day"
        faults = [Fault("until", "until_of_snoozed", expected, got)]
        raise Problem("invalid-request", counted(1), faults=faults)


def told(alert: Mapping[str, Any], said: Said, at_hand: AtHand) -> dict[str, Any]:
    """An alert as a message; it goes through JSON twice, so days are text."""
    facts, snapshot = alert["facts"], at_hand.snapshot()
    signal = {"code": alert["code"], "before": facts["before"], "now": facts["now"]}
    same = ("id", "as_of", "code", "severity", "customer_id", "invoice_id", "since")
    last = ("state", "until", "changed_at", "changed_by")
    return {
        **{name: alert[name] for name in same},
        "text": signal_text(signal, said["language"], said["currency"]),
        "value": units(alert["value_cents"]),
        "open_amount": units(facts["open_cents"]),
        "invoices": facts["invoices"],
        **{name: alert[name] for name in last},
        "stands": snapshot and (alert["last_seen"] or "") >= snapshot.as_of.isoformat(),
    }


def is_cursor(text: str) -> bool:
    """Whether a text is the cursor of a page."""
    return re.fullmatch(CURSOR, text, re.ASCII) is not None


def cursor_behind(alert: Mapping[str, Any]) -> str:
    """The cursor of the page that begins behind an alert."""
    return f"{alert['value_cents']}-{alert['id']}"


def place(cursor: str | None) -> tuple[int, int] | None:
    """Behind which value and alert a page begins; None for the first page."""
    if cursor is None:
        return None
    value, _, id_ = cursor.partition("-")
    return int(value), int(id_)
