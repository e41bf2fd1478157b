"""A PromptLayer that moved, or something else in its place: every answer is an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bridge.errors import BridgeError, ConfigError, RequestRefusedError
from bridge.promptlayer.client import PromptLayerClient
from tests.standins.serve_app import serve

KEY = "pl_0123456789abcdef"


@contextmanager
def answering(status: int, body: str, headers: dict[str, str]) -> Iterator[PromptLayerClient]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = Response(body, status, {"content-type": "application/json", **headers})
        await answer(scope, receive, send)

    with serve(app) as url, PromptLayerClient(KEY, base_url=url, timeout=5) as client:
        yield client


@pytest.mark.parametrize("body", ["502", '"Bad gateway"', "[502]", "true", "null", "<html>"])
@pytest.mark.parametrize("status", [502, 422, 403, 200])
def test_json_that_is_no_object_is_an_error_of_ours(status: int, body: str) -> None:
    with answering(status, body, {}) as client:
        for ask in (
            lambda: client.find_prompt(1),
            lambda: client.read_labels(1),
            lambda: list(client.list_prompts()),
            lambda: client.find_snippet_users(1),
        ):
            with pytest.raises(BridgeError):
                ask()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_an_address_that_moved_is_named_and_not_followed(status: int) -> None:
    place = {"location": "https://user:hush@eu.promptlayer.example/v2?key=hush"}
    with (
        answering(status, "{}", place) as client,
        pytest.raises(
            RequestRefusedError, match=r"to https://eu\.promptlayer\.example/v2\. Correct"
        ) as told,
    ):
        client.find_prompt(1)
    assert "hush" not in str(told.value)


def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://proxy.example")
    with pytest.raises(ConfigError, match="proxy of the environment"):
        PromptLayerClient(KEY)
