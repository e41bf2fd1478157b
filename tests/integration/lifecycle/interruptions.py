"""Let the n-th thing that the bridge asks of a forge fail, for every n, as a kill would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from itertools import count
from typing import Any

from bridge.errors import UnavailableError
from bridge.forge.forge import Forge
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment
from tests.standins.fault_injection import Fault, after_the_work, dead, status

FAULTS: dict[str, Fault] = {
    "refused before": status(502),  # nothing was done
    "killed after": after_the_work(dead()),  # it was done, and nobody heard of it
}


class Interruption:
    """The n-th request. ``reached`` once it came."""

    def __init__(self, number: int) -> None:
        self.seen: list[str] = []
        self._number = number

    @property
    def reached(self) -> bool:
        return len(self.seen) >= self._number

    def is_now(self, method: str, path: str) -> bool:
        """Count a request to the API, or a push."""
        if "/api/" not in path and not path.endswith("/git-receive-pack"):
            return False
        self.seen.append(f"{method} {path}")
        return len(self.seen) == self._number


class InterruptedForge:
    """The local forge is asked by no request: its calls are counted instead."""

    def __init__(self, forge: Forge, interruption: Interruption, how: str) -> None:
        self._forge = forge
        self._interruption = interruption
        self._how = how

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._forge, name)
        return self._interrupted(name, found) if callable(found) else found

    def _interrupted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def interrupted(*arguments: Any, **more: Any) -> Any:
            is_now = self._interruption.is_now("CALL", f"/api/{name}")
            if is_now and self._how == "refused before":
                raise UnavailableError(f"{name} was interrupted.")
            answer = call(*arguments, **more)
            if is_now:
                raise UnavailableError(f"The answer of {name} was lost.")
            return answer

        return interrupted


@contextmanager
def interrupted(environment: BridgeEnvironment, number: int, how: str) -> Iterator[Interruption]:
    """Within this, the ``number``-th request to the forge fails."""
    interruption = Interruption(number)
    contexts = environment.controller.contexts
    if environment.repository.faults is not None:
        environment.repository.faults.add(interruption.is_now, FAULTS[how])
    else:
        wrapped: Any = InterruptedForge(environment.repository.forge, interruption, how)
        environment.controller.contexts = {
            name: replace(context, forge=wrapped) for name, context in contexts.items()
        }
    try:
        yield interruption
    finally:
        environment.controller.contexts = contexts
        if environment.repository.faults is not None:
            environment.repository.faults.clear()


def nothing(_number: int) -> None:
    """Nothing has to be prepared."""


def every_interruption(
    environment: BridgeEnvironment,
    how: str,
    act: Callable[[int], object],
    check: Callable[[int], object],
    prepare: Callable[[int], object] = nothing,
) -> list[str]:
    """``act`` and come to rest, with its n-th request failing, for n = 1 … as many as there are;
    then ``check``. The numbers tell one from another. Returns the requests of the last, which was
    not interrupted."""
    for number in count(1):
        prepare(number)
        with interrupted(environment, number, how) as interruption:
            act(number)
            environment.settle(patience=3600)
        check(number)
        if not interruption.reached:
            return interruption.seen
    raise AssertionError("there is no end of requests")
