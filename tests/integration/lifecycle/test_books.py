"""The books say at any time how a prompt stands, and how it came to that."""

from __future__ import annotations

from bridge.engine.moments import MomentKind
from bridge.engine.overview import Overview
from bridge.prompts.state import State
from tests.integration.lifecycle.world import JANE, World


def overview(world: World) -> Overview:
    return Overview(world.database, world.clock)


def state(world: World, prompt_id: int = 1) -> State:
    (only,) = overview(world).prompt(prompt_id)
    return only.entry.state


def way(world: World, prompt_id: int = 1) -> list[MomentKind]:
    """What happened to a prompt, the first step first."""
    steps = overview(world).timeline("support", prompt_id).rows
    return [step.moment.kind for step in reversed(steps)]


def test_a_prompt_waits_then_has_a_pull_request_then_is_in_step(world: World) -> None:
    world.save("Answer kindly.", by=JANE)
    world.deliver()
    world.worker.dispatch(lambda _: None, lambda *_: None)
    assert state(world) is State.WAITING

    world.settle()
    assert state(world) is State.OPEN

    world.place.merge(world.pull_request())
    world.sweep()
    assert state(world) is State.IN_STEP


def test_the_way_of_a_prompt_is_told_step_by_step(world: World) -> None:
    world.save("Answer kindly.", by=JANE)
    world.settle()
    pull = world.pull_request()
    world.place.merge(pull)
    world.sweep()

    assert way(world) == [
        MomentKind.SAVED,
        MomentKind.ARRIVED,
        MomentKind.LOOKED,
        MomentKind.OPENED,
        MomentKind.LOOKED,
        MomentKind.MERGED,
    ]
    steps = overview(world).timeline("support", 1).rows
    saved, opened = steps[-1].moment, steps[2].moment
    assert (saved.who, saved.version) == ("Jane Doe", 1)
    assert (opened.number, opened.url) == (pull.number, pull.url)
    assert opened.seconds is not None
