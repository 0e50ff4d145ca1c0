"""GET /v1/features: all that the model looks at; POST /v1/scores/from-features: scores of it."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, Request
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool

from pipelines import features, given
from serving import kept_rows
from serving.answers import Beliefs, JsonAnswer, Provenance, beliefs, units
from serving.at_hand import AtHand
from serving.feature_messages import FeaturesRequest, GivenInvoice, PaymentRecord
from serving.invoices import AsOf, InvoiceId
from serving.problems import EVERY_ROUTE, Fault, Problem, counted, declared, shape
from serving.strict_requests import StrictRoute, answered_quickly

# An amount whose digits a float may not hold: it is read the usual way, which counts them. So is a
# key with a space behind it, which would hide from the count of keys that another was given twice.
_NOT_PLAIN = re.compile(rb'"open_amount":\s*-?(?:[0-9.]{16,}|[0-9.]+[eE])|"[ \t\r\n]+:')


class FeatureScore(Beliefs):
    """One open invoice scored from what the model looks at: there is no advice."""

    invoice_id: str
    as_of: date


class FeatureScores(Provenance):
    """The scores of a request, in its order."""

    invoices: list[FeatureScore]


def routes(at_hand: AtHand) -> APIRouter:
    async def quickly(http: Request) -> JsonAnswer | None:
        plain = _plain(await http.body())
        return None if plain is None else await _answer(at_hand, plain, http)

    router = APIRouter(tags=["scores"], route_class=answered_quickly(quickly))

    @router.post(
        "/v1/scores/from-features",
        summary="Score invoices from features that were worked out before",
        response_model=FeatureScores,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def post_features(
        request: Annotated[FeaturesRequest, Body()], http: Request
    ) -> JsonAnswer:
        """The same bits as from the history. Without it nobody knows what was agreed, contested or
        done: there is no action, and a signal has no day since when it stands."""
        return await _answer(at_hand, request, http)

    read = APIRouter(tags=["last night's scores"], route_class=StrictRoute)

    @read.get(
        "/v1/features/{invoice_id:path}",
        summary="All that the model looks at of one open invoice",
        response_model=FeaturesRequest,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_features(invoice_id: InvoiceId, as_of: AsOf = None) -> JsonAnswer:
        """From the rows that last night read; to be sent to `/v1/scores/from-features` as it is."""
        return await _looked_at(at_hand, invoice_id, as_of)

    router.include_router(read)
    return router


def _plain(body: bytes) -> FeaturesRequest | None:
    """The request where it is plainly valid; None where the usual way finds what is wrong."""
    if b"\\" in body or _NOT_PLAIN.search(body):
        return None
    try:
        told = from_json(body, allow_inf_nan=False, cache_strings="keys")
        n_keys = body.count(b'":')
        for invoice in told["invoices"]:
            n_keys -= len(invoice) + len(invoice["features"]) + len(invoice["record"])
            invoice["open_amount"] = _exact(invoice["open_amount"])
        if n_keys != len(told):  # a key was given twice, or stands where none belongs
            return None
        return FeaturesRequest.model_validate(told)
    except (ValueError, TypeError, KeyError, ValidationError):
        return None


def _exact(amount: Any) -> Any:
    """The number as it was written: a float of so few digits says which one that was."""
    return Decimal(repr(amount)) if type(amount) is float else amount


async def _answer(at_hand: AtHand, request: FeaturesRequest, http: Request) -> JsonAnswer:
    model = at_hand.champion()
    if faults := list(_faults(request)):
        raise Problem("invalid-request", counted(len(faults)), faults=faults)
    rows = [_row(invoice) for invoice in request.invoices]
    day = kept_rows.day_number(request.as_of)
    scored = await at_hand.places.run(
        lambda: given.score(rows, day, model).to_pylist(),
        invoices=len(rows),
        is_gone=http.is_disconnected,
    )
    said = at_hand.said_in(request.language)
    wording = {"language": said["language"], "currency": said["currency"]}
    return JsonAnswer(
        {
            **at_hand.worked_out(request.as_of, model),
            "invoices": [
                {
                    "invoice_id": row["invoice_id"],
                    "as_of": row["as_of"],
                    **beliefs(row, **wording),
                }
                for row in scored
            ],
        }
    )


def _faults(request: FeaturesRequest) -> Iterator[Fault]:
    """What no schema says: another book, and records that are not in order."""
    ours = features.our_fingerprint()
    if request.feature_book not in (None, ours):
        yield Fault("feature_book", "another_book", ours, shape(request.feature_book))
    first_at: dict[str, int] = {}
    for i, invoice in enumerate(request.invoices):
        if (first := first_at.setdefault(invoice.invoice_id, i)) != i:
            expected = f"an id that is not at invoices[{first}] already"
            found = shape(invoice.invoice_id)
            yield Fault(f"invoices[{i}].invoice_id", "duplicate_id", expected, found)
        path, record = f"invoices[{i}].record", invoice.record
        lengths = [len(getattr(record, name)) for name in PaymentRecord.model_fields]
        if len(set(lengths)) > 1:
            got = ", ".join(map(str, lengths))
            yield Fault(path, "unequal_lengths", "lists of one length", f"of {got}")
        known = record.known_days_ago
        if any(later > before for before, later in zip(known, known[1:], strict=False)):
            expected = "the invoices that were known first"
            yield Fault(f"{path}.known_days_ago", "out_of_order", expected, "later ones before")


def _row(invoice: GivenInvoice) -> dict[str, Any]:
    """The invoice as `pipelines.given` takes it."""
    told = dict(invoice.__dict__)
    told["due_business_date"] = kept_rows.day_number(invoice.due_business_date)
    told["record"] = invoice.record.__dict__
    told["features"] = invoice.features.__dict__  # type: ignore[attr-defined]  # a Message
    return told


async def _looked_at(at_hand: AtHand, invoice_id: str, day: date | None) -> JsonAnswer:
    snapshot, model = at_hand.scores(), at_hand.champion()
    as_of = day or snapshot.as_of
    if as_of > max(snapshot.as_of, at_hand.today()):
        raise Problem("not-found", f"Nothing is known yet of {as_of}.")
    ledger = await run_in_threadpool(kept_rows.of_invoice, at_hand, snapshot, invoice_id)
    found = await at_hand.places.run(
        lambda: given.looked_at(ledger, kept_rows.day_number(as_of), model, invoices=[invoice_id]),
        invoices=kept_rows.weight(ledger),
    )
    if not found:
        raise Problem("not-found", f"No invoice with this id was open on {as_of}.")
    return JsonAnswer(
        {
            "as_of": as_of,
            "feature_book": features.our_fingerprint(),
            "language": None,
            "invoices": [as_message(row) for row in found],
        }
    )


def as_message(row: dict[str, Any]) -> dict[str, Any]:
    """The row in the message's words."""
    row["open_amount"] = units(row.pop("open_cents"))
    row["due_business_date"] = np.datetime64(row["due_business_date"], "D").item()
    return row
