"""GET /v1/invoices/{invoice_id}: the score of one invoice, of a night or as of any other day."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from pipelines.snapshot import Snapshot, SnapshotDamaged
from serving import kept_rows
from serving.answers import JsonAnswer, StoredScore, invoice_score
from serving.at_hand import AtHand, now
from serving.messages import ID_PATTERN, Day, Language
from serving.problems import EVERY_ROUTE, Problem, declared
from serving.strict_requests import answered_quickly

_PLAIN_ID = re.compile(r"[!-~]{1,200}")  # one that needs no closer look

InvoiceId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        pattern=ID_PATTERN,
        description="as the ledger names it; its slashes may stay",
        examples=["2026/000311"],
    ),
]
AsOf = Annotated[
    Day | None,
    Query(
        description="a day: answered by its night where that is kept, else worked out now from "
        "the rows that last night read; not given: the last night"
    ),
]
InLanguage = Annotated[Language | None, Query(description="of the texts in the answer")]


def routes(at_hand: AtHand) -> APIRouter:
    async def quickly(http: Request) -> JsonAnswer | None:
        """The last night's score in the service's own language: what is asked most."""
        invoice_id = http.path_params["invoice_id"]
        if http.scope["query_string"] or not _PLAIN_ID.fullmatch(invoice_id):
            return None
        return answer(at_hand, at_hand.scores(), invoice_id, None)

    router = APIRouter(tags=["last night's scores"], route_class=answered_quickly(quickly))

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
        """How late it will be, why, and what to do; `score_source` says whether a night answered.

        Of a past day only what was known before it counts, but the model is today's: it has learned
        from what came after that day.
        """
        if as_of is None:
            return answer(at_hand, at_hand.scores(), invoice_id, lang)
        # a night is checked file by file before it is read: not on the event loop
        stored = await run_in_threadpool(_of_a_night, at_hand, as_of, invoice_id, lang)
        return stored or await _worked_out(at_hand, as_of, invoice_id, lang)

    return router


async def _worked_out(
    at_hand: AtHand, day: date, invoice_id: str, lang: Language | None
) -> JsonAnswer:
    """The score as of a day of which no night is kept, from the rows that last night read."""
    snapshot = at_hand.scores()
    if day > max(snapshot.as_of, at_hand.today()):
        raise Problem("not-found", f"Nothing is known yet of {day}.")
    model = at_hand.champion()
    ledger = await run_in_threadpool(kept_rows.of_invoice, at_hand, snapshot, invoice_id)
    scored = await at_hand.places.run(
        lambda: at_hand.score(ledger, kept_rows.day_number(day), model, invoices=[invoice_id]),
        invoices=kept_rows.weight(ledger),
    )
    if not scored.num_rows:
        raise Problem("not-found", f"No invoice with this id was open on {day}.")
    return JsonAnswer(
        {
            **at_hand.provenance(snapshot),
            "as_of": day,
            "model_version": model.version,
            "computed_at": now(),
            "score_source": "model",
            "model_source": model.source,
            "stale": at_hand.is_model_stale or day > snapshot.as_of,
            "invoice": invoice_score(scored.to_pylist()[0], **at_hand.said_in(lang, snapshot)),
        }
    )


def _of_a_night(
    at_hand: AtHand, day: date, invoice_id: str, lang: Language | None
) -> JsonAnswer | None:
    """What the night of a day says of an invoice, None where that night is not kept."""
    with _night_of(at_hand, day) as snapshot:
        return None if snapshot is None else answer(at_hand, snapshot, invoice_id, lang)


@contextmanager
def _night_of(at_hand: AtHand, day: date) -> Iterator[Snapshot | None]:
    """The night of a day, as it was published last; None where none is kept."""
    current, nights = at_hand.scores(), at_hand.store.names()
    kept = [name for name in nights if name.startswith(f"{day}-")]
    try:
        opened = [at_hand.store.snapshot(name) for name in kept]
    except (SnapshotDamaged, OSError):
        raise Problem("not-found", f"The night of {day} can no longer be read.") from None
    try:
        named = [night for night in opened if night.name == current.name]
        runs = named or sorted(opened, key=lambda night: int(night.manifest["run"]))
        yield runs[-1] if runs else None
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
