"""The application: every part of the service put together, and nothing else.

The layers, outermost first: request id, security headers, unexpected failures, host names, keys,
sizes, routes. Nothing of a body is read before the keys have been checked.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware

from pipelines import policies, scoring
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from serving import (
    actions_log,
    customers,
    health,
    invoices,
    ledger_events,
    limits,
    model_info,
    pages,
    plan,
    portfolio,
    problems,
    scores,
    security,
    what_if,
    worklist,
)
from serving.access import ApiKeys, KeyRing, Rates
from serving.at_hand import AtHand, Scorer
from serving.openapi import describe
from serving.records_at_hand import RecordsAtHand

DESCRIPTION = "Which invoices will be paid late, why, and what to do next."


def create_app(
    settings: Settings, *, score: Scorer | None = None, today: Callable[[], date] = date.today
) -> FastAPI:
    """The service on these settings; raises OpenServiceError rather than serve strangers."""
    records = RecordsAtHand(settings.records_url)
    ring = KeyRing([key.get_secret_value() for key in settings.api_keys], records.keys)
    ring.refresh()
    security.require_keys_off_loopback(has_keys=not ring.is_empty, host=settings.host)
    store = ScoreStore(settings.scores_folder)
    policy = policies.in_force(settings)
    scorer = score or partial(scoring.score, policy=policy)
    at_hand = AtHand(settings, store, scorer, policy.catalogue, records, today=today)

    hosts = ("*",) if settings.api_keys or not ring.is_empty else security.LOOPBACK

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        at_hand.load_model()
        fresh = asyncio.create_task(ring.keep_fresh())
        try:
            yield
        finally:
            fresh.cancel()
            at_hand.close()

    app: FastAPI = FastAPIOffline(
        title="Puntuale",
        description=DESCRIPTION,
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
        middleware=[
            Middleware(security.RequestIds),
            Middleware(security.SecurityHeaders),
            Middleware(problems.UnexpectedFailures),
            Middleware(security.KnownHosts, hosts=hosts),
            Middleware(ApiKeys, ring=ring, rates=Rates(settings.requests_per_minute)),
            Middleware(limits.RequestSizes),
        ],
    )
    problems.install(app)
    answering = (scores, what_if, invoices, customers, worklist, plan)
    answering += (portfolio, model_info, health)
    for door in (*answering, ledger_events, actions_log, pages):
        app.include_router(door.routes(at_hand))
    app.mount("/static", StaticFiles(directory=Path(__file__).with_name("static")), name="static")
    describe(app)
    return app
