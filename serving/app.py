"""The application: every part of the service put together, and nothing else.

The layers, outermost first: request id, what is watched, security headers, unexpected failures,
heads, host names, all that is under way (health is exempt), keys and their rates, what one caller
has under way, sizes, what was not modified, routes. Nothing of a body is read before the keys have
been checked.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from pipelines import policies, scoring
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from serving import (
    actions_log,
    alerts,
    customers,
    exports,
    health,
    invoices,
    ledger_events,
    limits,
    logs,
    metrics,
    model_info,
    pages,
    plan,
    portfolio,
    problems,
    scores,
    security,
    traces,
    webhooks,
    what_if,
    worklist,
)
from serving.access import ApiKeys, KeyRing, Rates, caller_name
from serving.at_hand import AtHand, Scorer
from serving.deliveries import Deliveries
from serving.not_modified import NotModified
from serving.openapi import describe
from serving.records_at_hand import RecordsAtHand
from serving.reload import Reload, beside

# workbooks and Parquet are compressed already
PACKED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, exports.TYPES["xlsx"], exports.TYPES["parquet"])
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
    gate, shares = limits.Gate(), limits.Gate(limits.WEIGHT_OF_A_KEY)
    places = limits.ScoringPlaces(refused=gate.refused)
    shares.refused = gate.refused
    at_hand = AtHand(settings, store, scorer, policy.catalogue, records, places=places, today=today)
    at_hand.records_fault = lambda: ring.fault
    measured = metrics.Metrics(at_hand, gate)
    reload = Reload(at_hand)
    sending = Deliveries(records, allow_private=settings.webhook_allow_private)

    hosts = ("*",) if settings.api_keys or not ring.is_empty else security.LOOPBACK

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        at_hand.load_model()
        at_hand.refresh_scores()
        try:
            async with beside(ring.keep_fresh(), reload.keep_looking(), sending.keep_sending()):
                yield {"gate": gate}
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
            Middleware(logs.Watched, watchers=(logs.write_line, measured.requests.watch)),
            *traces.layers(),
            Middleware(security.SecurityHeaders),
            Middleware(problems.UnexpectedFailures),
            Middleware(security.PlainHeads),
            Middleware(security.KnownHosts, hosts=hosts),
            Middleware(
                limits.UnderWay, gate=gate, name=lambda _: limits.EVERYBODY, turns=limits.Turns()
            ),
            Middleware(ApiKeys, ring=ring, rates=Rates(settings.requests_per_minute)),
            Middleware(limits.UnderWay, gate=shares, name=caller_name),
            Middleware(limits.RequestSizes),
            Middleware(
                GZipMiddleware, minimum_size=1000, compresslevel=5, exclude_content_types=PACKED
            ),
            Middleware(NotModified, at_hand=at_hand),
        ],
    )
    problems.install(app)
    answering = (
        scores,
        what_if,
        invoices,
        customers,
        worklist,
        plan,
        portfolio,
        model_info,
        health,
    )
    for door in (*answering, exports, ledger_events, actions_log, alerts, webhooks, pages):
        app.include_router(door.routes(at_hand))
    app.include_router(metrics.routes(measured))
    app.mount(
        "/static", security.WholeFiles(directory=Path(__file__).with_name("static")), name="static"
    )
    describe(app)
    app.state.at_hand = at_hand
    return app
