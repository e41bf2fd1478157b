"""``foreign_work``: pull requests that would bring somebody else's commits to their base, while the
mapping's base changes, the default branch is renamed and moved, people take pull requests to other
branches, and every request of it fails once. Looked for before the bridge is asked again, too."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.bench.figure import Figure, none_of
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment
from tests.integration.lifecycle.forge_repository import FORGES, create_forge_repository
from tests.integration.lifecycle.interruptions import FAULTS, interrupted
from tests.integration.switchable_app import SwitchableApp
from tests.standins.serve_app import serve

PROMPTS = 3
UNFINISHED = {"unfinished/plan.txt": b"Not yet.\n"}
Act = Callable[[BridgeEnvironment], None]


def measure() -> Iterator[Figure]:
    for forge in FORGES:
        with tempfile.TemporaryDirectory() as folder, _world(forge, Path(folder)) as environment:
            found = _count(environment)
        yield none_of("foreign_work", len(found), f"pull requests, {forge}")


def _count(environment: BridgeEnvironment) -> list[str]:
    for number in range(PROMPTS):
        environment.save(f"Text of {number}", f"support/{number}")
    environment.settle()
    environment.repository.commit(UNFINISHED, "develop")
    _require_that_a_planted_one_is_seen(environment)
    found: list[str] = []
    for act in _acts():
        for how in FAULTS:
            found += _with_every_interruption(environment, act, how)
    return found


def _acts() -> Sequence[Act]:
    """Each leaves what the next one changes."""
    return (
        lambda environment: _change_base(environment, "develop"),
        lambda environment: _change_base(environment, None),
        _take_elsewhere,
        lambda environment: environment.repository.set_default_branch("develop"),
        lambda environment: environment.repository.set_default_branch("main"),
    )


def _with_every_interruption(environment: BridgeEnvironment, act: Act, how: str) -> list[str]:
    """Seen right after each interrupted request, and once the bridge has come to rest."""
    found: list[str] = []
    act(environment)
    for number in range(1, 100):
        environment.save(f"Text {number} {how}", "support/0")
        with interrupted(environment, number, how) as interruption:
            environment.deliver()
            environment.look()
        if act is not _take_elsewhere:  # there, it is a person who did it until it is put back
            found += environment.repository.foreign_work()
        environment.settle(patience=3600)
        found += environment.repository.foreign_work()
        if not interruption.reached:
            environment.sweep()
            return [*found, *environment.repository.foreign_work()]
    raise RuntimeError("There is no end of requests.")


def _change_base(environment: BridgeEnvironment, base: str | None) -> None:
    (context,) = environment.controller.contexts.values()
    mapping = context.mapping.model_copy(update={"base": base})
    environment.controller.contexts = {mapping.name: replace(context, mapping=mapping)}


def _take_elsewhere(environment: BridgeEnvironment) -> None:
    for pull in environment.repository.open():
        environment.repository.retarget(pull, "develop")


def _require_that_a_planted_one_is_seen(environment: BridgeEnvironment) -> None:
    pull = environment.repository.open()[0]
    environment.repository.point(pull.head_branch, environment.repository.head("develop"))
    if len(environment.repository.foreign_work()) != 1:
        raise RuntimeError("A planted foreign commit was not seen: the count means nothing.")
    environment.repository.point(pull.head_branch, pull.head_commit)


@contextmanager
def _world(forge: str, folder: Path) -> Iterator[BridgeEnvironment]:
    changing = SwitchableApp()
    with serve(changing) as url, create_forge_repository(forge, folder / "forge") as repository:
        environment = BridgeEnvironment(
            repository, folder, url, [{"name": "support", "prompts": ["**"]}]
        )
        changing.app = environment.address
        try:
            yield environment
        finally:
            environment.close()
