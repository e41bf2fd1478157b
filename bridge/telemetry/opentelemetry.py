"""Traces of OpenTelemetry: one for each delivery, from its arrival to its pull request.

The id of a trace is the beginning of its delivery's id, so every process adds to the same trace
without passing it on. The standard OTEL_* variables configure it
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). The global
tracer provider is not changed, and nothing is loaded without these variables.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, StatusCode, TraceFlags

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter

ARRIVAL_SPAN = "accept"  # the root span of a delivery
_PREFIX = "promptlayer_bridge"
_ENDS_WITHIN = 3.0  # seconds for the remaining spans

_given: ContextVar[tuple[int, int] | None] = ContextVar("ids of the next span", default=None)


class OpenTelemetryTracer:
    """A ``bridge.telemetry.log_context.SpanTracer`` that passes every step to ``processor`` as a
    span."""

    def __init__(self, processor: SpanProcessor, version: str, service: str | None = None) -> None:
        # A name in the environment has precedence; the SDK reads it by itself.
        named = {} if service is None else {SERVICE_NAME: service}
        self._provider = TracerProvider(
            resource=Resource.create({**named, SERVICE_VERSION: version}),
            shutdown_on_exit=False,
            id_generator=_SpanIdGenerator(),
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("promptlayer-bridge", version)

    @contextmanager
    def start_span(self, name: str, known: Mapping[str, str]) -> Iterator[None]:
        arriving = name == ARRIVAL_SPAN and "delivery" in known
        before = _given.set(_ids_of(known["delivery"]) if arriving else None)
        try:
            opened = self._tracer.start_as_current_span(
                name,
                context=Context() if arriving else self._above(name, known),
                attributes={f"{_PREFIX}.{key}": value for key, value in known.items()},
                links=[Link(_context(each)) for each in known.get("deliveries", "").split()],
                record_exception=False,  # messages of libraries may quote secrets
                set_status_on_exception=False,
            )
            span = opened.__enter__()
        finally:
            _given.reset(before)
        try:
            yield
        except BaseException as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            opened.__exit__(None, None, None)

    def _above(self, name: str, known: Mapping[str, str]) -> Context | None:
        """The parent of a new span; None leaves it to the context."""
        delivery = known.get("delivery")
        if delivery is None or trace.get_current_span().get_span_context().is_valid:
            return None
        trace_id, _ = _ids_of(delivery)
        # Sampled as at its arrival: the sampler decides by the trace's id alone.
        decided = self._provider.sampler.should_sample(None, trace_id, name).decision
        arrival = NonRecordingSpan(
            _context(delivery, sampled=decided is Decision.RECORD_AND_SAMPLE)
        )
        return trace.set_span_in_context(arrival)

    def close(self) -> None:
        """Send the remaining spans, for three seconds at most."""
        ending = threading.Thread(target=self._provider.shutdown, name="tracing", daemon=True)
        ending.start()
        ending.join(_ENDS_WITHIN)


class _SpanIdGenerator(RandomIdGenerator):
    """Random ids, except for the span of an arrival."""

    def generate_trace_id(self) -> int:
        given = _given.get()
        return given[0] if given else super().generate_trace_id()

    def generate_span_id(self) -> int:
        given = _given.get()
        return given[1] if given else super().generate_span_id()


def create_http_tracer(service: str | None, version: str) -> OpenTelemetryTracer:
    """A tracer that sends to the address in OTEL_EXPORTER_OTLP_ENDPOINT, as protobuf over HTTP."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter: SpanExporter = OTLPSpanExporter()
    return OpenTelemetryTracer(BatchSpanProcessor(exporter), version, service)


def _ids_of(delivery: str) -> tuple[int, int]:
    """The ids of a delivery's trace, and of the span of its arrival."""
    return int(delivery[:32], 16), int(delivery[32:48], 16)


def _context(delivery: str, *, sampled: bool = True) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return SpanContext(*_ids_of(delivery), is_remote=True, trace_flags=flags)
