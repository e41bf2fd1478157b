"""What a team sees of a bridge of two processes: their logs, their probes, their metrics."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from tests.e2e.bridge_process import BridgeProcess, reserved_port, until
from tests.e2e.planted_secrets import Planted
from tests.e2e.product_environment import API_KEY, SECRET, ProductEnvironment


def test_one_id_leads_from_a_delivery_to_its_pull_request_through_both_processes(
    environment: ProductEnvironment,
) -> None:
    with reserved_port() as port:
        front = environment.serve("--workers", "0", "--log-format", "json")
        words = ("--metrics-port", str(port), "--log-format", "json")
        work = environment.start("work", *words)
        until(lambda: _answers(f"http://127.0.0.1:{port}/readyz"), "work is not ready", work)
        environment.save("greeting", "Say hello.")
        environment.until_settled()
        told = [
            httpx2.get(f"{address}/metrics").text
            for address in (environment.address, f"http://127.0.0.1:{port}")
        ]
        ready = httpx2.get(f"{environment.address}/readyz")
        assert work.end() == 0

    (delivery,) = environment.deliveries()
    (pull,) = environment.pulls()
    accepted = _lines(front, delivery.id)
    worked = _lines(work, delivery.id)
    assert [line["outcome"] for line in accepted] == ["accepted"]
    assert worked[-1]["proposal"] == pull.head
    assert "proposed" in worked[-1]["message"]
    assert ready.json() == {"status": "ready"}
    assert 'answers_total{door="promptlayer",status="202"} 1.0' in told[0]
    # Else Prometheus would see no increase with the first one.
    assert 'answers_total{door="promptlayer",status="503"} 0.0' in told[0]
    assert 'step_seconds_count{step="git push"} 1.0' in told[1]
    for one in told:
        assert "promptlayer_bridge_members 2.0" in one
        assert 'time_to_pull_request_seconds_count{mapping="support"} 1.0' in one
        assert 'forge_budget_limit{forge="github"} 5000.0' in one
    planted = Planted({"key": API_KEY, "secret": SECRET, "token": environment.github_token})
    planted.search("logs and metrics", environment.logs + "".join(told))
    assert planted.found == []


def _lines(bridge: BridgeProcess, delivery: str) -> list[dict[str, Any]]:
    """The lines about a delivery; every line of the log is JSON."""
    lines = [json.loads(line) for line in bridge.said.splitlines()]
    return [line for line in lines if line.get("delivery") == delivery]


def _answers(address: str) -> bool:
    try:
        return httpx2.get(address, timeout=2).is_success
    except httpx2.HTTPError:
        return False
