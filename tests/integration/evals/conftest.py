from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from bridge.promptlayer.client import PromptLayerClient
from bridge.sandbox.fake_evaluations import FakeEvaluations
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.registry_entries import build_chat_template
from tests.integration.evals.evaluation_workspace import KEY, EvaluationWorkspace
from tests.integration.switchable_app import SwitchableApp
from tests.standins.fault_injection import Faults, WithFaults
from tests.standins.serve_app import serve


@pytest.fixture(scope="package")
def served() -> Iterator[tuple[SwitchableApp, str]]:
    changing = SwitchableApp()
    with serve(changing) as url:
        yield changing, url


@pytest.fixture
def workspace(served: tuple[SwitchableApp, str]) -> Iterator[EvaluationWorkspace]:
    changing, url = served
    registry = PromptRegistry(workspace_id=42)
    registry.save_version(
        "support/reply", build_chat_template(("user", "{question}")), labels=["prod"]
    )
    registry.save_version("support/reply", build_chat_template(("user", "Please: {question}")))
    evaluations, faults = FakeEvaluations(registry), Faults()
    app = create_promptlayer_app(registry, api_key=KEY, evaluations=evaluations)
    changing.app = WithFaults(app, faults)
    plain = httpx2.HTTPTransport(verify=False)  # loading certificates takes longer than the tests
    with PromptLayerClient(KEY, base_url=url, timeout=5, transport=plain) as client:
        yield EvaluationWorkspace(registry, evaluations, faults, client)
