"""``/metrics``: what Prometheus is told, about this process and about the whole bridge.

Labels are few and known: mappings, repositories, forges, doors, steps. Prompts are never labels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bridge.web.shared_metrics import (
    METRIC_PREFIX,
    ReadMetricsSnapshot,
    SharedMetricsCollector,
    Stale,
    clear_stale,
)

_STEP_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)  # seconds


class ProcessMetrics:
    """All of one process: what it counts itself, and what ``read`` finds in the database about
    the whole bridge, which has these ``mappings`` now. ``stale`` says of each whether nobody
    compared it for too long."""

    def __init__(
        self,
        version: str,
        read: ReadMetricsSnapshot,
        mappings: Callable[[], Container[str]],
        stale: Stale = clear_stale,
    ) -> None:
        self._registry = CollectorRegistry()
        for theirs in (ProcessCollector, PlatformCollector, GCCollector):
            theirs(registry=self._registry)
        self._answers = self._create_counter(
            "answers", "Answers of this process to webhooks, by door and HTTP status.", "door"
        )
        self._reads = self._create_counter(
            "reads",
            "Answers of this process to applications, by their names and HTTP status.",
            "application",
        )
        self._steps = Histogram(
            f"{METRIC_PREFIX}_step_seconds",
            "How long steps of the work took in this process.",
            ["step"],
            buckets=_STEP_BUCKETS,
            registry=self._registry,
        )
        self.sweep_period = Gauge(
            f"{METRIC_PREFIX}_sweep_period_seconds",
            "How often every mapping is swept.",
            registry=self._registry,
        )
        self.ready = Gauge(
            f"{METRIC_PREFIX}_ready",
            "Whether this process can do its work.",
            registry=self._registry,
        )
        self._config_mistake = Gauge(
            f"{METRIC_PREFIX}_config_mistake",
            "Whether a changed configuration was refused and the one before goes on.",
            registry=self._registry,
        )
        self._config_loaded = Gauge(
            f"{METRIC_PREFIX}_config_loaded_timestamp_seconds",
            "When the configuration that is in force was read.",
            registry=self._registry,
        )
        self._registry.register(_BuildInfoCollector(version))
        self._registry.register(SharedMetricsCollector(read, mappings, stale))

    def _create_counter(self, name: str, told: str, label: str) -> Counter:
        """Of answers, by their HTTP status too."""
        labels, registry = [label, "status"], self._registry
        return Counter(f"{METRIC_PREFIX}_{name}", told, labels, registry=registry)

    def record_config(self, loaded_at: datetime, mistake: str | None) -> None:
        """Which configuration is in force, and what is wrong with a newer one."""
        self._config_loaded.set(loaded_at.timestamp())
        self._config_mistake.set(mistake is not None)

    def initialise_endpoints(self, doors: Iterable[str]) -> None:
        """Tell of these doors from the start that everything was stored: Prometheus sees no
        increase in what was not there before, and would miss the first delivery that was not."""
        for door in doors:
            self._answers.labels(door, "503")

    def count_response(self, door: str, status: int) -> None:
        self._answers.labels(door, str(status)).inc()

    def count_read(self, application: str, status: int) -> None:
        self._reads.labels(application, str(status)).inc()

    @contextmanager
    def start_span(self, name: str, known: Mapping[str, str]) -> Iterator[None]:  # noqa: ARG002
        """A ``bridge.telemetry.log_context.SpanTracer``: how long each step took, whether it failed or not."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._steps.labels(name).observe(time.perf_counter() - started)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """All of it with its content type: OpenMetrics for those who accept it, else text."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _BuildInfoCollector(Collector):
    def __init__(self, version: str) -> None:
        self._version = version

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            f"{METRIC_PREFIX}_build", "What is running.", {"version": self._version}
        )
