"""GET /v1/invoices/{invoice_id}: the score of one invoice, of the last night or one before."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.concurrency import run_in_threadpool

from pipelines.snapshot import Snapshot, SnapshotDamaged
from serving.answers import JsonAnswer, StoredScore, invoice_score
from serving.at_hand import AtHand
from serving.messages import ID_PATTERN, Day, Language
from serving.problems import EVERY_ROUTE, Problem, declared
from serving.strict_requests import StrictRoute

InvoiceId = Annotated[
    str, Path(min_length=1, max_length=200, pattern=ID_PATTERN, examples=["2026/000311"])
]
AsOf = Annotated[
    Day | None, Query(description="the day of a night that is kept; not given: the last night")
]
InLanguage = Annotated[Language | None, Query(description="of the texts in the answer")]


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["last night's scores"], route_class=StrictRoute)

    @router.get(
        "/v1/invoices/{invoice_id:path}",  # invoice numbers have slashes
        summary="One open invoice",
        response_model=StoredScore,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    async def get_invoice(
        invoice_id: InvoiceId, as_of: AsOf = None, lang: InLanguage = None
    ) -> JsonAnswer:
        """How late it will be, why, and what to do; `as_of` says which night answered."""
        if as_of is None:
            return answer(at_hand, at_hand.scores(), invoice_id, lang)
        # a night is checked file by file before it is read: not on the event loop
        return await run_in_threadpool(_of_a_night, at_hand, as_of, invoice_id, lang)

    return router


def _of_a_night(at_hand: AtHand, day: date, invoice_id: str, lang: Language | None) -> JsonAnswer:
    with night_of(at_hand, day) as snapshot:
        return answer(at_hand, snapshot, invoice_id, lang)


@contextmanager
def night_of(at_hand: AtHand, day: date) -> Iterator[Snapshot]:
    """The night of a day, as it was published last; a Problem (404) where none is kept."""
    current, nights = at_hand.scores(), at_hand.store.names()
    kept = [name for name in nights if name.startswith(f"{day}-")]
    try:
        opened = [at_hand.store.snapshot(name) for name in kept]
    except (SnapshotDamaged, OSError):
        raise Problem("not-found", f"The night of {day} can no longer be read.") from None
    try:
        if not opened:
            known = f"the nights of {nights[0][:10]} to {nights[-1][:10]}" if nights else "none"
            raise Problem("not-found", f"No night of {day} is kept, of {known}.")
        named = [night for night in opened if night.name == current.name]
        yield (named or sorted(opened, key=lambda night: int(night.manifest["run"])))[-1]
    finally:
        for night in opened:
            night.close()


def answer(
    at_hand: AtHand, snapshot: Snapshot, invoice_id: str, lang: Language | None
) -> JsonAnswer:
    """The score of an invoice on a night; a Problem (404) where it was not open then."""
    row = snapshot.get_invoice(invoice_id)
    if row is None:
        detail = f"No open invoice has this id in the scores of {snapshot.as_of}."
        raise Problem("not-found", detail)
    invoice = invoice_score(row, **at_hand.said_in(lang, snapshot))
    return JsonAnswer({**at_hand.provenance(snapshot), "invoice": invoice})
