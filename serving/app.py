"""The application: every part of the service put together, and nothing else.

The layers, outermost first: request id, security headers, unexpected failures, host names, keys,
sizes, routes. Nothing of a body is read before the keys have been checked.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware

from models.catalogue import Catalogue
from pipelines.scoring import score as score_ledger
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from serving import (
    customers,
    health,
    invoices,
    limits,
    model_info,
    pages,
    problems,
    scores,
    security,
    what_if,
    worklist,
)
from serving.at_hand import AtHand, Scorer
from serving.openapi import describe

DESCRIPTION = "Which invoices will be paid late, why, and what to do next."


def create_app(
    settings: Settings, *, score: Scorer = score_ledger, today: Callable[[], date] = date.today
) -> FastAPI:
    """The service on these settings; raises OpenServiceError rather than serve strangers."""
    keys = [key.get_secret_value() for key in settings.api_keys]
    security.require_keys_off_loopback(keys, host=settings.host)
    store = ScoreStore(settings.scores_folder)
    at_hand = AtHand(settings, store, score, Catalogue.load(settings.catalogue), today=today)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        at_hand.load_model()
        try:
            yield
        finally:
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
            Middleware(security.KnownHosts, hosts=security.LOOPBACK if not keys else ("*",)),
            Middleware(security.ApiKeys, keys=keys),
            Middleware(limits.RequestSizes),
        ],
    )
    problems.install(app)
    for door in (scores, what_if, invoices, customers, worklist, model_info, health, pages):
        app.include_router(door.routes(at_hand))
    app.mount("/static", StaticFiles(directory=Path(__file__).with_name("static")), name="static")
    describe(app)
    return app
