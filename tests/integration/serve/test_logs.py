"""Applications log through the bridge: answered at once, delivered in order, never lost."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import promptlayer
import promptlayer.utils
import pytest

from bridge.prompts.prompt import JsonObject
from bridge.sandbox.registry_entries import build_chat_template, build_model_metadata
from bridge.serve.log_calls import LOG_CALLS
from bridge.storage.database import Database
from tests.integration.serve.log_bridge import (
    BRIDGE_KEY,
    THROUGH_TOKEN,
    TOKEN,
    LogBridge,
    open_log_bridge,
    wait_until,
)
from tests.standins.fault_injection import after_the_work, dead, status

TEMPLATE = {**build_chat_template(("user", "A secret of a customer"))}
TRACKED: JsonObject = {"function_name": "openai.chat", "kwargs": {}, "request_response": {}}
LOGGED: JsonObject = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": TEMPLATE,
    "output": TEMPLATE,
    "request_start_time": 1.0,
    "request_end_time": 2.0,
}


@pytest.fixture
def bridge(database: Database) -> Iterator[LogBridge]:
    with open_log_bridge(database) as opened:
        yield opened


@pytest.fixture
def api(bridge: LogBridge) -> Iterator[httpx2.Client]:
    with bridge.open_client() as client:
        yield client


def answer_of(answer: httpx2.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def paths_asked(bridge: LogBridge) -> list[str]:
    return [request.path for request in bridge.faults.requests]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:promptlayer")
def test_the_official_sdk_logs_while_promptlayer_is_away(bridge: LogBridge) -> None:
    bridge.registry.save_version("p", TEMPLATE, metadata=build_model_metadata("openai", "gpt-4o"))
    bridge.faults.add("POST /", dead(), times=3)
    sdk = promptlayer.PromptLayer(api_key=TOKEN, base_url=bridge.url)

    logged = sdk.log_request(**LOGGED)
    tracked = promptlayer.utils.track_request(bridge.url, True, api_key=TOKEN, **TRACKED)
    group = sdk.group.create()
    sdk.track.score(logged["id"], 90, "quality")
    sdk.track.metadata(logged["id"], {"user": "ada"})
    sdk.track.prompt(logged["id"], "p", {"tone": "kind"}, version=1)
    sdk.track.group(logged["id"], group)
    promptlayer.utils._get_requests_session().close()
    assert bridge.logs.requests == {}
    bridge.deliver_all()

    assert all(id.startswith("pb_") for id in (logged["id"], tracked["request_id"], group))
    by_model = {one.body.get("model"): one for one in bridge.logs.requests.values()}
    assert by_model.keys() == {"gpt-4o", None}
    request = by_model["gpt-4o"]
    assert request.scores == {"quality": 90}
    assert request.metadata == {"user": "ada"}
    assert request.group_id == 1
    assert request.prompt is not None
    assert request.prompt["version"] == 1


def test_each_call_is_answered_as_the_sdks_want_it(api: httpx2.Client) -> None:
    for path, call in LOG_CALLS.items():
        answer = api.post(path, json={"request_id": 1, "api_key": TOKEN})
        assert answer.status_code == call.status
        assert answer.json().keys() >= ({call.made} if call.made else {"success"})


def test_the_key_of_the_application_goes_nowhere(bridge: LogBridge, api: httpx2.Client) -> None:
    answer_of(api.post("/track-request", json={**TRACKED, "api_key": TOKEN}))
    answer_of(api.post("/log-request", json={**LOGGED, "api_key": TOKEN}), 201)
    with bridge.database.open_read_transaction() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM queued_logs").all())
    assert TOKEN not in stored
    assert "customer" in stored  # what is looked for would be found

    bridge.deliver_all()

    for request in bridge.faults.requests:
        assert request.headers["X-API-KEY"] == BRIDGE_KEY
        assert TOKEN not in f"{request.headers} {request.body.decode()}"
    assert json.loads(bridge.faults.requests[0].body)["api_key"] == BRIDGE_KEY


def test_calls_of_one_request_keep_their_order(bridge: LogBridge, api: httpx2.Client) -> None:
    ids = [answer_of(api.post("/track-request", json=TRACKED))["request_id"] for _ in range(3)]
    for score in range(5):
        for id in ids:
            answer_of(api.post("/library-track-score", json={"request_id": id, "score": score}))
    bridge.faults.add("POST /library-track-score", status(503), times=4)

    bridge.deliver_all()

    scores: dict[int, list[int]] = {}
    for request in bridge.faults.requests:
        if request.path == "/library-track-score":
            of_one = scores.setdefault(request.json["request_id"], [])
            if request.json["score"] not in of_one:
                of_one.append(request.json["score"])
    assert scores == {number: [0, 1, 2, 3, 4] for number in (1, 2, 3)}


@pytest.mark.parametrize(
    "fault",
    [status(503), status(429), status(401), status(403), status(200, b"no JSON"), dead()],
    ids=["503", "429", "401", "403", "no JSON", "dead"],
)
def test_what_may_pass_is_tried_again(bridge: LogBridge, api: httpx2.Client, fault: Any) -> None:
    bridge.faults.add("POST /track-request", fault, times=2)
    answer_of(api.post("/track-request", json=TRACKED))

    with bridge.deliver():
        wait_until(lambda: len(paths_asked(bridge)) == 2)
        assert bridge.read_status().parked == 0
        wait_until(lambda: len(bridge.logs.requests) == 1)


def test_an_answer_that_got_lost_means_delivering_again(
    bridge: LogBridge, api: httpx2.Client
) -> None:
    bridge.faults.add("POST /track-request", after_the_work(dead()))
    answer_of(api.post("/track-request", json=TRACKED))

    bridge.deliver_all()

    assert len(bridge.logs.requests) == 2  # at least once


def test_what_is_refused_for_good_is_parked_with_all_that_is_about_it(
    bridge: LogBridge, api: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    detail = [{"loc": ["body", "input", "secret"], "msg": "secret", "input": "secret"}]
    bridge.faults.add("POST /log-request", status(422, {"detail": detail}))
    id = answer_of(api.post("/log-request", json=LOGGED), 201)["id"]
    answer_of(api.post("/library-track-score", json={"request_id": id, "score": 1}))
    kept = answer_of(api.post("/track-request", json=TRACKED))

    bridge.deliver_all()

    found = bridge.read_status()
    assert kept["request_id"]
    assert found.parked == 2
    assert set(found.parked_reasons) == {
        ("PromptLayer refused /log-request with 422 (input)", 1),
        ("what /library-track-score is about is parked, or was logged too long ago", 1),
    }
    assert len(bridge.logs.requests) == 1
    assert "is parked" in caplog.text
    assert "secret" not in caplog.text


def test_what_promptlayer_did_not_take_in_time_is_parked(
    bridge: LogBridge, api: httpx2.Client
) -> None:
    bridge.faults.add("POST /track-request", status(503), times=100)
    answer_of(api.post("/track-request", json=TRACKED))

    bridge.deliver_all(keep=timedelta())

    assert bridge.read_status().parked_reasons == (
        ("PromptLayer did not take /track-request in time", 1),
    )


def test_a_call_about_an_id_that_nobody_gave_out_is_parked(
    bridge: LogBridge, api: httpx2.Client
) -> None:
    body = {"request_id": f"pb_{'0' * 32}", "score": 1}
    answer_of(api.post("/library-track-score", json=body))

    bridge.deliver_all()

    assert bridge.read_status().parked == 1


def test_a_full_queue_lets_the_application_wait_for_promptlayer(database: Database) -> None:
    with open_log_bridge(database, limit=1) as bridge, bridge.open_client() as api:
        queued = answer_of(api.post("/track-request", json=TRACKED))
        passed = answer_of(api.post("/track-request", json=TRACKED))
        refused = api.post(
            "/library-track-score", json={"request_id": queued["request_id"], "score": 1}
        )
        bridge.deliver_all()
        scored = {"request_id": queued["request_id"], "score": 1}
        answer_of(api.post("/library-track-score", json=scored))
        bridge.deliver_all()

        assert passed["request_id"] == 1
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "5"
        assert bridge.logs.requests[2].scores == {"default": 1}


def test_an_application_may_have_promptlayers_own_ids(bridge: LogBridge) -> None:
    with bridge.open_client(THROUGH_TOKEN) as api:
        logged = answer_of(api.post("/log-request", json=LOGGED), 201)
        answer_of(api.post("/library-track-score", json={"request_id": logged["id"], "score": 1}))
        answer_of(api.post("/library-track-score", json={"request_id": 9, "score": 1}), 400)

    assert logged["engine"] == "gpt-4o"
    assert bridge.logs.requests[1].scores == {"default": 1}
    assert bridge.read_status().waiting == 0


@pytest.mark.parametrize("fault", [status(401), dead()], ids=["401", "dead"])
def test_a_call_that_cannot_be_passed_through_is_no_fault_of_the_application(
    bridge: LogBridge, fault: Any
) -> None:
    bridge.faults.add("POST /log-request", fault)
    with bridge.open_client(THROUGH_TOKEN) as api:
        answer = api.post("/log-request", json=LOGGED)

    assert answer.status_code == 503
    assert "PromptLayer" in answer.json()["error"]


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_wrong_token_logs_nothing(bridge: LogBridge, token: str | None) -> None:
    with bridge.open_client(token) as api:
        answer_of(api.post("/track-request", json={**TRACKED, "api_key": "wrong"}), 401)
        answer_of(api.post("/log-request", content=b"{"), 401)

    assert bridge.read_status().waiting == 0


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"a": 1e999}'])
def test_nonsense_is_refused_at_once(api: httpx2.Client, body: bytes) -> None:
    answer_of(api.post("/log-request", content=body), 400)


def test_odd_text_is_queued_and_delivered(bridge: LogBridge, api: httpx2.Client) -> None:
    odd = b'{"function_name": "f", "kwargs": {"a\\u0000": "\\ud800", "n": 1e300}}'
    answer_of(api.post("/track-request", content=odd))
    answer_of(api.post("/library-track-score", content=b'{"request_id": "\\u0000\\ud800"}'))

    bridge.deliver_all()

    assert bridge.logs.requests[1].body["kwargs"]["a\x00"] == "\ud800"


def test_a_body_over_8_mib_is_refused_and_a_smaller_one_is_not(api: httpx2.Client) -> None:
    size = 8 * 1024 * 1024
    answer_of(api.post("/track-request", json={"function_name": "x" * (size - 100)}))
    answer = api.post("/track-request", json={"function_name": "x" * size})

    assert answer.status_code == 413
