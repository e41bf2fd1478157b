"""``/metrics``: what Prometheus is told, about this process and about the whole bridge.

Labels are few and known: mappings, repositories, forges, doors, steps. Prompts are never labels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bridge.engine.measures import Measures
from bridge.errors import BridgeError

PREFIX = "promptlayer_bridge"
_STEP_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)  # seconds

Read = Callable[[], Measures]  # raises BridgeError when the database does not answer


class Metrics:
    """All of one process: what it counts itself, and what ``read`` finds in the database."""

    def __init__(self, version: str, read: Read) -> None:
        self._registry = CollectorRegistry()
        for theirs in (ProcessCollector, PlatformCollector, GCCollector):
            theirs(registry=self._registry)
        self._answers = Counter(
            f"{PREFIX}_answers",
            "Answers of this process to webhooks, by door and HTTP status.",
            ["door", "status"],
            registry=self._registry,
        )
        self._steps = Histogram(
            f"{PREFIX}_step_seconds",
            "How long steps of the work took in this process.",
            ["step"],
            buckets=_STEP_BUCKETS,
            registry=self._registry,
        )
        self._registry.register(_Build(version))
        self._registry.register(_Whole(read))

    def count_answer(self, door: str, status: int) -> None:
        self._answers.labels(door, str(status)).inc()

    @contextmanager
    def step(self, name: str, known: Mapping[str, str]) -> Iterator[None]:  # noqa: ARG002
        """A ``bridge.trail.Tracer``: how long each step took, whether it failed or not."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._steps.labels(name).observe(time.perf_counter() - started)

    def rendered(self, accept: str = "") -> tuple[bytes, str]:
        """All of it with its content type: OpenMetrics for those who accept it, else text."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Build(Collector):
    def __init__(self, version: str) -> None:
        self._version = version

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(f"{PREFIX}_build", "What is running.", {"version": self._version})


class _Whole(Collector):
    """The whole bridge, out of the database."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        return iter(())  # so that registering asks no database

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(f"{PREFIX}_database_up", "Whether the database answers.")
        try:
            measures = self._read()
        except BridgeError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _of_deliveries(measures)
        yield from _of_proposals(measures)
        yield from _of_forges(measures)


def _of_deliveries(measures: Measures) -> Iterator[Metric]:
    yield _gauge(
        "deliveries", "Deliveries that are kept, by state.", ["state"], measures.deliveries
    )
    waiting = measures.undispatched
    yield _gauge("inbox_waiting", "Deliveries nobody has turned into looks.", [], waiting.count)
    yield _gauge("inbox_oldest_seconds", "Age of the oldest of these.", [], waiting.oldest)


def _of_proposals(measures: Measures) -> Iterator[Metric]:
    counts = {mapping: waiting.count for mapping, waiting in measures.looks.items()}
    oldest = {mapping: waiting.oldest for mapping, waiting in measures.looks.items()}
    yield _gauge("looks_waiting", "Looks that wait or are under way.", ["mapping"], counts)
    yield _gauge("looks_oldest_seconds", "Age of the oldest of these.", ["mapping"], oldest)
    yield _gauge(
        "proposals",
        "Proposals by what came of the last look at them.",
        ["mapping", "outcome"],
        measures.proposals,
    )


def _of_forges(measures: Measures) -> Iterator[Metric]:
    yield _gauge(
        "paused_seconds",
        "For how much longer a repository is left alone.",
        ["repository"],
        measures.pauses,
    )
    known = {each.forge: each.budget for each in measures.budgets}
    limits = {forge: budget.limit for forge, budget in known.items()}
    remaining = {forge: budget.remaining for forge, budget in known.items()}
    resets = {forge: budget.resets_at.timestamp() for forge, budget in known.items()}
    yield _gauge("forge_budget_limit", "Requests a forge allows in a window.", ["forge"], limits)
    yield _gauge("forge_budget_remaining", "Requests left, as last told.", ["forge"], remaining)
    yield _gauge(
        "forge_budget_reset_timestamp_seconds", "When it is whole again.", ["forge"], resets
    )


def _gauge(
    name: str,
    words: str,
    labels: list[str],
    values: float | Mapping[str, float] | Mapping[tuple[str, str], float],
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", words, labels=labels)
    if not isinstance(values, Mapping):
        family.add_metric([], values)
        return family
    for key, value in sorted(values.items()):
        family.add_metric([key] if isinstance(key, str) else list(key), value)
    return family
