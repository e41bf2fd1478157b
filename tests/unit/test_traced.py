"""When traces are sent: only when the standard variables of OpenTelemetry ask for it."""

from __future__ import annotations

import pytest

from bridge.cli.health_monitoring import create_tracer
from bridge.errors import ConfigError

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SERVICE_NAME": "bridge"},
        ENDPOINT | {"OTEL_SDK_DISABLED": "true"},
        ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nobody_is_sent_traces_who_did_not_ask(environment: dict[str, str]) -> None:
    assert create_tracer(environment) is None


@pytest.mark.parametrize(
    "environment",
    [
        ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        ENDPOINT | {"OTEL_TRACES_EXPORTER": "zipkin"},
    ],
)
def test_what_cannot_be_done_is_said_at_the_start(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="OTLP over HTTP"):
        create_tracer(environment)
