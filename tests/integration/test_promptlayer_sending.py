"""What the PromptLayer client sends: once, and with errors told as for every read."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from bridge.errors import NotFoundError, RateLimitedError, RequestRefusedError, UnavailableError
from bridge.promptlayer.client import PromptLayerClient, PromptLayerResponse
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import build_chat_template
from tests.standins.fault_injection import Fault, Faults, WithFaults, cut, dead, status
from tests.standins.serve_app import serve

KEY = "pl_0123456789abcdef"
LABEL = "/prompts/1/label"


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def client(faults: Faults) -> Iterator[PromptLayerClient]:
    registry = PromptRegistry()
    registry.save_version("support/reply", build_chat_template(("user", "{question}")))
    app = WithFaults(create_promptlayer_app(registry, api_key=KEY), faults)
    plain = httpx2.HTTPTransport(verify=False)  # loading certificates takes longer than the tests
    with (
        serve(app) as url,
        PromptLayerClient(KEY, base_url=url, timeout=5, transport=plain) as client,
    ):
        yield client


def test_a_body_is_sent_and_the_answer_read(client: PromptLayerClient) -> None:
    made = client.send("POST", LABEL, {"prompt_version_number": 1, "name": "prod"})

    assert made["name"] == "prod"
    assert client.read_labels(1) == {"prod": 1}
    assert client.send("DELETE", f"/prompt-labels/{made['id']}") is None
    assert client.read_labels(1) == {}


def test_status_and_query_are_told_where_they_matter(
    client: PromptLayerClient, faults: Faults
) -> None:
    faults.add("GET /results", status(202, {"waiting": True}))

    answer = client.send_with_status("GET", "/results", params={"run": 5, "label": None})

    assert answer == PromptLayerResponse(202, {"waiting": True})
    assert faults.requests[-1].query == "run=5"


@pytest.mark.parametrize("fault", [dead(), cut(), status(502), status(200, b"<html>")])
def test_what_was_sent_once_is_not_sent_again(
    client: PromptLayerClient, faults: Faults, fault: Fault
) -> None:
    faults.add(f"POST {LABEL}", fault)
    before = len(faults.requests)

    with pytest.raises(UnavailableError, match=rf"POST {LABEL}"):
        client.send("POST", LABEL, {"prompt_version_number": 1, "name": "prod"})

    assert len(faults.requests) == before + 1


def test_refusals_are_told_in_promptlayers_words(client: PromptLayerClient, faults: Faults) -> None:
    with pytest.raises(RequestRefusedError, match=r"POST .* with 422: prompt_version_number"):
        client.send("POST", LABEL, {"name": "prod"})
    with pytest.raises(NotFoundError, match=r"with 404: Prompt template 99 not found\."):
        client.send("POST", "/prompts/99/label", {"prompt_version_number": 1, "name": "prod"})
    faults.add(f"POST {LABEL}", status(429, {}, {"Retry-After": "9"}))
    with pytest.raises(RateLimitedError) as limited:
        client.send("POST", LABEL, {})
    assert limited.value.retry_after == 9
