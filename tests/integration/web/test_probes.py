"""What Prometheus and Kubernetes ask, and who is kept from the door: over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from bridge.network.read_body import SMALL_BODY_BYTES
from bridge.status.metrics_snapshot import read_metrics_snapshot
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.telemetry import log_context
from bridge.web.app import WebSettings, create_app
from bridge.web.probes import HealthProbes, create_probe_app, create_probe_routes
from bridge.web.process_metrics import ProcessMetrics
from bridge.web.rate_limit_middleware import RateLimitMiddleware, TokenBucket
from tests.integration.sample_deliveries import NOON, version_created
from tests.integration.web.webhook_client import DEADLINE, SECRET, WebhookServer
from tests.standins.serve_app import serve
from tests.standins.webhook_endpoints import one_workspace

PER_MINUTE = 5
TOKEN = "a-token-for-prometheus"


@dataclass
class Watched:
    """A front door with everything that watches over it. ``problems`` is what is wrong."""

    server: WebhookServer
    metrics: ProcessMetrics
    problems: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.server.client.get(self.server.url + path, headers=headers)

    def value(self, name: str, **labels: str) -> float | None:
        """Of one sample; None where there is none."""
        for family in plain_text(self.get("/metrics").text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return None


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    inbox = DeliveryInbox(database, lambda: NOON)
    metrics = ProcessMetrics(
        "1.2.3", lambda: read_metrics_snapshot(database, lambda: NOON), lambda: {"support"}
    )
    problems: dict[str, str] = {}
    probes = HealthProbes(inbox, lambda: problems, metrics)
    app = create_app(
        WebSettings(clock=lambda: NOON, find_endpoints=one_workspace(SECRET)),
        inbox,
        routes=create_probe_routes(probes),
    )
    guarded = RateLimitMiddleware(app, TokenBucket(PER_MINUTE), metrics.count_response)
    with serve(guarded) as url, httpx2.Client(timeout=DEADLINE) as client:
        yield Watched(WebhookServer(url, database, inbox, client), metrics, problems)
    inbox.close()
    database.close()


def test_prometheus_reads_the_answers_and_what_waits(watched: Watched) -> None:
    watched.server.deliver(version_created(1))
    watched.server.deliver(version_created(2))
    watched.server.post(b"{}", None)

    answers = "promptlayer_bridge_answers_total"
    assert watched.value(answers, door="promptlayer", status="202") == 2
    assert watched.value(answers, door="promptlayer", status="401") == 1
    assert watched.value("promptlayer_bridge_inbox_waiting") == 2
    assert watched.value("promptlayer_bridge_deliveries", state="new") == 2
    assert watched.value("promptlayer_bridge_deliveries_received_total", source="promptlayer") == 2
    assert watched.value("promptlayer_bridge_build_info", version="1.2.3") == 1
    assert (watched.value("process_resident_memory_bytes") or 0) > 1_000_000


def test_a_door_where_everything_was_stored_says_so(watched: Watched) -> None:
    watched.metrics.initialise_endpoints(["promptlayer", "hub"])
    watched.metrics.count_response("hub", 503)
    watched.metrics.initialise_endpoints(["promptlayer", "hub"])

    answers = "promptlayer_bridge_answers_total"
    assert watched.value(answers, door="promptlayer", status="503") == 0
    assert watched.value(answers, door="hub", status="503") == 1


def test_a_path_that_leads_nowhere_names_no_door(watched: Watched) -> None:
    for path in ("xxx", "promptlayer/xxx", "xxx/xxx"):
        watched.server.client.post(f"{watched.server.url}/webhooks/{path}")
        watched.server.client.get(f"{watched.server.url}/webhooks/{path}")

    assert (watched.value("promptlayer_bridge_answers_total", door="none", status="404") or 0) > 0
    assert (watched.value("promptlayer_bridge_answers_total", door="none", status="405") or 0) > 0
    assert "xxx" not in watched.get("/metrics").text


def test_openmetrics_is_given_to_who_accepts_it(watched: Watched) -> None:
    answer = watched.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert {"promptlayer_bridge_answers", "promptlayer_bridge_proposals"} <= {
        family.name
        for family in openmetrics(answer.text)  # type: ignore[no-untyped-call]  # theirs
    }


def test_steps_of_the_work_are_timed(watched: Watched) -> None:
    log_context.set_tracers(watched.metrics)
    try:
        with pytest.raises(ValueError, match="failed"), log_context.span("git push"):
            raise ValueError("failed")
    finally:
        log_context.set_tracers()

    assert watched.value("promptlayer_bridge_step_seconds_count", step="git push") == 1


def test_without_its_database_a_process_still_tells_of_itself(watched: Watched) -> None:
    with watched.server.database.open_transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE deliveries RENAME TO elsewhere")

    assert watched.value("promptlayer_bridge_database_up") == 0
    assert watched.value("promptlayer_bridge_build_info") == 1


def test_a_mistake_in_the_files_is_told_and_keeps_nobody_from_working(watched: Watched) -> None:
    watched.metrics.record_config(NOON, None)
    assert watched.value("promptlayer_bridge_config_mistake") == 0

    watched.metrics.record_config(NOON, "bridge.yaml:1: words")

    assert watched.value("promptlayer_bridge_config_mistake") == 1
    loaded = "promptlayer_bridge_config_loaded_timestamp_seconds"
    assert watched.value(loaded) == NOON.timestamp()
    warned = HealthProbes(
        watched.server.inbox, dict, watched.metrics, find_warnings=lambda: {"config": "words"}
    )
    with serve(create_probe_app(warned)) as url:
        answer = httpx2.get(f"{url}/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "warnings": {"config": "words"}}


def test_with_a_token_only_who_shows_it_reads_the_metrics(watched: Watched) -> None:
    probes = HealthProbes(watched.server.inbox, dict, watched.metrics, TOKEN)

    with serve(create_probe_app(probes)) as url:
        refused = [
            httpx2.get(f"{url}/metrics", headers=headers)
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN})
        ]
        shown = httpx2.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        alive = httpx2.get(f"{url}/healthz")

    assert [answer.status_code for answer in refused] == [401, 401, 401]
    assert not any("promptlayer_bridge" in answer.text for answer in refused)
    assert (shown.status_code, alive.status_code) == (200, 200)
    assert TOKEN not in repr(probes)


def test_ready_is_who_can_work(watched: Watched) -> None:
    answer = watched.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def test_who_cannot_work_says_what_is_wrong(watched: Watched) -> None:
    wrong: Mapping[str, str] = {"disk": "2 MiB are free, and 100 MiB are needed"}
    watched.problems.update(wrong)

    answer = watched.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "problems": wrong}


def test_who_is_refused_too_often_waits_whatever_comes_next(watched: Watched) -> None:
    refused = [watched.server.post(b"{}", "0" * 64) for _ in range(PER_MINUTE)]

    waiting = watched.server.deliver(version_created())

    assert {answer.status_code for answer in refused} == {401}
    assert waiting.status_code == 429
    assert 1 <= int(waiting.headers["Retry-After"]) <= 60 / PER_MINUTE
    assert watched.server.inbox.list_recent(1) == []
    assert watched.value("promptlayer_bridge_answers_total", door="any", status="429") == 1


def test_a_refused_body_counts_once_for_each_64_kib(watched: Watched) -> None:
    first = watched.server.post(b" " * (PER_MINUTE * SMALL_BODY_BYTES), "0" * 64)

    assert (first.status_code, watched.server.post(b"{}", "0" * 64).status_code) == (401, 429)


def test_deliveries_that_are_accepted_are_never_limited(watched: Watched) -> None:
    answers = [watched.server.deliver(version_created(n + 1)) for n in range(10 * PER_MINUTE)]

    assert {answer.status_code for answer in answers} == {202}


def test_who_waits_may_still_ask_whether_the_bridge_lives(watched: Watched) -> None:
    for _ in range(PER_MINUTE + 1):
        watched.server.post(b"{}", None)

    assert watched.get("/healthz").status_code == 200
