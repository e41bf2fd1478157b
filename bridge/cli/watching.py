"""What watches over ``serve`` and ``work``: probes, metrics, and the keeper of the door."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from socket import socket
from typing import TYPE_CHECKING

import uvicorn

from bridge.books.measures import measure
from bridge.cli.opening import opened_database
from bridge.cli.reloading import LiveConfig
from bridge.config.whole import Config
from bridge.engine.worker import Worker
from bridge.errors import ConfigError
from bridge.storage.readiness import Readiness
from bridge.telemetry import trail
from bridge.web.doorkeeper import Allowance
from bridge.web.metrics import Metrics
from bridge.web.probes import Kept, Probes, probe_app
from bridge.wiring import now

if TYPE_CHECKING:
    from bridge.telemetry.tracing import Tracing

NAME = "promptlayer-bridge"
_OTLP = "OTEL_EXPORTER_OTLP"
_ENDPOINTS = (f"{_OTLP}_ENDPOINT", f"{_OTLP}_TRACES_ENDPOINT")
_MEASURED = 5.0  # seconds between two readings of the database, however many scrape


@dataclass(frozen=True)
class Watch:
    probes: Probes
    allowance: Allowance

    def note(self, live: LiveConfig) -> None:
        """Measure by the configuration that is in force now."""
        self.probes.metrics.sweep_period.set(live.config.sweep.total_seconds())
        self.probes.metrics.expect(live.doors.names)
        self.probes.metrics.note_config(live.state.loaded_at, live.state.mistake)


@contextmanager
def opened_watch(config: Config, worker: Worker, live: LiveConfig) -> Iterator[Watch]:
    """The watch over this process; it has connections of its own to the database, so that what
    only looks holds up nobody who works."""
    with opened_database(config) as database:
        measures = Kept(partial(measure, database, now), _MEASURED)
        metrics = Metrics(version(NAME), measures, lambda: worker.sites)
        token = config.metrics.token.get_secret_value() if config.metrics.token else None
        problems = Kept(Readiness(database, config.data).problems)
        metrics.ready.set_function(lambda: float(not problems()))
        limits = config.limits
        allowance = Allowance(limits.refused_per_minute, limits.proxies)
        tracing = tracing_for(os.environ)
        trail.trace_with(metrics, *([tracing] if tracing else []))
        try:
            probes = Probes(worker.inbox, problems, metrics, token, partial(_warnings, live))
            watch = Watch(probes, allowance)
            watch.note(live)
            yield watch
        finally:
            trail.trace_with()
            if tracing:
                tracing.close()


def tracing_for(environment: Mapping[str, str]) -> Tracing | None:
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
        from bridge.telemetry.tracing import over_http
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The environment asks for traces, and {error.name} is not installed. Install"
            " promptlayer-bridge[otel], or set OTEL_SDK_DISABLED=true."
        ) from None
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return over_http(None if named else NAME, version(NAME))


def _warnings(live: LiveConfig) -> Mapping[str, str]:
    mistaken = "the files have a mistake, so what they said before is in force; the log says which"
    return {"config": mistaken} if live.state.mistake else {}


@contextmanager
def listening_probes(probes: Probes, listening: socket | None) -> Iterator[None]:
    """The probes at an address of their own while this lasts; nothing where there is none."""
    if listening is None:
        yield
        return
    server = uvicorn.Server(
        uvicorn.Config(
            probe_app(probes),
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
