"""GET /v1/worklist: whom to contact, the action worth most first."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Query
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from pipelines.snapshot import Row, Snapshot, in_worklist_order
from serving.answers import JsonAnswer, Worklist, invoice_score
from serving.at_hand import AtHand
from serving.invoices import InLanguage
from serving.problems import EVERY_ROUTE, declared
from serving.strict_requests import StrictRoute

ROWS_MAX = 200
PLACES_MAX = 10**9  # no worklist is longer

Band = Literal["low", "medium", "high", "critical"]
Signal = Literal[
    "delay_drift",
    "periodicity_break",
    "paid_vs_invoiced_gap",
    "credit_line_cut",
    "exposure_over_limit",
    "broken_promise",
    "first_late",
    "prolonged_overdue",
]
ACTION_PATTERN = "^[a-z][a-z0-9_]{0,63}$"  # the catalogue is data: its codes are not known here


def _plain_number(value: object) -> object:
    """Only plain digits: `1.0`, `1_0` or Arabic digits are slips that other parsers take."""
    if isinstance(value, str):
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", value, re.ASCII):
            raise PydanticCustomError("plain_digits", "a whole number in plain digits")
        return int(value)
    return value


Limit = Annotated[
    int, BeforeValidator(_plain_number), Query(ge=1, le=ROWS_MAX, description="rows in a page")
]
Cursor = Annotated[
    str,
    Query(pattern="^[0-9]{1,9}$", description="`next_cursor` of the page before", examples=["50"]),
]


@dataclass(frozen=True)
class Filters:
    """Which rows of the worklist are wanted; None wants all."""

    band: str | None = None
    signal: str | None = None
    action: str | None = None


@dataclass(frozen=True)
class Page:
    """Rows of the worklist, how many there are under the filters and where the next page starts."""

    rows: list[Row]
    total: int
    start: int
    next_start: int | None


def page(snapshot: Snapshot, filters: Filters, *, start: int, limit: int) -> Page:
    """One page of the worklist under the filters, from a place in it on."""
    if filters.signal is None:
        band, action = filters.band, filters.action
        rows = snapshot.worklist(limit=limit, offset=start, risk_band=band, action=action)
        total = snapshot.count(risk_band=band, action=action)
    else:
        ids = _with_signal(snapshot.scores(), filters)
        found = [snapshot.get_invoice(invoice_id) for invoice_id in ids[start : start + limit]]
        rows, total = [row for row in found if row is not None], len(ids)
    end = start + len(rows)
    return Page(rows, total, start, end if end < total and rows else None)


def _with_signal(scores: pa.Table, filters: Filters) -> list[str]:
    """The invoices under the filters that carry the signal, in the order of the worklist."""
    codes = pc.struct_field(pc.list_flatten(scores["signals"]), "code")
    carriers = pc.list_parent_indices(scores["signals"]).filter(pc.equal(codes, filters.signal))
    scores = scores.take(carriers.unique())
    if filters.band is not None:
        scores = scores.filter(pc.equal(scores["risk_band"], filters.band))
    if filters.action is not None:
        codes_taken = pc.struct_field(scores["action"], "code")
        scores = scores.filter(pc.equal(codes_taken, filters.action))
    ids: list[str] = in_worklist_order(scores)["invoice_id"].to_pylist()
    return ids


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["last night's scores"], route_class=StrictRoute)

    @router.get(
        "/v1/worklist",
        summary="Whom to contact next",
        response_model=Worklist,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_worklist(
        band: Annotated[Band | None, Query()] = None,
        signal: Annotated[Signal | None, Query()] = None,
        action: Annotated[
            str | None, Query(pattern=ACTION_PATTERN, examples=["reminder_1"])
        ] = None,
        limit: Limit = 50,
        cursor: Cursor = "0",
        lang: InLanguage = None,
    ) -> JsonAnswer:
        """The action worth most first, then the value at risk."""
        snapshot = at_hand.scores()
        found = page(snapshot, Filters(band, signal, action), start=int(cursor), limit=limit)
        said = at_hand.said_in(lang, snapshot)
        return JsonAnswer(
            {
                **at_hand.provenance(snapshot),
                "total": found.total,
                "next_cursor": None if found.next_start is None else str(found.next_start),
                "invoices": [invoice_score(row, **said) for row in found.rows],
            }
        )

    return router
