"""A workspace with one prompt in two versions, and a client that reaches it over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.evals.result_polling import PollingPace
from bridge.promptlayer.client import PromptLayerClient
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.fake_evaluations import FakeEvaluations
from bridge.sandbox.registry import PromptRegistry
from tests.standins.fault_injection import Faults

KEY = "pl_0123456789abcdef"
QUICK = PollingPace(timeout=20, interval=0.001)


@dataclass
class EvaluationWorkspace:
    registry: PromptRegistry  # "support/reply" is prompt 1; its version 1 is labelled "prod"
    evaluations: FakeEvaluations
    faults: Faults
    client: PromptLayerClient

    def logs(self) -> list[JsonObject]:
        """The logged bodies in the order of their cases' names."""
        bodies = [log.body for log in self.evaluations.logs.requests.values()]
        return sorted(bodies, key=lambda body: str(body["metadata"]["case"]))
