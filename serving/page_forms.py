"""The forms of the pages: what was done, promised, put off or said of an alert.

They are kept as the API keeps them.

A form is taken from our own pages alone: a browser says where it comes from. It is answered by
sending the browser back to the page, which shows what was kept.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from starlette.responses import Response

from serving import actions_log, alerts
from serving.actions_log import ActionDone, PromiseMade, Snooze
from serving.alerts import AlertChange
from serving.at_hand import AtHand
from serving.messages import Message
from serving.problems import Problem
from serving.view import View

FORM_TYPE = "application/x-www-form-urlencoded"
SAME_SITE = ("same-origin", "none")  # Sec-Fetch-Site of our own forms, and of what a person types


def add(router: APIRouter, at_hand: AtHand) -> None:
    """The addresses that the pages' forms are sent to."""

    @router.post("/customers/{customer_id:path}/done")
    async def done(request: Request, customer_id: str) -> Response:
        form = await read(request)
        row = {
            "customer_id": customer_id,
            "performed_on": at_hand.today().isoformat(),
            "actor": "human",
        }
        given = {
            name: form.get(name) or None for name in ("action_code", "channel", "outcome_code")
        }
        return await _kept(request, at_hand, form, ActionDone, row | given)

    @router.post("/customers/{customer_id:path}/promise")
    async def promise(request: Request, customer_id: str) -> Response:
        form = await read(request)
        invoices, snapshot = form.get("invoices", "").splitlines(), at_hand.snapshot()
        known = snapshot is None or all(snapshot.get_invoice(each) for each in invoices)
        if not invoices or not known:  # all of them are kept, or none
            view = View(at_hand, request)
            return view.message("not_kept_title", "not_kept_text", status=422)
        for invoice_id in invoices:
            row = {"invoice_id": invoice_id, "made_on": at_hand.today().isoformat()}
            answer = await _kept(
                request,
                at_hand,
                form,
                PromiseMade,
                row | {"promised_date": form.get("promised_date")},
            )
            if answer.status_code != 303:
                return answer
        return _back(form)

    @router.post("/customers/{customer_id:path}/snooze")
    async def snooze(request: Request, customer_id: str) -> Response:
        form = await read(request)
        row = {"customer_id": customer_id, "until": form.get("until")}
        return await _kept(request, at_hand, form, Snooze, row)

    @router.post("/alerts/{alert_id}")
    async def alert(request: Request, alert_id: str) -> Response:
        form = await read(request)
        row = {"state": form.get("state"), "until": form.get("until") or None}
        return await _kept(request, at_hand, form, AlertChange, row, alert_id=alert_id)


async def read(request: Request) -> dict[str, str]:
    """The fields of a form that one of our own pages sent; a Problem for any other request."""
    headers = request.headers
    if headers.get("content-type", "").split(";")[0].strip().lower() != FORM_TYPE:
        raise Problem("unsupported-media-type", f"Send Content-Type: {FORM_TYPE}.")
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    is_foreign = site not in SAME_SITE if site else bool(origin) and not _is_ours(origin, headers)
    if is_foreign:
        raise Problem("forbidden", "A form is taken from the service's own pages only.")
    try:
        fields = parse_qsl(
            (await request.body()).decode("utf-8"), max_num_fields=50, errors="strict"
        )
    except ValueError:
        raise Problem("malformed-request", "The form cannot be read.") from None
    return dict(fields)


def _is_ours(origin: str | None, headers: Mapping[str, str]) -> bool:
    return urlsplit(origin or "").netloc == headers.get("host", "")


async def _kept(
    request: Request,
    at_hand: AtHand,
    form: Mapping[str, str],
    kind: type[Message],
    row: Mapping[str, Any],
    *,
    alert_id: str | None = None,
) -> Response:
    """Keeps what the form says and goes back to its page; or a page that says why it was not."""
    view = View(at_hand, request)
    try:
        message = kind.model_validate(
            {name: value for name, value in row.items() if value is not None}
        )
        key = form.get("key")
        if isinstance(message, ActionDone):
            await actions_log.record_action(request, at_hand, message, key=key)
        elif isinstance(message, PromiseMade):
            key = key and f"{key}/{message.invoice_id}"
            await actions_log.record_promise(request, at_hand, message, key=key)
        elif isinstance(message, Snooze):
            await actions_log.record_snooze(request, at_hand, message, key=key)
        elif isinstance(message, AlertChange) and alert_id is not None:
            await alerts.record_change(request, at_hand, alert_id, message, None, key=key)
    except ValidationError:
        return view.message("not_kept_title", "not_kept_text", status=422)
    except Problem as problem:
        title = "records_title" if problem.status_code == 503 else "not_kept_title"
        text = "records_text" if problem.status_code == 503 else "not_kept_text"
        return view.message(title, text, status=problem.status_code)
    return _back(form)


def _back(form: Mapping[str, str]) -> Response:
    """To the page that the form came from, never to another service."""
    page = form.get("back", "/")
    is_ours = page.startswith("/") and not page.startswith(("//", "/\\")) and "\n" not in page
    return RedirectResponse(page if is_ours else "/", status_code=303)
