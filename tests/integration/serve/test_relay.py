"""All else of PromptLayer's API, passed through for applications that may use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.sandbox.registry_entries import build_chat_template
from bridge.storage.database import Database
from tests.integration.serve.log_bridge import (
    BRIDGE_KEY,
    RELAY_TOKEN,
    TOKEN,
    LogBridge,
    open_log_bridge,
)
from tests.standins.fault_injection import cut, dead, slow, status

LABEL = {"name": "prod", "prompt_version_number": 1}


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[LogBridge]:
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    with open_log_bridge(database) as opened:
        opened.registry.save_version("a/b", build_chat_template(("user", "Hi")))
        yield opened
    database.close()


@pytest.fixture
def api(bridge: LogBridge) -> Iterator[httpx2.Client]:
    with bridge.open_client(RELAY_TOKEN) as client:
        yield client


def test_a_request_is_passed_through_with_the_bridges_key(
    bridge: LogBridge, api: httpx2.Client
) -> None:
    answer = api.post("/prompts/1/label", json={**LABEL, "api_key": RELAY_TOKEN})

    assert (answer.status_code, answer.json()["name"]) == (200, "prod")
    (request,) = bridge.faults.requests
    assert request.headers["X-API-KEY"] == BRIDGE_KEY
    assert RELAY_TOKEN not in f"{request.headers} {request.body.decode()}"
    assert request.json == LABEL
    assert bridge.counted == [("relayed", 200)]


def test_a_path_and_its_query_arrive_as_they_were_sent(
    bridge: LogBridge, api: httpx2.Client
) -> None:
    answer = api.get(f"/prompt-templates/a%252Fb?version=1&api_key={RELAY_TOKEN}")

    assert (answer.status_code, answer.json()["id"]) == (200, 1)
    (request,) = bridge.faults.requests
    assert request.query == "version=1"


def test_headers_about_the_connection_and_the_caller_stay_behind(
    bridge: LogBridge, api: httpx2.Client
) -> None:
    api.get("/reports/1", headers={"Cookie": "a=b", "X-Forwarded-For": "10.0.0.1", "X-Own": "c"})

    (request,) = bridge.faults.requests
    assert request.headers["X-Own"] == "c"
    assert not {"cookie", "x-forwarded-for", "authorization"} & set(request.headers)
    assert request.headers["host"] in bridge.upstream.base_url


def test_large_bodies_are_streamed_both_ways(bridge: LogBridge, api: httpx2.Client) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * (1 << 20)

    bridge.faults.add("POST /api/", status(200, b"y" * (20 << 20)))
    kind = {"Content-Type": "application/octet-stream"}

    with api.stream("POST", "/api/public/v2/files", content=parts(), headers=kind) as answer:
        size = sum(len(part) for part in answer.iter_bytes())

    assert size == 20 << 20
    (request,) = bridge.faults.requests
    assert len(request.body) == 1 << 20  # as much as the stand-in writes down


def test_an_answer_comes_in_parts_as_promptlayer_sends_them(
    bridge: LogBridge, api: httpx2.Client
) -> None:
    bridge.faults.add("GET /prompt-templates", slow(chunk=10))
    with api.stream("GET", "/prompt-templates") as answer:
        assert len(list(answer.iter_raw())) > 1


def test_an_answer_that_breaks_off_breaks_off(bridge: LogBridge, api: httpx2.Client) -> None:
    bridge.faults.add("GET /reports", cut())
    with pytest.raises(httpx2.RemoteProtocolError):
        api.get("/reports/1")


@pytest.mark.parametrize("fault", [dead(), status(401)], ids=["dead", "401"])
def test_promptlayers_trouble_is_told_as_such(
    bridge: LogBridge, api: httpx2.Client, fault: Any
) -> None:
    bridge.faults.add("GET /reports", fault)

    answer = api.get("/reports/1")

    assert answer.status_code == 424
    assert "PromptLayer" in answer.json()["error"]


def test_statuses_of_promptlayer_are_passed_through(api: httpx2.Client) -> None:
    assert api.get("/prompt-templates/99").status_code == 404
    assert api.post("/prompts/1/label", json={}).status_code == 422


@pytest.mark.parametrize("path", ["/rest/prompt-templates", "/workflows/1/run", "/prompts/1/label"])
def test_an_application_without_relay_is_refused_with_words(bridge: LogBridge, path: str) -> None:
    with bridge.open_client(TOKEN) as api:
        answer = api.post(path, json={})

    assert answer.status_code == 403
    assert "relay: true" in answer.json()["error"]
    assert bridge.faults.requests == []


def test_a_token_in_the_body_counts_too(bridge: LogBridge) -> None:
    with bridge.open_client(None) as api:
        path = "/library-publish-prompt-template"
        assert api.post(path, json={"api_key": RELAY_TOKEN}).status_code == 404  # of the stand-in
        assert api.post(path, json={"api_key": TOKEN}).status_code == 403
        assert api.post(path, json={"api_key": "wrong"}).status_code == 401
        assert api.post(path, content=b"x").status_code == 401
    assert len(bridge.faults.requests) == 1


def test_who_shows_no_token_finds_nothing_of_promptlayer(bridge: LogBridge) -> None:
    with bridge.open_client(None) as api:
        assert api.get("/prompts/support/1").status_code == 404  # a page of the dashboard
        assert api.get("/workflows/1").status_code == 401


def test_a_web_socket_is_refused_with_what_to_configure(api: httpx2.Client) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
    }
    answer = api.get("/connection/websocket", headers=upgrade)

    assert answer.status_code == 501
    assert "callback_url" in answer.json()["error"]


def test_a_body_over_8_mib_is_refused(bridge: LogBridge, api: httpx2.Client) -> None:
    answer = api.post("/rest/prompt-templates", json={"a": "x" * (8 << 20)})

    assert answer.status_code == 413
    assert bridge.faults.requests == []


def test_other_settings_hold_from_the_next_request_on(
    bridge: LogBridge, api: httpx2.Client
) -> None:
    bridge.upstream = replace(bridge.upstream, api_key="pl_another")

    answer = api.get("/prompt-templates")

    assert answer.status_code == 424
    assert bridge.faults.requests[0].headers["X-API-KEY"] == "pl_another"
