"""What watches over ``serve`` and ``work``: probes, metrics, and the keeper of the door."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from socket import socket
from typing import TYPE_CHECKING

import uvicorn

from bridge import __version__
from bridge.cli.config_reloader import LiveConfig
from bridge.cli.open_resources import connect_database
from bridge.config.bridge_config import BridgeConfig
from bridge.engine.controller import BridgeController
from bridge.errors import BridgeError, ConfigError
from bridge.status.metrics_snapshot import (
    SWEEPS_MISSED,
    LastResync,
    find_stale,
    read_last_resyncs,
    read_metrics_snapshot,
)
from bridge.storage.readiness import ReadinessCheck
from bridge.telemetry import log_context
from bridge.web.probes import CachedValue, HealthProbes, create_probe_app
from bridge.web.process_metrics import ProcessMetrics
from bridge.web.rate_limit_middleware import TokenBucket
from bridge.web.template_filters import format_duration
from bridge.wiring import get_current_time

if TYPE_CHECKING:
    from bridge.telemetry.opentelemetry import OpenTelemetryTracer

NAME = "promptlayer-bridge"
_OTLP = "OTEL_EXPORTER_OTLP"
_ENDPOINTS = (f"{_OTLP}_ENDPOINT", f"{_OTLP}_TRACES_ENDPOINT")
_MEASURED = 5.0  # seconds between two readings of the database, however many scrape


@dataclass(frozen=True)
class ProcessMonitoring:
    probes: HealthProbes
    refusal_bucket: TokenBucket

    def record_config(self, live: LiveConfig) -> None:
        """Measure by the configuration that is in force now."""
        self.probes.metrics.sweep_period.set(live.config.sweep.total_seconds())
        self.probes.metrics.initialise_endpoints(live.endpoints.open_names)
        self.probes.metrics.record_config(live.state.loaded_at, live.state.mistake)


@contextmanager
def open_monitoring(
    config: BridgeConfig, controller: BridgeController, live: LiveConfig
) -> Iterator[ProcessMonitoring]:
    """The watch over this process; it has connections of its own to the database, so that what
    only looks holds up nobody who works."""
    with connect_database(config) as database:
        measures = CachedValue(
            partial(read_metrics_snapshot, database, get_current_time), _MEASURED
        )
        stale = StaleMappingFinder(controller, live)
        metrics = ProcessMetrics(__version__, measures, lambda: controller.contexts, stale.measure)
        token = config.metrics.token.get_secret_value() if config.metrics.token else None
        check = ReadinessCheck(database, config.data)
        problems = CachedValue(partial(_find_problems, check, controller, live))
        metrics.ready.set_function(lambda: float(not problems()))
        limits = config.limits
        bucket = TokenBucket(limits.refused_per_minute, limits.proxies)
        tracing = create_tracer(os.environ)
        log_context.set_tracers(metrics, *([tracing] if tracing else []))
        try:
            # Of its own: a probe must neither measure everything nor age what is scraped next.
            resyncs = CachedValue(partial(read_last_resyncs, database))
            warnings = partial(_warnings, live, stale, resyncs)
            probes = HealthProbes(controller.inbox, problems, metrics, token, warnings)
            watch = ProcessMonitoring(probes, bucket)
            watch.record_config(live)
            yield watch
        finally:
            log_context.set_tracers()
            if tracing:
                tracing.close()


def create_tracer(environment: Mapping[str, str]) -> OpenTelemetryTracer | None:
    """What the standard variables of OpenTelemetry ask for; None for most bridges."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "otlp")
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none"
    if disabled or not any(environment.get(name) for name in _ENDPOINTS):
        return None
    protocol = environment.get(f"{_OTLP}_TRACES_PROTOCOL") or environment.get(f"{_OTLP}_PROTOCOL")
    if exporter != "otlp" or protocol not in (None, "", "http/protobuf"):
        raise ConfigError(
            "Traces are sent by OTLP over HTTP only: leave OTEL_TRACES_EXPORTER out or set it to"
            " otlp, and OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf."
        )
    try:
        from bridge.telemetry.opentelemetry import create_http_tracer
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The environment asks for traces, and {error.name} is not installed. Install"
            " promptlayer-bridge[otel], or set OTEL_SDK_DISABLED=true."
        ) from None
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return create_http_tracer(None if named else NAME, __version__)


@dataclass(frozen=True)
class StaleMappingFinder:
    """The mappings that nobody compared for three sweeps; one that never was counts from when its
    configuration was read."""

    controller: BridgeController
    live: LiveConfig

    def find(self, sweeps: Mapping[str, LastResync]) -> Mapping[str, timedelta]:
        names, since = list(self.controller.contexts), self.live.state.loaded_at
        swept = {name: sweeps[name].finished_at if name in sweeps else since for name in names}
        return find_stale(swept, names, get_current_time(), SWEEPS_MISSED * self.live.config.sweep)

    def measure(self, sweeps: Mapping[str, LastResync]) -> Mapping[str, float]:
        found = self.find(sweeps)
        return {name: float(name in found) for name in self.controller.contexts}


def _find_problems(
    check: ReadinessCheck, controller: BridgeController, live: LiveConfig
) -> Mapping[str, str]:
    """What keeps this process from working, or from answering applications."""
    problems = dict(check.find_problems())
    confirmer = controller.release_confirmer
    serves = any(each.mapping.serve != "off" for each in controller.contexts.values())
    if live.is_serving and serves and confirmer and not confirmer.replica.index.is_loaded:
        problems["releases"] = "what applications are served was not read from the database yet"
    return problems


def _warnings(
    live: LiveConfig, stale: StaleMappingFinder, resyncs: Callable[[], Mapping[str, LastResync]]
) -> Mapping[str, str]:
    mistaken = "the files have a mistake, so what they said before is in force; the log says which"
    warned = {"config": mistaken} if live.state.mistake else {}
    with suppress(BridgeError):  # whether the database answers is told elsewhere
        for name, age in stale.find(resyncs()).items():
            warned[f"mapping {name}"] = (
                f"not compared for {format_duration(age)}; `promptlayer-bridge status` says why"
            )
    return warned


@contextmanager
def serve_probes(probes: HealthProbes, listening: socket | None) -> Iterator[None]:
    """The probes at an address of their own while this lasts; nothing where there is none."""
    if listening is None:
        yield
        return
    server = uvicorn.Server(
        uvicorn.Config(
            create_probe_app(probes),
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="probes", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
