"""The service of several companies: an application of its own for each, and one door before them.

The door looks whose key or token a request brings and hands the request over as it came. A
company's application has a handle on its own home and records and on no other, and judges the key
again. What brings nobody's key is refused by the door, through the same layers as everywhere.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines import tenants
from pipelines.settings import Settings
from pipelines.tenant_tables import TenantsRefused
from serving import error_pages, health, limits, logs, metrics, problems, security, traces
from serving.access import (
    ApiKeys,
    Caller,
    KeyRing,
    Rates,
    basic_password,
    bearer_token,
    keys_given,
)
from serving.answers import JsonAnswer
from serving.app import create_app
from serving.at_hand import Scorer
from serving.metrics import TENANT
from serving.problems import Problem, refuse
from serving.records_at_hand import RecordsAtHand
from serving.reload import beside

if TYPE_CHECKING:  # tokens need a library of their own, and only where they are asked for
    from serving.tokens import Tokens

logger = logging.getLogger(__name__)

NOBODYS = ""  # whose the door's own figures are
LATER = {"Retry-After": "30", "Connection": "close"}


@dataclass
class Tenant:
    """A company: its application, or why there is none, and what its callers are known by."""

    name: str
    ring: KeyRing
    tokens: "Tokens | None" = None
    app: FastAPI | None = None
    fault: str | None = None

    @classmethod
    def of(cls, name: str, settings: Settings, **options: Any) -> "Tenant":
        """A company that cannot be served holds nobody else up: what is wrong is kept, and told."""
        try:
            app = create_app(settings, **options)
        except Exception as fault:
            ring = KeyRing((), RecordsAtHand(settings.records_url).keys, is_closed=True)
            ring.refresh()
            tenant = cls(name, ring)
            tenant.close(fault)
            return tenant
        state = app.state
        if state.ring.is_read and not state.ring.has_keys and state.tokens is None:
            logger.warning("%s has no key yet: puntuale --tenant %s keys make", name, name)
        return cls(name, state.ring, state.tokens, app)

    def close(self, fault: Exception) -> None:
        logger.error("%s is not served", self.name, exc_info=fault)
        self.app, self.fault = None, f"not served: {type(fault).__name__}"

    def ready(self) -> dict[str, Any]:
        """Whether it can score, and if not, why."""
        if self.app is None:
            return {"tenant": self.name, "status": "not ready", "why": self.fault}
        try:
            return {"tenant": self.name, **health.ready(self.app.state.at_hand)}
        except Problem as problem:
            return {"tenant": self.name, "status": "not ready", "why": problem.detail}


class Door:
    """Finds whose a request is; `front` answers what is nobody's, and for all of them."""

    def __init__(self, front: FastAPI, served: Sequence[Tenant]) -> None:
        self.front, self.served = front, served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app_for(scope) if scope["type"] == "http" else self.front
        await app(scope, receive, send)

    def app_for(self, scope: Scope) -> ASGIApp:
        """The application of the one company whose key or token this is, else the front's."""
        if scope["path"] in limits.HEALTH_PATHS:
            return self.front
        keys = keys_given(scope)
        if not keys and (token := bearer_token(scope)) is not None:
            return self._only([t for t in self.served if t.tokens and t.tokens.is_named_by(token)])
        if not keys and not scope["path"].startswith("/v1/"):
            keys = basic_password(scope)
        if len(keys) != 1:
            return self.front
        # all are asked, whoever knows it: how long that takes tells nothing
        return self._only([tenant for tenant in self.served if tenant.ring.find(keys[0])])

    def _only(self, found: Sequence[Tenant]) -> ASGIApp:
        if len(found) > 1:  # records that were copied from one home to another
            logger.error("one key is known to %s: it opens none", [t.name for t in found])
        return found[0].app if len(found) == 1 and found[0].app is not None else self.front


@dataclass
class FrontKeys:
    """The keys that the front knows: the operator's, and those of companies that are not served."""

    operators: KeyRing
    served: Sequence[Tenant]
    is_empty = False  # several companies are never open to anybody

    @property
    def is_read(self) -> bool:
        """Whether a key that nobody knows is nobody's: all keys could be read."""
        return all(tenant.ring.is_read for tenant in self.served)

    def find(self, given: bytes) -> Caller | None:
        closed = [t for t in self.served if t.app is None and t.ring.find(given)]
        if closed:
            return Caller(_closed(closed[0]), frozenset({"admin"}))
        return self.operators.find(given)


class NobodysTokens:
    """Refuses every token: those that are for a company do not come to the front."""

    async def check(self, token: bytes) -> Any:
        from serving.tokens import TokenRefused

        raise TokenRefused("The token is for no company here.")


class Closed:
    """The layer that tells callers of a company that is not served that it is away."""

    def __init__(self, app: ASGIApp, *, served: Sequence[Tenant]) -> None:
        self.app, self.served = app, served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope.get("state", {}).get("caller")
        if caller is not None and caller.name in [_closed(t) for t in self.served if t.fault]:
            detail = "This company's part of the service could not be started."
            return await refuse(scope, receive, send, "tenant-away", detail, headers=LATER)
        await self.app(scope, receive, send)


class AllGates:
    """What is under way for all companies together, as the protocol asks it."""

    def __init__(self, gates: Sequence[limits.Gate]) -> None:
        self.gates = gates
        self.refused: Counter[str] = Counter()

    @property
    def is_full(self) -> bool:
        return sum(gate.under_way() for gate in self.gates) >= limits.WEIGHT_AT_ONCE


class AllMetrics:
    """The figures of all companies, each with its name, and the door's own; for the operator."""

    def __init__(self, served: Sequence[Tenant]) -> None:
        self.served = served
        self._own = CollectorRegistry()
        self.requests = metrics.Requests(self._own, NOBODYS)

    def text(self) -> bytes:
        each = [tenant.app.state.measured for tenant in self.served if tenant.app is not None]
        closed = GaugeMetricFamily("puntuale_away", "", labels=["part", TENANT])
        for tenant in self.served:
            closed.add_metric(["service", tenant.name], float(tenant.app is None))
        counted = (
            metrics.counted_together()
            if metrics.are_shared()
            else chain(self._own.collect(), *(measured.counted() for measured in each))
        )
        standing = chain.from_iterable(measured.standing() for measured in each)
        return metrics.as_text(chain(counted, standing, [closed]))


def create_service(
    settings: Settings, *, score: Scorer | None = None, today: Callable[[], date] = date.today
) -> "FastAPI | Door":
    """The application on these settings, or the door to those of all its tenants."""
    every = tenants.every(settings)
    if not every:
        return create_app(settings, score=score, today=today)
    options = {"score": score, "today": today, "turns": limits.Turns()}
    served = [Tenant.of(name, own, **options) for name, own in every.items()]
    _require_tokens_apart(served)
    return Door(_front(settings, served), served)


def _front(settings: Settings, served: Sequence[Tenant]) -> FastAPI:
    operators = KeyRing([key.get_secret_value() for key in settings.api_keys], lambda: ())
    operators.refresh()
    gate, measured = limits.Gate(), AllMetrics(served)
    has_tokens = any(tenant.tokens for tenant in served)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            gates = [gate]
            for tenant in served:
                if tenant.app is not None:
                    gates.append(tenant.app.state.gate)
                    await _open(tenant, tenant.app, stack)
            closed = [tenant.ring.keep_fresh() for tenant in served if tenant.app is None]
            await stack.enter_async_context(beside(*closed))
            yield {"gate": AllGates(gates)}

    app = FastAPI(
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(logs.EveryAnswer, watchers=(logs.write_line, measured.requests.watch)),
            *traces.layers(),
            Middleware(error_pages.ErrorPages, language=settings.language),
            Middleware(problems.UnexpectedFailures),
            Middleware(security.PlainHeads, hosts=("*",)),
            Middleware(limits.UnderWay, gate=gate, name=lambda _: limits.EVERYBODY),
            Middleware(
                ApiKeys,
                ring=FrontKeys(operators, served),
                rates=Rates(settings.requests_per_minute),
                tokens=NobodysTokens() if has_tokens else None,
            ),
            Middleware(Closed, served=served),
            Middleware(limits.RequestSizes),
        ],
    )
    problems.install(app)
    app.include_router(_health(served))
    app.include_router(metrics.routes(measured))
    return app


async def _open(tenant: Tenant, app: FastAPI, stack: AsyncExitStack) -> None:
    """Start what belongs to a company's application; what cannot be started holds nobody up."""
    try:
        await stack.enter_async_context(app.router.lifespan_context(app))
    except Exception as fault:
        tenant.close(fault)


def _health(served: Sequence[Tenant]) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> dict[str, Any]:
        return {"status": "live"}

    @router.get("/readyz")
    async def readyz() -> JsonAnswer:
        """503 where no company can score; which ones cannot is said in any case."""
        each = [tenant.ready() for tenant in served]
        away = [f"{told['tenant']}: {told['why']}" for told in each if told["status"] != "ready"]
        if len(away) == len(each):
            raise Problem("no-model", f"No tenant can score. {' '.join(away)}")
        return JsonAnswer({"status": "ready", "tenants": each})

    return router


def _closed(tenant: Tenant) -> str:
    """The name of whoever calls a company that is not served."""
    return f"closed {tenant.name}"


def _require_tokens_apart(served: Sequence[Tenant]) -> None:
    """Raises TenantsRefused where a token for one tenant would be one for another."""
    known: dict[object, str] = {}
    for tenant in served:
        if tenant.tokens is not None:
            meant = (tenant.tokens.keys.issuer, tenant.tokens.audience, tenant.tokens.tenant)
            if (other := known.setdefault(meant, tenant.name)) != tenant.name:
                raise TenantsRefused(
                    f"tenants {other} and {tenant.name} would take the same tokens: set "
                    "PUNTUALE_OIDC_TENANT_CLAIM, or an oidc_audience for each"
                )
