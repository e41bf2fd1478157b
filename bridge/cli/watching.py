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
from bridge.books.measures import SWEEPS_MISSED, Measures, Sweep, find_stale, measure
from bridge.cli.opening import opened_database
from bridge.cli.reloading import LiveConfig
from bridge.config.whole import Config
from bridge.engine.worker import Worker
from bridge.errors import BridgeError, ConfigError
from bridge.storage.readiness import Readiness
from bridge.telemetry import trail
from bridge.web.doorkeeper import Allowance
from bridge.web.metrics import Metrics
from bridge.web.probes import Kept, Probes, probe_app
from bridge.web.wording import span
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
        stale = StaleMappings(worker, live)
        metrics = Metrics(__version__, measures, lambda: worker.sites, stale.measured)
        token = config.metrics.token.get_secret_value() if config.metrics.token else None
        problems = Kept(Readiness(database, config.data).problems)
        metrics.ready.set_function(lambda: float(not problems()))
        limits = config.limits
        allowance = Allowance(limits.refused_per_minute, limits.proxies)
        tracing = tracing_for(os.environ)
        trail.trace_with(metrics, *([tracing] if tracing else []))
        try:
            probes = Probes(
                worker.inbox, problems, metrics, token, partial(_warnings, live, stale, measures)
            )
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
    return over_http(None if named else NAME, __version__)


@dataclass(frozen=True)
class StaleMappings:
    """The mappings that nobody compared for three sweeps; one that never was counts from when its
    configuration was read."""

    worker: Worker
    live: LiveConfig

    def find(self, sweeps: Mapping[str, Sweep]) -> Mapping[str, timedelta]:
        names, since = list(self.worker.sites), self.live.state.loaded_at
        swept = {name: sweeps[name].at if name in sweeps else since for name in names}
        return find_stale(swept, names, now(), SWEEPS_MISSED * self.live.config.sweep)

    def measured(self, sweeps: Mapping[str, Sweep]) -> Mapping[str, float]:
        found = self.find(sweeps)
        return {name: float(name in found) for name in self.worker.sites}


def _warnings(
    live: LiveConfig, stale: StaleMappings, measures: Callable[[], Measures]
) -> Mapping[str, str]:
    mistaken = "the files have a mistake, so what they said before is in force; the log says which"
    warned = {"config": mistaken} if live.state.mistake else {}
    with suppress(BridgeError):  # whether the database answers is told elsewhere
        for name, age in stale.find(measures().sweeps).items():
            warned[f"mapping {name}"] = (
                f"not compared for {span(age)}; `promptlayer-bridge status` says why"
            )
    return warned


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
