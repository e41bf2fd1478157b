"""A mapping's settings change while proposals are open, declined and merged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bridge.config.mapping import MappingSettings
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.world import PATH, MakeWorld, World

DECLINED, OPEN = "support/thank", "support/greet"
ROLLING = {"pull_request": {"group": "mapping"}}
on_forges = pytest.mark.parametrize("forge_name", FORGES)


def configure(world: World, **changes: Any) -> None:
    """A new configuration is taken over, and what it brought is swept."""
    told = {**world.settings[0].model_dump(exclude_unset=True), **changes}
    world.settings[0] = MappingSettings.model_validate(told)
    site = world.worker.sites["support"]
    world.worker.sites = {"support": replace(site, mapping=world.settings[0])}
    world.sweep()


def begin_in_every_state(world: World) -> None:
    """One prompt is merged, the proposal of one was declined, and one is proposed."""
    world.save("Answer kindly.")
    world.settle()
    world.place.merge(world.pull_request())
    world.save("Thank them.", DECLINED)
    world.settle()
    world.place.close(world.pull_request().number)
    world.sweep()
    world.save("Greet them.", OPEN)
    world.settle()


def states(world: World) -> dict[str, str]:
    """Prompt → how it stands in the books."""
    known = world.ledger.standings.of_mapping("support").values()
    return {entry.name: str(entry.state) for entry in known}


def changes(world: World) -> dict[str, set[str]]:
    """The branch of each open pull request → the paths that it changes."""
    return {pull.head: world.place.changed(pull.head) for pull in world.place.open()}


@on_forges
def test_another_format_converts_and_renames_merged_files(make_world: MakeWorld) -> None:
    world = make_world({})
    begin_in_every_state(world)

    configure(world, format="json", path="prompts/{label}/{prompt}.json")

    new = PATH.replace(".yaml", ".json")
    assert changes(world) == {
        world.branch(1): {PATH, new},
        world.branch(3): {"prompts/latest/support/greet.json"},
    }
    text = world.place.text(new, world.branch(1))
    assert text is not None
    assert json.loads(text)["name"] == "support/reply"
    assert world.place.text(PATH, world.branch(1)) is None
    assert states(world)[DECLINED] == "declined"

    for pull in world.place.open():
        world.place.merge(pull)
    world.sweep()
    assert world.place.open() == []
    assert states(world)["support/reply"] == "in step"
    assert states(world)[DECLINED] == "declined"


@on_forges
@pytest.mark.parametrize("forgets", [False, True])
def test_another_folder_moves_merged_files(make_world: MakeWorld, forgets: bool) -> None:
    world = make_world({})
    begin_in_every_state(world)
    world.sweep()
    if forgets:
        world.forget_everything()

    configure(world, path="ai/{prompt}.yaml")

    assert changes(world) == {
        world.branch(1): {PATH, "ai/support/reply.yaml"},
        world.branch(3): {"ai/support/greet.yaml"},
    }
    assert world.place.text(PATH, world.branch(1)) is None
    assert states(world)[DECLINED] == "declined"

    for pull in world.place.open():
        world.place.merge(pull)
    world.sweep()
    assert world.place.open() == []
    assert world.place.text(PATH) is None
    assert states(world)["support/reply"] == "in step"


def test_a_rolling_proposal_carries_a_migration_through_later_saves(make_world: MakeWorld) -> None:
    world = make_world(ROLLING)
    begin_in_every_state(world)
    world.sweep()

    configure(world, path="ai/{prompt}.yaml")
    world.save("Answer briefly.", "support/more")
    world.settle()

    assert changes(world) == {
        "promptlayer/support": {
            PATH,
            *(f"ai/support/{name}.yaml" for name in ("reply", "greet", "more")),
        }
    }
    assert world.place.text(PATH, "promptlayer/support") is None


def test_a_move_that_was_declined_is_not_proposed_again(make_world: MakeWorld) -> None:
    world = make_world({})
    world.save("Answer kindly.")
    world.settle()
    world.place.merge(world.pull_request())
    world.sweep()
    configure(world, path="ai/{prompt}.yaml")
    world.place.close(world.pull_request().number)

    world.sweep()
    assert world.place.open() == []

    world.save("Answer briefly.")
    world.settle()
    assert changes(world) == {world.branch(1): {PATH, "ai/support/reply.yaml"}}


@on_forges
def test_one_rolling_proposal_takes_the_place_of_one_for_each_prompt(
    make_world: MakeWorld,
) -> None:
    world = make_world({})
    begin_in_every_state(world)

    configure(world, **ROLLING)
    world.look_again()
    world.sweep()

    assert changes(world) == {"promptlayer/support": {"prompts/latest/support/greet.yaml"}}
    assert states(world)[DECLINED] == "declined"

    configure(world, pull_request={})
    world.look_again()
    world.sweep()

    assert changes(world) == {world.branch(3): {"prompts/latest/support/greet.yaml"}}
    assert states(world)[DECLINED] == "declined"
