"""/v1/webhooks: who is told of new alerts and scores, at which address; for administrators.

Messages follow Standard Webhooks: `webhook-id` (the same at every attempt), `webhook-timestamp`
and `webhook-signature`, `v1,` and the base64 of the HMAC-SHA256 of "id.timestamp.body" under the
secret's bytes (base64 after `whsec_`). A receiver refuses old timestamps and ids that it knows.
"""

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from pipelines.records import webhooks
from pipelines.records.audit import Writer
from pipelines.records.webhooks import TooManyWebhooks
from serving.answers import Answer, JsonAnswer
from serving.at_hand import AtHand
from serving.messages import Message
from serving.problems import EVERY_ROUTE, Fault, Problem, counted, declared, shape
from serving.strict_requests import StrictRoute
from serving.web_addresses import URL_CHARACTERS, AddressRefused, look_up, parse, resolve
from serving.writes import IDEMPOTENCY, once

Event = Literal["alert.raised", "night.failed", "scores.published"]
WebhookId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{16}$", description="`id` of the webhook", examples=["5f0c2b7e9d4a4b1e"]
    ),
]
EXAMPLE = {"url": "https://erp.example.com/puntuale", "events": ["alert.raised"]}


class Wanted(Message):
    """Who wants to be told, and of what."""

    url: Annotated[
        str, Field(min_length=1, max_length=URL_CHARACTERS, pattern=r"^https?://[\x21-\x7e]+$")
    ]
    events: Annotated[list[Event], Field(min_length=1, max_length=3)]


class Webhook(Answer):
    """An address that is told, and what became of its messages."""

    id: str = Field(examples=["5f0c2b7e9d4a4b1e"])
    url: str = Field(examples=[EXAMPLE["url"]])
    events: list[Event]
    made_at: str
    waiting: int = Field(description="messages that are still to be delivered")
    delivered: int
    given_up: int = Field(description="messages that nobody took within three days")
    last_answer: str | None = Field(description="of the last attempt: a status, or why none")


class NewWebhook(Webhook):
    """A webhook, and the secret of its signatures, which is shown this once."""

    secret: str = Field(examples=["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="])


class Webhooks(Answer):
    """Every address that is told, the oldest first."""

    webhooks: list[Webhook]


class Removed(Answer):
    """The webhook that was removed; what waited for it is not sent."""

    id: str


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["webhooks"], route_class=StrictRoute)
    allow_private = at_hand.settings.webhook_allow_private

    @router.get(
        "/v1/webhooks",
        summary="Who is told of new alerts and scores",
        response_model=Webhooks,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    def get_webhooks() -> JsonAnswer:
        """Without their secrets."""
        with at_hand.records.reading() as connection:
            return JsonAnswer({"webhooks": webhooks.in_force(connection)})

    @router.post(
        "/v1/webhooks",
        summary="Be told of new alerts or scores",
        response_model=NewWebhook,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE, 409),
        openapi_extra={
            "requestBody": {"content": {"application/json": {"example": EXAMPLE}}},
            "parameters": [IDEMPOTENCY],
        },
    )
    async def post_webhook(request: Request, wanted: Wanted) -> Response:
        """Delivered at least once, for up to three days; not to addresses of a private network."""
        try:
            target = parse(wanted.url, allow_private=allow_private)
            await resolve(target, allow_private=allow_private, look_up=look_up)
        except AddressRefused as fault:
            faults = [Fault("url", "web_address", str(fault), shape(wanted.url))]
            raise Problem("invalid-request", counted(1), faults=faults) from None

        def write(connection: sa.Connection, writer: Writer) -> dict[str, Any]:
            try:
                made, secret = webhooks.make(
                    connection, wanted.url, events=wanted.events, writer=writer
                )
            except TooManyWebhooks as fault:
                raise Problem("conflict", f"{str(fault).capitalize()}.") from None
            return {**made, "secret": secret}

        return await once(request, at_hand.records, await request.body(), write)

    @router.delete(
        "/v1/webhooks/{webhook_id}",
        summary="Be told no longer",
        response_model=Removed,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE, 409),
        openapi_extra={"parameters": [IDEMPOTENCY]},
    )
    async def delete_webhook(request: Request, webhook_id: WebhookId) -> Response:
        """What waited for it is not sent either."""

        def write(connection: sa.Connection, writer: Writer) -> dict[str, Any]:
            try:
                webhooks.remove(connection, webhook_id, writer=writer)
            except LookupError:
                raise Problem("not-found", "No webhook has this id.") from None
            return {"id": webhook_id}

        return await once(request, at_hand.records, await request.body(), write)

    return router
