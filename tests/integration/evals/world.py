"""A workspace with one prompt in two versions, and a client that reaches it over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.evals.waiting import Pace
from bridge.promptlayer.client import PromptLayer
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.evaluations import Evaluations
from bridge.sandbox.registry import Registry
from tests.standins.faults import Faults

KEY = "pl_0123456789abcdef"
QUICK = Pace(patience=20, every=0.001)


@dataclass
class World:
    registry: Registry  # "support/reply" is prompt 1; its version 1 is labelled "prod"
    evaluations: Evaluations
    faults: Faults
    client: PromptLayer

    def logs(self) -> list[JsonObject]:
        """The logged bodies in the order of their cases' names."""
        bodies = [log.body for log in self.evaluations.logs.values()]
        return sorted(bodies, key=lambda body: str(body["metadata"]["case"]))
