"""Traces: a span for each request, where OpenTelemetry is installed and its variables name a place.

`OTEL_EXPORTER_OTLP_ENDPOINT` (or `..._TRACES_ENDPOINT`) switches them on; the sampler, the name of
the service and the rest are read by OpenTelemetry from its standard variables. Without the extra
(`pip install "puntuale[otel]"`) or the variables nothing is imported and no layer is added.
"""

import importlib
import importlib.util
import logging
import os
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.problems import request_id_of

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

logger = logging.getLogger(__name__)

PLACES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTER = "opentelemetry.exporter.otlp.proto.http"
SDK = "opentelemetry.sdk.trace"


def layers() -> list[Middleware]:
    """The layer that makes spans, or none."""
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_off or not any(os.environ.get(name) for name in PLACES):
        return []
    if not (_is_installed(SDK) and _is_installed(EXPORTER)):
        logger.warning('for traces install them too: pip install "puntuale[otel]"')
        return []
    return [Middleware(Spans, tracer=_tracer())]


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package that would hold it
        return False


def _tracer() -> "Tracer":
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = importlib.import_module(f"{EXPORTER}.trace_exporter").OTLPSpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider.get_tracer("puntuale")


class Spans:
    """The layer that makes a span of each request, named by its route."""

    def __init__(self, app: ASGIApp, *, tracer: "Tracer") -> None:
        self.app, self.tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        carried = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        with self.tracer.start_as_current_span(
            scope["method"],
            context=extract(carried),
            kind=SpanKind.SERVER,
            record_exception=False,  # its message may quote somebody's data
        ) as span:
            await self.app(scope, receive, send)
            route = getattr(scope.get("route"), "path", "")
            span.update_name(f"{scope['method']} {route}".strip())
            span.set_attribute("http.route", route)
            span.set_attribute("puntuale.request_id", request_id_of(scope))
