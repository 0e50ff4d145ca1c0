"""The application: every part of the service put together, and nothing else.

The layers, outermost first: what every answer bears and is watched by, unexpected failures, heads
and host names, all that is under way (health is exempt), keys and their rates, what one caller has
under way, sizes, packing, what was not modified, routes. Nothing of a body is read before the keys
have been checked.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import Receive, Scope, Send

from pipelines import policies, score_database, scoring
from pipelines.settings import Settings
from serving import (
    actions_log,
    alerts,
    customer_history,
    customers,
    error_pages,
    exports,
    given_features,
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
from serving.openapi import describe, operation_id
from serving.records_at_hand import RecordsAtHand
from serving.reload import Reload, beside

if TYPE_CHECKING:
    from serving.tokens import Tokens

# workbooks and Parquet are compressed already
PACKED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, exports.TYPES["xlsx"], exports.TYPES["parquet"])


class Packing(GZipMiddleware):
    """Compression for those who ask for it; nothing is looked at for anybody else."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = any(name == b"accept-encoding" for name, _ in scope.get("headers", ()))
        await (super().__call__ if asked else self.app)(scope, receive, send)


DESCRIPTION = "Which invoices will be paid late, why, and what to do next."


def create_app(
    settings: Settings,
    *,
    score: Scorer | None = None,
    today: Callable[[], date] = date.today,
    turns: limits.Turns | None = None,
) -> FastAPI:
    """The service on these settings; raises OpenServiceError rather than serve strangers.

    `turns` is shared by all applications of a process.
    """
    records, is_tenant = RecordsAtHand(settings.records_url), settings.tenant is not None
    fixed = [key.get_secret_value() for key in settings.api_keys]
    ring = KeyRing(fixed, records.keys, is_closed=is_tenant)
    ring.refresh()
    tokens = _tokens(settings)
    is_open = ring.is_empty and tokens is None
    security.require_keys_off_loopback(has_keys=not is_open, host=settings.host)
    store = score_database.readable(settings)
    policy = policies.in_force(settings)
    scorer = score or partial(scoring.score, policy=policy)
    gate = limits.Gate(limits.WEIGHT_OF_A_KEY if is_tenant else limits.WEIGHT_AT_ONCE)
    shares = limits.Gate(limits.WEIGHT_OF_A_KEY)
    places = limits.ScoringPlaces(refused=gate.refused)
    shares.refused = gate.refused
    at_hand = AtHand(settings, store, scorer, policy.catalogue, records, places=places, today=today)
    at_hand.records_fault = lambda: ring.fault
    measured = metrics.Metrics(at_hand, gate, tenant=settings.tenant)
    write_line = partial(logs.write_line, tenant=settings.tenant) if is_tenant else logs.write_line
    reload = Reload(at_hand)
    sending = Deliveries(records, allow_private=settings.webhook_allow_private)

    hosts = ("*",) if settings.api_keys or not is_open else security.LOOPBACK
    watches = [ring.keep_fresh, reload.keep_looking, sending.keep_sending]
    watches += [tokens.keys.keep_fresh] if tokens else []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        at_hand.load_model()
        at_hand.refresh_scores()
        try:
            async with beside(*(watch() for watch in watches)):
                yield {"gate": gate}
        finally:
            at_hand.close()

    app: FastAPI = FastAPIOffline(
        title="Puntuale",
        description=DESCRIPTION,
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        middleware=[
            Middleware(logs.EveryAnswer, watchers=(write_line, measured.requests.watch)),
            *traces.layers(),
            Middleware(error_pages.ErrorPages, language=settings.language),
            Middleware(problems.UnexpectedFailures),
            Middleware(security.PlainHeads, hosts=hosts),
            Middleware(
                limits.UnderWay,
                gate=gate,
                name=lambda _: limits.EVERYBODY,
                turns=turns or limits.Turns(),
            ),
            Middleware(
                ApiKeys, ring=ring, rates=Rates(settings.requests_per_minute), tokens=tokens
            ),
            Middleware(limits.UnderWay, gate=shares, name=caller_name),
            Middleware(limits.RequestSizes),
            Middleware(Packing, minimum_size=1000, compresslevel=5, exclude_content_types=PACKED),
            Middleware(NotModified, at_hand=at_hand),
        ],
    )
    problems.install(app)
    answering = (  # what is asked most comes first: addresses are looked for in this order
        invoices,
        scores,
        given_features,
        what_if,
        customer_history,  # before the customer itself, whose id may have slashes
        customers,
        worklist,
        plan,
        portfolio,
        model_info,
        health,
    )
    pages_of_docs = list(app.router.routes)
    for door in (*answering, exports, ledger_events, actions_log, alerts, webhooks, pages):
        app.include_router(door.routes(at_hand))
    app.include_router(metrics.routes(measured))
    app.router.routes[:] = [*app.router.routes[len(pages_of_docs) :], *pages_of_docs]
    app.mount(
        "/static", security.WholeFiles(directory=Path(__file__).with_name("static")), name="static"
    )
    describe(app, takes_tokens=tokens is not None)
    app.state.at_hand, app.state.tokens = at_hand, tokens
    app.state.ring, app.state.gate, app.state.measured = ring, gate, measured
    return app


def _tokens(settings: Settings) -> "Tokens | None":
    """Who judges tokens, where an issuer is named; its library is loaded for nobody else."""
    if settings.oidc_issuer is None:
        return None
    try:
        from serving.tokens import Tokens
    except ModuleNotFoundError as missing:
        needed = 'PUNTUALE_OIDC_ISSUER needs PyJWT: pip install "puntuale[oidc]"'
        raise RuntimeError(needed) from missing
    return Tokens.of(settings)
