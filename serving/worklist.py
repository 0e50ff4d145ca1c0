"""GET /v1/worklist: whom to contact, the action worth most first."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from pipelines.lookup import Row
from pipelines.snapshot import NotFiltered, Snapshot, Wanted
from serving.answers import JsonAnswer, Worklist, invoice_score
from serving.at_hand import AtHand
from serving.invoices import InLanguage
from serving.messages import ID_PATTERN
from serving.problems import EVERY_ROUTE, Problem, declared
from serving.strict_requests import StrictRoute

ROWS_MAX = 200
PLACES_MAX = 10**9 - 1  # nine digits: no worklist is longer

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
    int, Query(ge=1, le=ROWS_MAX, description="rows in a page"), BeforeValidator(_plain_number)
]
Cursor = Annotated[
    str,
    Query(pattern="^[0-9]{1,9}$", description="`next_cursor` of the page before", examples=["50"]),
]

WithAction = Annotated[
    str | None,
    Query(
        pattern=ACTION_PATTERN,
        description="only with this action, a code of the catalogue",
        examples=["reminder_1"],
    ),
]


WithBand = Annotated[Band | None, Query(description="only in this band of risk")]
WithSignal = Annotated[Signal | None, Query(description="only with this warning")]
OfCompany = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=200,
        pattern=ID_PATTERN,
        description="only invoices of this company of yours, its company_code",
        examples=["IT01"],
    ),
]
OfCollector = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=200,
        pattern=ID_PATTERN,
        description="only customers that this collector looks after",
        examples=["anna"],
    ),
]
OpenAtLeast = Annotated[
    int | None,
    Query(
        ge=1, le=PLACES_MAX, description="only with so much open, in whole units of the currency"
    ),
    BeforeValidator(_plain_number),
]
Containing = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=200,
        pattern=ID_PATTERN,
        description="only where the customer's name or id, or an invoice's id, contains this",
        examples=["brambilla"],
    ),
]


def wanted_of(
    band: WithBand = None,
    signal: WithSignal = None,
    action: WithAction = None,
    company: OfCompany = None,
    collector: OfCollector = None,
    min_open: OpenAtLeast = None,
    q: Containing = None,
) -> Wanted:
    """The filters of a request, the same for every list."""
    at_least = None if min_open is None else min_open * 100
    return Wanted(band, signal, action, company, collector, at_least, q)


Filtered = Annotated[Wanted, Depends(wanted_of)]
InvoiceSort = Literal["worth", "open", "risk", "probability"]


@dataclass(frozen=True)
class Page:
    """Rows of the worklist, how many there are under the filters and where the next page starts."""

    rows: list[Row]
    total: int
    start: int
    next_start: int | None

    @classmethod
    def of(cls, rows: list[Row], total: int, start: int) -> "Page":
        """Where the next page starts follows from what this one holds."""
        end = start + len(rows)
        return cls(rows, total, start, end if rows and end < total else None)


def page(
    snapshot: Snapshot, wanted: Wanted, *, start: int, limit: int, sort: str = "worth"
) -> Page:
    """One page of the worklist under the filters, from a place in it on."""
    rows = snapshot.worklist(wanted, limit=limit, offset=start, sort=sort)
    return Page.of(rows, snapshot.count(wanted), start)


def plan_page(
    snapshot: Snapshot, wanted: Wanted, *, start: int, limit: int, sort: str = "worth"
) -> Page:
    """One page of the day's plan under the filters, from a place in it on."""
    rows = snapshot.plan(wanted, limit=limit, offset=start, sort=sort)
    return Page.of(rows, snapshot.count_plan(wanted), start)


@contextmanager
def filtered() -> Iterator[None]:
    """A Problem (503) where the night that is read keeps too little to filter by."""
    try:
        yield
    except NotFiltered as older:
        detail = f"{str(older).capitalize()}: run `puntuale nightly`."
        raise Problem("no-scores", detail) from None


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
        wanted: Filtered,
        sort: Annotated[
            InvoiceSort, Query(description="the most first; `worth` is the value of its action")
        ] = "worth",
        limit: Limit = 50,
        cursor: Cursor = "0",
        lang: InLanguage = None,
    ) -> JsonAnswer:
        """The action worth most first, then the value at risk, unless `sort` says otherwise."""
        snapshot = at_hand.scores()
        with filtered():
            found = page(snapshot, wanted, start=int(cursor), limit=limit, sort=sort)
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
