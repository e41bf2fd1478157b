"""Everything a forge tells, to one bridge or to several, as often as it has something to tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from bridge.engine.worker import Worker
from bridge.forge.local import LocalForge
from bridge.forge.local_repository import BareRepository
from bridge.sandbox.forge_changes import Look, events_between
from bridge.storage.forge_delivery import delivery_of
from tests.integration.lifecycle.world import World

REPOSITORY = "acme/support-bot"
_ROUNDS = 20  # until a test is given up


class ForgeNews:
    """``rest`` delivers to every bridge what both sides tell, until nobody has anything to tell:
    also of what the bridges do themselves, as real forges and the real PromptLayer do."""

    def __init__(self, world: World, bridges: Sequence[Worker] = ()) -> None:
        assert isinstance(world.place.forge, LocalForge)
        self.world = world
        self.bridges = bridges or [world.worker]
        self.forge = world.place.forge
        self._git = BareRepository(world.place.repository)
        self._told = self._look()
        self._numbers = count(1)

    def rest(self) -> None:
        for _ in range(_ROUNDS):
            payloads, told = self.world.post.take(), self._tell()
            if not payloads and not told:
                return
            for bridge in self.bridges:
                self._turn_to(bridge)
                self.world.deliver(payloads)
            for bridge in self.bridges:
                self._turn_to(bridge)
                self.world.settle_looks()
        raise AssertionError("the two sides never come to rest")

    def sweep(self) -> None:
        """Every bridge's hourly sweep, and what comes of it."""
        for bridge in self.bridges:
            self._turn_to(bridge)
            self.world.sweep()
        self.rest()

    def _turn_to(self, bridge: Worker) -> None:
        self.world.worker = bridge
        self.world.reopen_front_door()

    def _tell(self) -> int:
        before, self._told = self._told, self._look()
        events = events_between(REPOSITORY, before, self._told)
        for event in events:
            id = f"{next(self._numbers):064x}"
            for bridge in self.bridges:
                bridge.inbox.put(delivery_of("local", id, event, self.world.clock()))
        return len(events)

    def _look(self) -> Look:
        pulls = self.forge.every_pull_request()
        return Look(self._git.branches(), {each.number: each for each in pulls})
