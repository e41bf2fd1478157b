"""Everything a forge tells, to one bridge or to several, as often as it has something to tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from bridge.engine.controller import BridgeController
from bridge.forge.local_forge import LocalForge
from bridge.forge.local_repository import BareRepository
from bridge.sandbox.forge_event_diff import RepositoryState, diff_states
from bridge.storage.forge_delivery import build_forge_delivery
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment

REPOSITORY = "acme/support-bot"
_ROUNDS = 20  # until a test is given up


class ForgeWebhookDelivery:
    """``rest`` delivers to every bridge what both sides tell, until nobody has anything to tell:
    also of what the bridges do themselves, as real forges and the real PromptLayer do."""

    def __init__(
        self, environment: BridgeEnvironment, bridges: Sequence[BridgeController] = ()
    ) -> None:
        assert isinstance(environment.repository.forge, LocalForge)
        self.environment = environment
        self.bridges = bridges or [environment.controller]
        self.forge = environment.repository.forge
        self._git = BareRepository(environment.repository.repository)
        self._told = self._look()
        self._numbers = count(1)

    def rest(self) -> None:
        for _ in range(_ROUNDS):
            payloads, told = self.environment.post.take(), self._tell()
            if not payloads and not told:
                return
            for bridge in self.bridges:
                self._turn_to(bridge)
                self.environment.deliver(payloads)
            for bridge in self.bridges:
                self._turn_to(bridge)
                self.environment.settle_looks()
        raise AssertionError("the two sides never come to rest")

    def sweep(self) -> None:
        """Every bridge's hourly sweep, and what comes of it."""
        for bridge in self.bridges:
            self._turn_to(bridge)
            self.environment.sweep()
        self.rest()

    def _turn_to(self, bridge: BridgeController) -> None:
        self.environment.controller = bridge
        self.environment.reopen_front_door()

    def _tell(self) -> int:
        before, self._told = self._told, self._look()
        events = diff_states(REPOSITORY, before, self._told)
        for event in events:
            id = f"{next(self._numbers):064x}"
            for bridge in self.bridges:
                bridge.inbox.put(build_forge_delivery("local", id, event, self.environment.clock()))
        return len(events)

    def _look(self) -> RepositoryState:
        pulls = self.forge.list_all_pull_requests()
        return RepositoryState(self._git.list_branches(), {each.number: each for each in pulls})
