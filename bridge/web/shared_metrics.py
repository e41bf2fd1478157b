"""Collect the metrics of the whole bridge from the database, the same on every process."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bridge.errors import BridgeError
from bridge.serve.release_store import ReleaseStatistics
from bridge.status.lifetime_totals import LifetimeTotals
from bridge.status.metrics_snapshot import LastResync, MetricsSnapshot
from bridge.storage.log_queue import LogQueueStatus

METRIC_PREFIX = "promptlayer_bridge"
_DELIVERY = ["source", "type", "state"]
_WAITS = (2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 21600.0, 86400.0)

ReadMetricsSnapshot = Callable[
    [], MetricsSnapshot
]  # raises BridgeError when the database does not answer
Stale = Callable[[Mapping[str, LastResync]], Mapping[str, float]]
_Values = (
    float
    | Mapping[str, float]
    | Mapping[tuple[str, str], float]
    | Mapping[tuple[str, str, str], float]
)


def clear_stale(_: Mapping[str, LastResync]) -> Mapping[str, float]:
    """A ``Stale`` for a process that knows no resync period."""
    return {}


class SharedMetricsCollector(Collector):
    """The metrics in the database. Of series by mapping, only those of the configured ``mappings``
    are reported."""

    def __init__(
        self, read: ReadMetricsSnapshot, mappings: Callable[[], Container[str]], stale: Stale
    ) -> None:
        self._read = read
        self._stale = stale
        self._mappings = mappings

    def describe(self) -> Iterator[Metric]:
        return iter(())  # so that registering queries no database

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(f"{METRIC_PREFIX}_database_up", "Whether the database answers.")
        try:
            measures = self._read()
        except BridgeError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _of_processes(measures)
        yield from _of_deliveries(measures)
        yield from _of_proposals(measures, self._mappings())
        yield from _of_both_ways(measures.lifetime_totals)
        yield from _of_sweeps(measures.last_resyncs, self._mappings())
        yield _gauge(
            "mapping_stale",
            "Whether a mapping was not compared for three sweeps.",
            ["mapping"],
            self._stale(measures.last_resyncs),
        )
        yield from _of_problems(measures, self._mappings())
        yield from _of_releases(measures.releases, self._mappings())
        yield from _of_forges(measures)
        yield from _of_log_queue(measures.log_queue)


def _of_processes(measures: MetricsSnapshot) -> Iterator[Metric]:
    yield _gauge(
        "members", "Processes that share the database and live.", [], measures.instance_count
    )


def _of_deliveries(measures: MetricsSnapshot) -> Iterator[Metric]:
    known = measures.lifetime_totals.deliveries
    yield _gauge("deliveries", "Deliveries by what became of them.", _DELIVERY, known)
    yield _counter(
        "deliveries_received", "Deliveries since the first day.", _DELIVERY[:2], _received(known)
    )
    waiting = measures.undispatched_deliveries
    yield _gauge("inbox_waiting", "Deliveries nobody has turned into looks.", [], waiting.count)
    yield _gauge("inbox_oldest_seconds", "Age of the oldest of these.", [], waiting.oldest_seconds)


def _of_proposals(measures: MetricsSnapshot, mappings: Container[str]) -> Iterator[Metric]:
    pending = {
        name: waiting for name, waiting in measures.pending_reconciles.items() if name in mappings
    }
    counts = {mapping: waiting.count for mapping, waiting in pending.items()}
    oldest = {mapping: waiting.oldest_seconds for mapping, waiting in pending.items()}
    yield _gauge("looks_waiting", "Looks that wait or are under way.", ["mapping"], counts)
    yield _gauge("looks_oldest_seconds", "Age of the oldest of these.", ["mapping"], oldest)
    yield _gauge(
        "prompts",
        "Prompts and labels that are followed, by how they stand.",
        ["mapping", "state"],
        _those_of(mappings, measures.target_counts),
    )
    yield _gauge(
        "proposals",
        "Proposals by what came of the last look at them.",
        ["mapping", "outcome"],
        _those_of(mappings, measures.proposal_counts),
    )


def _those_of(
    mappings: Container[str], counts: Mapping[tuple[str, str], int]
) -> dict[tuple[str, str], int]:
    return {key: count for key, count in counts.items() if key[0] in mappings}


def _received(deliveries: Mapping[tuple[str, str, str], int]) -> Mapping[tuple[str, str], int]:
    """Deliveries in any state, a count that only grows."""
    counts: Counter[tuple[str, str]] = Counter()
    for (source, type_, _), count in deliveries.items():
        counts[source, type_] += count
    return counts


def _of_both_ways(totals: LifetimeTotals) -> Iterator[Metric]:
    mapping = ["mapping"]
    yield _counter(
        "pull_requests_opened", "Pull requests opened.", mapping, totals.opened_pull_requests
    )
    yield _counter(
        "published",
        "Files that became versions in PromptLayer.",
        mapping,
        totals.published_versions,
    )
    yield _counter("conflicts", "Prompts edited on both sides.", mapping, totals.conflicts)
    waited = HistogramMetricFamily(
        f"{METRIC_PREFIX}_time_to_pull_request_seconds",
        "From an event's arrival to its pull request; the sum is at most a quarter too large.",
        labels=mapping,
    )
    for name, waits in sorted(totals.seconds_to_pull_request.items()):
        at_most = sum(took * count for took, count in waits.items())
        waited.add_metric([name], _cumulative(waits), sum_value=at_most)
    yield waited


def _cumulative(waits: Mapping[float, int]) -> list[tuple[str, float]]:
    """Cumulative buckets, as Prometheus has them: how many took so many seconds or less
    (https://prometheus.io/docs/concepts/metric_types/#histogram)."""
    ends = (*_WAITS, math.inf)
    return [
        (_spelled(end), sum(count for took, count in waits.items() if took <= end)) for end in ends
    ]


def _spelled(end: float) -> str:
    return "+Inf" if math.isinf(end) else str(end)


def _of_sweeps(sweeps: Mapping[str, LastResync], mappings: Container[str]) -> Iterator[Metric]:
    now = {name: sweep for name, sweep in sweeps.items() if name in mappings}
    at = {name: sweep.finished_at.timestamp() for name, sweep in now.items()}
    took = {name: sweep.duration_seconds for name, sweep in now.items()}
    yield _gauge("sweep_timestamp_seconds", "When the last sweep was done.", ["mapping"], at)
    yield _gauge("sweep_seconds", "How long it took.", ["mapping"], took)


def _of_problems(measures: MetricsSnapshot, mappings: Container[str]) -> Iterator[Metric]:
    """Open problems and errors. Those that concern no mapping have an empty label."""
    there = {key: n for key, n in measures.problems.items() if not key[0] or key[0] in mappings}
    yield _gauge(
        "problems", "What is wrong with a mapping and lasts, by kind.", ["mapping", "kind"], there
    )
    ever = {name: n for name, n in measures.exceptions.items() if not name or name in mappings}
    yield _counter(
        "unexpected_errors", "Errors that nobody expected, each tried again.", ["mapping"], ever
    )


def _of_releases(releases: ReleaseStatistics, mappings: Container[str]) -> Iterator[Metric]:
    served, doubts, confirmed = (
        {name: value for name, value in values.items() if name in mappings}
        for values in (
            releases.served,
            releases.doubts,
            {name: at.timestamp() for name, at in releases.oldest_confirmed.items()},
        )
    )
    mapping = ["mapping"]
    yield _gauge("releases", "Prompts and labels that are served.", mapping, served)
    yield _gauge(
        "releases_in_doubt", "Those whose newest merged content is not served.", mapping, doubts
    )
    yield _gauge(
        "releases_confirmed_timestamp_seconds",
        "When the one that waits longest was confirmed.",
        mapping,
        confirmed,
    )


def _of_forges(measures: MetricsSnapshot) -> Iterator[Metric]:
    yield _gauge(
        "paused_seconds",
        "For how much longer a repository is left alone.",
        ["repository"],
        measures.repository_pauses,
    )
    known = {each.forge: each.rate_limit for each in measures.rate_limits}
    limits = {forge: rate_limit.limit for forge, rate_limit in known.items()}
    remaining = {forge: rate_limit.remaining for forge, rate_limit in known.items()}
    resets = {forge: rate_limit.resets_at.timestamp() for forge, rate_limit in known.items()}
    yield _gauge("forge_budget_limit", "Requests a forge allows in a window.", ["forge"], limits)
    yield _gauge("forge_budget_remaining", "Requests left, as last told.", ["forge"], remaining)
    yield _gauge(
        "forge_budget_reset_timestamp_seconds", "When it is whole again.", ["forge"], resets
    )


def _of_log_queue(queue: LogQueueStatus) -> Iterator[Metric]:
    yield _gauge("logs_waiting", "Logs of applications for PromptLayer.", [], queue.waiting)
    yield _gauge("logs_waiting_bytes", "The size of these.", [], queue.waiting_bytes)
    yield _gauge("logs_oldest_seconds", "Age of the oldest of these.", [], queue.oldest_seconds)
    yield _gauge("logs_parked", "Logs that PromptLayer did not take.", [], queue.parked)


def _gauge(name: str, description: str, labels: list[str], values: _Values) -> Metric:
    return _filled(GaugeMetricFamily(f"{METRIC_PREFIX}_{name}", description, labels=labels), values)


def _counter(name: str, description: str, labels: list[str], values: _Values) -> Metric:
    return _filled(
        CounterMetricFamily(f"{METRIC_PREFIX}_{name}", description, labels=labels), values
    )


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: _Values) -> Metric:
    if not isinstance(values, Mapping):
        family.add_metric([], values)
        return family
    for key, value in sorted(values.items()):
        family.add_metric([key] if isinstance(key, str) else list(key), value)
    return family
