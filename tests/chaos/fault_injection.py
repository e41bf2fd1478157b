"""What goes wrong on purpose, one thing after the other, as a seed chooses."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.chaos.bridge_processes import can_have_disks
from tests.chaos.chaos_environment import ChaosEnvironment
from tests.standins.fault_injection import Fault, Faults, after_the_work, cut, dead, slow, status

PACE = (0.5, 4.0)  # seconds between two troubles
SECONDARY = {"message": "You have exceeded a secondary rate limit. Please retry your request."}


def is_rest(_method: str, path: str) -> bool:
    return ".git/" not in path


def is_any(_method: str, _path: str) -> bool:
    return True


@dataclass
class FaultInjector:
    """Makes trouble in a house until ``over`` is set; counts what it did, by kind."""

    environment: ChaosEnvironment
    draw: random.Random
    over: threading.Event
    counted: Counter[str] = field(default_factory=Counter)

    def make(self) -> None:
        kinds = self._kinds()
        names, weights = [*kinds], [weight for weight, _ in kinds.values()]
        while not self.over.wait(self.draw.uniform(*PACE)):
            (name,) = self.draw.choices(names, weights)
            self.counted[name] += kinds[name][1]()
        self._end()

    def _kinds(self) -> dict[str, tuple[float, Callable[[], bool]]]:
        """How often each kind is chosen, and what it does: whether it could be done."""
        possible: dict[str, tuple[float, Callable[[], bool]]] = {
            "SIGKILL of a worker": (1.5, lambda: self._kill(self.draw.choice((1, 2)))),
            "SIGKILL at a request to the forge": (1.5, self._kill_at_request),
            "SIGKILL of the web server": (0.7, lambda: self._kill(0)),
            "database restarted": (0.5, self._restart_database),
            "database killed": (0.5, self._kill_database),
            "connections cut": (2, self._cut),
            "connections slowed": (1.5, self._slow),
            "429 and 5xx of PromptLayer": (2, lambda: self._refuse(self._platform)),
            "429 and 5xx of the forge": (2, lambda: self._refuse(self._forge)),
            "secondary limit of the forge": (1, self._secondary_limit),
            "answer lost after the work": (2, self._lose_answer),
            "a typo in the mappings": (1, self._mistype),
        }
        if can_have_disks():
            possible["disk of the mirrors full"] = (1.5, self._fill_disk)
        return possible

    @property
    def _platform(self) -> Faults:
        return self.environment.environment.platform_faults

    @property
    def _forge(self) -> Faults:
        return self.environment.environment.github.faults

    def _kill(self, number: int) -> bool:
        return self.environment.machines[number].kill(self.draw.uniform(0, 3))

    def _kill_at_request(self) -> bool:
        """Whoever sends the next request to the forge dies before it is carried out, or after."""
        pause = self.draw.uniform(0, 3)

        async def killing(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            for number in (1, 2):  # which of them it was, the request does not say
                await asyncio.to_thread(self.environment.machines[number].kill, pause)
            await dead()(app, scope, receive, send)

        after = self.draw.random() < 0.5
        self._forge.add(is_any, after_the_work(killing) if after else killing)
        return True

    def _restart_database(self) -> bool:
        self.environment.postgresql.restart()
        return True

    def _kill_database(self) -> bool:
        self.environment.postgresql.kill()
        self.over.wait(self.draw.uniform(0, 2))
        self.environment.postgresql.start()
        return True

    def _cut(self) -> bool:
        return bool(self.environment.wires[self.draw.choice(sorted(self.environment.wires))].cut())

    def _slow(self) -> bool:
        wire = self.environment.wires[self.draw.choice(sorted(self.environment.wires))]
        wire.pause = self.draw.uniform(0.02, 0.3)
        self.over.wait(self.draw.uniform(1, 4))
        wire.pause = 0.0
        return True

    def _refuse(self, faults: Faults) -> bool:
        code = self.draw.choice((429, 500, 502, 503, 504))
        headers = {"Retry-After": str(self.draw.randint(1, 3))} if code in (429, 503) else {}
        faults.add(is_any, status(code, {"message": "Not now."}, headers), self.draw.randint(1, 6))
        return True

    def _mistype(self) -> bool:
        """Nobody follows anything for a while."""
        self.environment.mistype()
        self.over.wait(self.draw.uniform(2, 6))
        self.environment.correct()
        return True

    def _secondary_limit(self) -> bool:
        pause = {"Retry-After": str(self.draw.randint(1, 4))}
        self._forge.add(is_rest, status(403, SECONDARY, pause), self.draw.randint(1, 4))
        return True

    def _lose_answer(self) -> bool:
        """What was asked for is done, and who asked does not hear so."""
        ways: tuple[Fault, ...] = (dead(), cut(), status(502), slow())
        fault = after_the_work(self.draw.choice(ways[:3])) if self.draw.random() < 0.8 else ways[3]
        faults = self.draw.choice((self._platform, self._forge))
        faults.add(lambda method, _path: method != "GET", fault, self.draw.randint(1, 3))
        return True

    def _fill_disk(self) -> bool:
        machine = self.environment.machines[self.draw.choice((1, 2))]
        done = machine.fill_disk()
        self.over.wait(self.draw.uniform(1, 4))
        machine.free_disk()
        return done

    def _end(self) -> None:
        """Nothing goes wrong any more."""
        for faults in (self._platform, self._forge):
            faults.clear()
        for wire in self.environment.wires.values():
            wire.pause = 0.0
        for machine in self.environment.machines:
            machine.free_disk()
        self.environment.postgresql.start()
        self.environment.office.unreliable = False
