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
from tests.integration.changing_app import ChangingApp
from tests.integration.lifecycle.interruptions import FAULTS, interrupted
from tests.integration.lifecycle.place import FORGES, place_on
from tests.integration.lifecycle.world import World
from tests.standins.serving import serve

PROMPTS = 3
UNFINISHED = {"unfinished/plan.txt": b"Not yet.\n"}
Act = Callable[[World], None]


def measure() -> Iterator[Figure]:
    for forge in FORGES:
        with tempfile.TemporaryDirectory() as folder, _world(forge, Path(folder)) as world:
            found = _count(world)
        yield none_of("foreign_work", len(found), f"pull requests, {forge}")


def _count(world: World) -> list[str]:
    for number in range(PROMPTS):
        world.save(f"Text of {number}", f"support/{number}")
    world.settle()
    world.place.commit(UNFINISHED, "develop")
    _require_that_a_planted_one_is_seen(world)
    found: list[str] = []
    for act in _acts():
        for how in FAULTS:
            found += _with_every_interruption(world, act, how)
    return found


def _acts() -> Sequence[Act]:
    """Each leaves what the next one changes."""
    return (
        lambda world: _change_base(world, "develop"),
        lambda world: _change_base(world, None),
        _take_elsewhere,
        lambda world: world.place.set_default_branch("develop"),
        lambda world: world.place.set_default_branch("main"),
    )


def _with_every_interruption(world: World, act: Act, how: str) -> list[str]:
    """Seen right after each interrupted request, and once the bridge has come to rest."""
    found: list[str] = []
    act(world)
    for number in range(1, 100):
        world.save(f"Text {number} {how}", "support/0")
        with interrupted(world, number, how) as interruption:
            world.deliver()
            world.look()
        if act is not _take_elsewhere:  # there, it is a person who did it until it is put back
            found += world.place.foreign_work()
        world.settle(patience=3600)
        found += world.place.foreign_work()
        if not interruption.reached:
            world.sweep()
            return [*found, *world.place.foreign_work()]
    raise RuntimeError("There is no end of requests.")


def _change_base(world: World, base: str | None) -> None:
    (site,) = world.worker.sites.values()
    mapping = site.mapping.model_copy(update={"base": base})
    world.worker.sites = {mapping.name: replace(site, mapping=mapping)}


def _take_elsewhere(world: World) -> None:
    for pull in world.place.open():
        world.place.retarget(pull, "develop")


def _require_that_a_planted_one_is_seen(world: World) -> None:
    pull = world.place.open()[0]
    world.place.point(pull.head, world.place.head("develop"))
    if len(world.place.foreign_work()) != 1:
        raise RuntimeError("A planted foreign commit was not seen: the count means nothing.")
    world.place.point(pull.head, pull.head_commit)


@contextmanager
def _world(forge: str, folder: Path) -> Iterator[World]:
    changing = ChangingApp()
    with serve(changing) as url, place_on(forge, folder / "forge") as place:
        world = World(place, folder, url, [{"name": "support", "prompts": ["**"]}])
        changing.app = world.address
        try:
            yield world
        finally:
            world.close()
