"""What Prometheus and Kubernetes ask, and who is kept from the door: over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from bridge.books.measures import measure
from bridge.storage.database import Database
from bridge.storage.inbox import Inbox
from bridge.telemetry import trail
from bridge.web.app import WebSettings, create_app
from bridge.web.body import SMALL
from bridge.web.doorkeeper import Allowance, Doorkeeper
from bridge.web.metrics import Metrics
from bridge.web.probes import Probes, probe_app, probe_routes
from tests.integration.deliveries import NOON, version_created
from tests.integration.web.knocking import DEADLINE, SECRET, FrontDoor
from tests.standins.doors import one_workspace
from tests.standins.serving import serve

PER_MINUTE = 5
TOKEN = "a-token-for-prometheus"


@dataclass
class Watched:
    """A front door with everything that watches over it. ``problems`` is what is wrong."""

    door: FrontDoor
    metrics: Metrics
    problems: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.door.client.get(self.door.url + path, headers=headers)

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
    inbox = Inbox(database, lambda: NOON)
    metrics = Metrics("1.2.3", lambda: measure(database, lambda: NOON), lambda: {"support"})
    problems: dict[str, str] = {}
    probes = Probes(inbox, lambda: problems, metrics)
    app = create_app(
        WebSettings(clock=lambda: NOON, doors=one_workspace(SECRET)),
        inbox,
        routes=probe_routes(probes),
    )
    guarded = Doorkeeper(app, Allowance(PER_MINUTE), metrics.count_answer)
    with serve(guarded) as url, httpx2.Client(timeout=DEADLINE) as client:
        yield Watched(FrontDoor(url, database, inbox, client), metrics, problems)
    inbox.close()
    database.close()


def test_prometheus_reads_the_answers_and_what_waits(watched: Watched) -> None:
    watched.door.deliver(version_created(1))
    watched.door.deliver(version_created(2))
    watched.door.post(b"{}", None)

    answers = "promptlayer_bridge_answers_total"
    assert watched.value(answers, door="promptlayer", status="202") == 2
    assert watched.value(answers, door="promptlayer", status="401") == 1
    assert watched.value("promptlayer_bridge_inbox_waiting") == 2
    assert watched.value("promptlayer_bridge_deliveries", state="new") == 2
    assert watched.value("promptlayer_bridge_deliveries_received_total", source="promptlayer") == 2
    assert watched.value("promptlayer_bridge_build_info", version="1.2.3") == 1
    assert (watched.value("process_resident_memory_bytes") or 0) > 1_000_000


def test_a_door_where_everything_was_stored_says_so(watched: Watched) -> None:
    watched.metrics.expect(["promptlayer", "hub"])
    watched.metrics.count_answer("hub", 503)
    watched.metrics.expect(["promptlayer", "hub"])

    answers = "promptlayer_bridge_answers_total"
    assert watched.value(answers, door="promptlayer", status="503") == 0
    assert watched.value(answers, door="hub", status="503") == 1


def test_a_path_that_leads_nowhere_names_no_door(watched: Watched) -> None:
    for path in ("xxx", "promptlayer/xxx", "xxx/xxx"):
        watched.door.client.post(f"{watched.door.url}/webhooks/{path}")
        watched.door.client.get(f"{watched.door.url}/webhooks/{path}")

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
    trail.trace_with(watched.metrics)
    try:
        with pytest.raises(ValueError, match="failed"), trail.step("git push"):
            raise ValueError("failed")
    finally:
        trail.trace_with()

    assert watched.value("promptlayer_bridge_step_seconds_count", step="git push") == 1


def test_without_its_database_a_process_still_tells_of_itself(watched: Watched) -> None:
    with watched.door.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE deliveries RENAME TO elsewhere")

    assert watched.value("promptlayer_bridge_database_up") == 0
    assert watched.value("promptlayer_bridge_build_info") == 1


def test_a_mistake_in_the_files_is_told_and_keeps_nobody_from_working(watched: Watched) -> None:
    watched.metrics.note_config(NOON, None)
    assert watched.value("promptlayer_bridge_config_mistake") == 0

    watched.metrics.note_config(NOON, "bridge.yaml:1: words")

    assert watched.value("promptlayer_bridge_config_mistake") == 1
    loaded = "promptlayer_bridge_config_loaded_timestamp_seconds"
    assert watched.value(loaded) == NOON.timestamp()
    warned = Probes(watched.door.inbox, dict, watched.metrics, warnings=lambda: {"config": "words"})
    with serve(probe_app(warned)) as url:
        answer = httpx2.get(f"{url}/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "warnings": {"config": "words"}}


def test_with_a_token_only_who_shows_it_reads_the_metrics(watched: Watched) -> None:
    probes = Probes(watched.door.inbox, dict, watched.metrics, TOKEN)

    with serve(probe_app(probes)) as url:
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
    refused = [watched.door.post(b"{}", "0" * 64) for _ in range(PER_MINUTE)]

    waiting = watched.door.deliver(version_created())

    assert {answer.status_code for answer in refused} == {401}
    assert waiting.status_code == 429
    assert 1 <= int(waiting.headers["Retry-After"]) <= 60 / PER_MINUTE
    assert watched.door.inbox.recent(1) == []
    assert watched.value("promptlayer_bridge_answers_total", door="any", status="429") == 1


def test_a_refused_body_counts_once_for_each_64_kib(watched: Watched) -> None:
    first = watched.door.post(b" " * (PER_MINUTE * SMALL), "0" * 64)

    assert (first.status_code, watched.door.post(b"{}", "0" * 64).status_code) == (401, 429)


def test_deliveries_that_are_accepted_are_never_limited(watched: Watched) -> None:
    answers = [watched.door.deliver(version_created(n + 1)) for n in range(10 * PER_MINUTE)]

    assert {answer.status_code for answer in answers} == {202}


def test_who_waits_may_still_ask_whether_the_bridge_lives(watched: Watched) -> None:
    for _ in range(PER_MINUTE + 1):
        watched.door.post(b"{}", None)

    assert watched.get("/healthz").status_code == 200
