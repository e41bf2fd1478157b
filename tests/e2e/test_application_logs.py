"""An application logs through a bridge that runs, whatever is down or killed."""

from __future__ import annotations

import httpx2
import pytest

from bridge.prompts.prompt import JsonObject
from bridge.sandbox.local_http_client import create_local_client
from tests.e2e.bridge_process import PATIENCE, until
from tests.e2e.product_environment import API_KEY, REPOSITORY, ProductEnvironment, mapping
from tests.standins.fault_injection import RecordedRequest, status

TOKEN, RELAY_TOKEN = "token-of-the-bot", "token-of-the-relayed"
SECRET_TEXT = "what-a-customer-wrote"
TRACKED: JsonObject = {
    "function_name": "openai.chat.completions.create",
    "kwargs": {"messages": [{"role": "user", "content": SECRET_TEXT}]},
    "request_response": {},
    "api_key": TOKEN,
}


@pytest.fixture
def served(environment: ProductEnvironment) -> ProductEnvironment:
    applications = [
        {"name": "bot", "tokens": [TOKEN], "labels": ["latest"]},
        {"name": "relayed", "tokens": [RELAY_TOKEN], "relay": True},
    ]
    support = mapping("support", f"github:{REPOSITORY}", serve="merged")
    environment.configure(support, serve={"applications": applications})
    environment.serve_swept()
    return environment


def ask(
    environment: ProductEnvironment, method: str, path: str, token: str = TOKEN, **more: object
) -> httpx2.Response:
    headers = {"X-API-KEY": token}
    with create_local_client(timeout=PATIENCE, headers=headers) as client:
        return client.request(method, f"{environment.address}{path}", **more)  # type: ignore[arg-type]


def find_requests(environment: ProductEnvironment, path: str) -> list[RecordedRequest]:
    """What reached PromptLayer."""
    return [one for one in environment.platform_faults.requests if one.path == path]


def test_what_was_confirmed_reaches_promptlayer_though_the_bridge_is_killed(
    served: ProductEnvironment,
) -> None:
    served.platform_faults.add("POST /", status(503), times=100_000)
    answer = ask(served, "POST", "/track-request", json=TRACKED)
    id = answer.json()["request_id"]
    scored = ask(served, "POST", "/library-track-score", json={"request_id": id, "score": 90})
    metrics = ask(served, "GET", "/metrics").text
    assert (answer.status_code, scored.status_code) == (200, 200)
    assert "promptlayer_bridge_logs_waiting 2.0" in metrics

    served.bridges[0].kill()
    served.platform_faults.clear()
    served.serve()

    until(
        lambda: bool(find_requests(served, "/library-track-score")),
        "the score did not reach PromptLayer",
        served.bridges[-1],
    )
    tracked, score = (
        find_requests(served, path)[-1] for path in ("/track-request", "/library-track-score")
    )
    assert tracked.json == {**TRACKED, "api_key": API_KEY}
    assert score.json == {"request_id": 1, "score": 90, "api_key": API_KEY}
    assert TOKEN not in served.logs
    assert SECRET_TEXT not in served.logs


def test_the_rest_of_promptlayer_is_for_those_who_may_relay(served: ProductEnvironment) -> None:
    path = "/api/public/v2/folders"
    refused = ask(served, "POST", path, json={"name": "A"})
    relayed = ask(served, "POST", path, RELAY_TOKEN, json={"name": "A"})
    socket = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}

    assert refused.status_code == 403
    assert (relayed.status_code, relayed.json()["folder"]["name"]) == (201, "A")
    assert ask(served, "GET", "/connection/websocket", headers=socket).status_code == 501
    assert ask(served, "GET", "/connection/x", "wrong").status_code == 401
