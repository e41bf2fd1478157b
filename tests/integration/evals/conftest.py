from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from bridge.promptlayer.client import PromptLayer
from bridge.sandbox.entries import chat
from bridge.sandbox.evaluations import Evaluations
from bridge.sandbox.promptlayer import promptlayer_app
from bridge.sandbox.registry import Registry
from tests.integration.changing_app import ChangingApp
from tests.integration.evals.world import KEY, World
from tests.standins.faults import Faults, WithFaults
from tests.standins.serving import serve


@pytest.fixture(scope="package")
def served() -> Iterator[tuple[ChangingApp, str]]:
    changing = ChangingApp()
    with serve(changing) as url:
        yield changing, url


@pytest.fixture
def world(served: tuple[ChangingApp, str]) -> Iterator[World]:
    changing, url = served
    registry = Registry(workspace_id=42)
    registry.save("support/reply", chat(("user", "{question}")), labels=["prod"])
    registry.save("support/reply", chat(("user", "Please: {question}")))
    evaluations, faults = Evaluations(registry), Faults()
    app = promptlayer_app(registry, api_key=KEY, evaluations=evaluations)
    changing.app = WithFaults(app, faults)
    plain = httpx2.HTTPTransport(verify=False)  # loading certificates takes longer than the tests
    with PromptLayer(KEY, base_url=url, timeout=5, transport=plain) as client:
        yield World(registry, evaluations, faults, client)
