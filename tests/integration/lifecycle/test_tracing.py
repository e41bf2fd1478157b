"""One trace follows a delivery from the door to its pull request, whoever works on it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, format_trace_id
from starlette.types import Receive, Scope, Send

from bridge.network.read_body import read_body
from bridge.telemetry import log_context
from bridge.telemetry.opentelemetry import OpenTelemetryTracer, create_http_tracer
from bridge.web.receive_promptlayer_webhook import WebhookResponse
from tests.integration.lifecycle.bridge_environment import KEY, SECRET, BridgeEnvironment
from tests.standins.serve_app import serve

DELIVERY, OTHER = "1a" * 32, "2b" * 32


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """Every span that ended."""
    exporter = InMemorySpanExporter()
    tracing = OpenTelemetryTracer(SimpleSpanProcessor(exporter), "1.2.3", "the-bridge")
    log_context.set_tracers(tracing)
    yield exporter
    log_context.set_tracers()
    tracing.close()


def spans(exported: InMemorySpanExporter, delivery: str) -> dict[str, ReadableSpan]:
    """Of a delivery's trace, by name."""
    ended: Sequence[ReadableSpan] = exported.get_finished_spans()
    return {each.name: each for each in ended if trace_of(each) == delivery[:32]}


def trace_of(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return format_trace_id(context.trace_id)


def above(span: ReadableSpan, among: dict[str, ReadableSpan]) -> str | None:
    """The name of the span that another one is below."""
    if span.parent is None:
        return None
    ids = {
        context.span_id: name
        for name, each in among.items()
        if (context := each.get_span_context()) is not None
    }
    return ids[span.parent.span_id]


def test_a_delivery_is_one_trace_from_the_door_to_its_pull_request(
    environment: BridgeEnvironment, exported: InMemorySpanExporter
) -> None:
    environment.save("Answer kindly.")
    environment.settle()

    (delivery,) = environment.controller.inbox.list_recent(10)
    found = spans(exported, delivery.id)
    steps = {name: above(found[name], found) for name in found}
    assert steps["accept"] is None
    assert steps["dispatch"] == steps["look"] == "accept"
    assert steps["observe"] == steps["carry out"] == "look"
    assert steps["ask PromptLayer"] == "observe"
    assert steps["git push"] == "carry out"
    assert environment.pull_request().number == 1


def test_a_look_for_several_deliveries_is_linked_to_all_of_them(
    exported: InMemorySpanExporter,
) -> None:
    with log_context.span("look", delivery=DELIVERY, deliveries=f"{DELIVERY} {OTHER}"):
        pass

    (look,) = exported.get_finished_spans()
    assert trace_of(look) == DELIVERY[:32]
    assert [format_trace_id(link.context.trace_id) for link in look.links] == [
        DELIVERY[:32],
        OTHER[:32],
    ]


def test_a_step_that_fails_says_so_and_quotes_nobody(exported: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError), log_context.span("look", delivery=DELIVERY):
        raise ValueError("https://bot:a-password@example.com")

    (look,) = exported.get_finished_spans()
    assert (look.status.status_code, look.status.description) == (StatusCode.ERROR, "ValueError")
    assert look.events == ()


def test_what_no_delivery_asked_for_is_a_trace_of_its_own(exported: InMemorySpanExporter) -> None:
    with log_context.span("sweep", mapping="support"), log_context.span("git fetch"):
        pass

    fetch, sweep = exported.get_finished_spans()
    assert sweep.parent is None
    assert trace_of(fetch) == trace_of(sweep)


def test_whether_a_trace_is_kept_is_decided_the_same_by_everybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    deliveries = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(200)]
    kept = []
    for _ in range(2):  # two processes
        exporter = InMemorySpanExporter()
        tracing = OpenTelemetryTracer(SimpleSpanProcessor(exporter), "1")
        for delivery in deliveries:
            with tracing.start_span("accept", {"delivery": delivery}):
                pass
            with tracing.start_span("look", {"delivery": delivery}):
                pass
        names = [each.name for each in exporter.get_finished_spans()]
        kept.append({trace_of(each) for each in exporter.get_finished_spans()})
        assert names.count("accept") == names.count("look") == len(kept[-1])
        tracing.close()

    assert kept[0] == kept[1]
    assert 0 < len(kept[0]) < len(deliveries)


class Collector:
    """What an OpenTelemetry collector is sent over HTTP."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.bodies = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        assert (scope["path"], headers[b"content-type"]) == (
            "/v1/traces",
            b"application/x-protobuf",
        )
        body = await read_body(headers, receive)
        self.bodies += body
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        await WebhookResponse(200, {}).send(send)


def test_a_collector_is_sent_the_spans_and_no_secret(
    environment: BridgeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector()
    with serve(collector) as url:
        monkeypatch.setitem(os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT", url)
        tracing = create_http_tracer("the-bridge", "1.2.3")
        log_context.set_tracers(tracing)
        try:
            environment.save("Answer kindly.")
            environment.settle()
        finally:
            log_context.set_tracers()
            tracing.close()

    sent = [resource for request in collector.requests for resource in request.resource_spans]
    named = {
        attribute.key: attribute.value.string_value
        for resource in sent
        for attribute in resource.resource.attributes
    }
    names = {span.name for each in sent for scope in each.scope_spans for span in scope.spans}
    assert (named["service.name"], named["service.version"]) == ("the-bridge", "1.2.3")
    assert {"accept", "look", "git push"} <= names
    for secret in (KEY, SECRET):
        assert secret.encode() not in collector.bodies
