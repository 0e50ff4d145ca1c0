import logging

import pytest
from starlette.middleware import Middleware

from serving import traces
from serving.app import create_app


@pytest.fixture
def no_place(monkeypatch):
    for name in (*traces.PLACES, "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_place_to_send_them_there_are_no_traces(no_place):
    assert traces.layers() == []


def test_traces_that_cannot_be_sent_say_what_to_install(no_place, monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setattr(traces, "EXPORTER", "an.exporter.that.is.not.there")
    with caplog.at_level(logging.WARNING):
        assert traces.layers() == []
    assert "puntuale[otel]" in caplog.text


def test_traces_can_be_switched_off_by_the_standard_variable(no_place, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert traces.layers() == []


def test_a_span_is_named_by_its_route_and_holds_no_data_of_the_ledger(
    tmp_path, home_with, running_on, monkeypatch
):
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="OpenTelemetry is an extra")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    layer = Middleware(traces.Spans, tracer=provider.get_tracer("test"))
    monkeypatch.setattr(traces, "layers", lambda: [layer])

    made = home_with(tmp_path, [{}])
    with running_on(
        create_app(made.settings, score=made.score, today=lambda: made.as_of)
    ) as client:
        answer = client.get("/v1/invoices/2026/000311")
    (span,) = kept.get_finished_spans()
    assert span.name == "GET /v1/invoices/{invoice_id:path}"
    assert span.attributes["puntuale.request_id"] == answer.headers["X-Request-ID"]
    assert "000311" not in span.to_json()
    provider.shutdown()
