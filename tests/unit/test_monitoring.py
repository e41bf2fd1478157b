"""The dashboard and the alerts ask for what the bridge tells, in words that Prometheus reads."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import VectorSelector

from bridge.forge.forge import RateLimitStatus
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.target_state import TargetState
from bridge.serve.release_store import ReleaseStatistics
from bridge.status.lifetime_totals import LifetimeTotals
from bridge.status.metrics_snapshot import BacklogStatistics, LastResync, MetricsSnapshot
from bridge.status.problems import ProblemKind
from bridge.storage.rate_limits import ForgeRateLimit
from bridge.web.process_metrics import ProcessMetrics
from bridge.web.shared_metrics import METRIC_PREFIX

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text("utf-8"))
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/alerts.yaml").read_text("utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def everything() -> MetricsSnapshot:
    """A bridge in which there is something to tell of every kind."""
    totals = LifetimeTotals()
    totals.deliveries["promptlayer", "other", "done"] = 3
    totals.opened_pull_requests["support"] = totals.published_versions[
        "support"
    ] = totals.conflicts["support"] = 1
    totals.seconds_to_pull_request["support"] = Counter({3.0: 1})
    budget = ForgeRateLimit("hub", RateLimitStatus(5000, 4000, NOON), NOON)
    return MetricsSnapshot(
        instance_count=2,
        lifetime_totals=totals,
        undispatched_deliveries=BacklogStatistics(1, 2.0),
        pending_reconciles={"support": BacklogStatistics(1, 2.0)},
        proposal_counts={("support", kind): 1 for kind in ReconcileOutcomeKind},
        target_counts={("support", "in step"): 1},
        last_resyncs={"support": LastResync(NOON, 1.5)},
        repository_pauses={"hub:a/b": 3.0},
        rate_limits=(budget,),
        problems={("support", kind): 1 for kind in ProblemKind},
        exceptions={"support": 1},
        releases=ReleaseStatistics({"support": 2}, {"support": NOON}, {"support": 1}),
    )


@pytest.fixture(scope="module")
def told() -> dict[str, list[dict[str, str]]]:
    """The labels of each sample of /metrics, by its name."""
    metrics = ProcessMetrics("1", everything, lambda: {"support"}, lambda _: {"support": 0.0})
    metrics.count_response("promptlayer", 401)
    metrics.count_read("support-bot", 200)
    metrics.record_config(NOON, None)
    with metrics.start_span("git push", {}):
        pass
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(metrics.render()[0].decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield f"alert {rule['alert']}", rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield f"panel {panel['title']} {target['refId']}", target["expr"]


EXPRESSIONS = dict(expressions())


def selectors(node: object) -> Iterator[VectorSelector]:
    """Every selector of an expression, however deep."""
    if isinstance(node, VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        if (inner := getattr(node, name, None)) is not None:
            yield from selectors(inner)
    for argument in getattr(node, "args", None) or ():
        yield from selectors(argument)


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_each_expression_asks_for_metrics_and_labels_that_are_told(
    where: str, told: dict[str, list[dict[str, str]]]
) -> None:
    asked = list(selectors(promql_parser.parse(EXPRESSIONS[where])))

    assert asked
    for selector in asked:
        assert selector.name in told, where
        labels = {matcher.name for matcher in selector.matchers.matchers} - {"job", "instance"}
        assert any(labels <= sample.keys() for sample in told[selector.name]), where


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_each_expression_groups_by_labels_that_are_told(
    where: str, told: dict[str, list[dict[str, str]]]
) -> None:
    grouped = re.findall(r"by \(([a-z, ]+)\)", EXPRESSIONS[where])
    there = {
        label
        for selector in selectors(promql_parser.parse(EXPRESSIONS[where]))
        for sample in told[selector.name or ""]
        for label in sample
    }

    assert {label for group in grouped for label in group.split(", ")} <= there


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_is_wrong_with_labels_it_has(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"].keys() == {"summary", "description"}
    named = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
    for label in named:
        assert label == "instance" or re.search(rf"by \([^)]*\b{label}\b", rule["expr"])


def test_a_state_that_an_alert_waits_for_exists() -> None:
    named = {
        word
        for text in EXPRESSIONS.values()
        for group in re.findall(r'promptlayer_bridge_prompts{[^}]*state=~?"([^"]+)"', text)
        for word in group.split("|")
    }

    assert named
    assert named <= {str(state) for state in TargetState}


def test_nothing_is_told_of_a_mapping_that_is_gone() -> None:
    page = ProcessMetrics("1", everything, set[str]).render()[0].decode()

    for name in ("looks_waiting", "looks_oldest_seconds", "prompts", "proposals"):
        assert f"{METRIC_PREFIX}_{name}{{" not in page


def test_every_metric_stands_in_its_page_with_its_labels(
    told: dict[str, list[dict[str, str]]],
) -> None:
    page = (ROOT / "docs/monitoring.md").read_text("utf-8")
    rows = re.findall(r"^\| `(promptlayer_bridge_\w+)` \| ([^|]*)\|", page, re.MULTILINE)
    ours = {
        name: samples[0].keys() - {"le"} for name, samples in told.items() if METRIC_PREFIX in name
    }

    found = {
        name.removesuffix("_count"): labels
        for name, labels in ours.items()
        if not name.endswith(("_bucket", "_sum", "_created"))
    }
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == found


def test_the_dashboard_has_no_two_panels_in_one_place() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in (panel["gridPos"],)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
