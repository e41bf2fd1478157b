"""A person chooses whose text goes: ``sync --adopt platform`` or ``repository``."""

from __future__ import annotations

import pytest

from bridge.engine.sync import Done, synchronise
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.publication import Adopt, Side
from bridge.steps.survey import survey
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published
from tests.integration.lifecycle.world import NAME, PATH, MakeWorld, World

OTHER = "support/thank"
OTHER_PATH = PATH.replace("reply", "thank")


def choose(world: World, side: Side, *names: str) -> list[Done]:
    """What the command does."""
    world.post.lose()
    return synchronise(world.worker, ["support"], lambda *_: None, Adopt(side, names))


def edited_on_both_sides(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")
    world.save("Answer at length.")


def test_the_platforms_text_is_proposed_where_only_the_repository_moved(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")

    choose(world, Side.PLATFORM)

    assert world.proposed() == "Answer kindly."
    assert published(world) == ["Answer kindly."]


def test_a_choice_of_the_platform_lasts_as_long_as_its_pull_request(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")
    choose(world, Side.PLATFORM)

    world.sweep()
    assert world.proposed() == "Answer kindly."
    world.place.merge(world.pull_request())
    world.sweep()

    assert world.says() == "Answer kindly."
    assert published(world) == ["Answer kindly."]
    assert world.place.open() == []


def test_without_its_pull_request_a_choice_is_forgotten(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")
    choose(world, Side.PLATFORM)

    world.place.close(world.pull_request().number)
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer briefly."]


def test_the_platforms_text_ends_a_conflict(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    edited_on_both_sides(world)

    choose(world, Side.PLATFORM)

    assert world.proposed() == "Answer at length."
    assert "both sides" not in world.pull_request().body.lower()


def test_the_repositorys_text_ends_a_conflict_and_its_pull_request(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    edited_on_both_sides(world)
    world.settle()
    assert len(world.place.open()) == 1

    choose(world, Side.REPOSITORY)
    world.settle()
    world.sweep()

    assert published(world) == ["Answer kindly.", "Answer at length.", "Answer briefly."]
    assert world.says() == "Answer briefly."
    assert world.place.open() == []


def test_the_repositorys_text_goes_over_an_edit_of_the_platform_alone(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    world.save("Answer at length.")

    (done,) = choose(world, Side.REPOSITORY)
    world.settle()

    assert done.kind is OutcomeKind.PUBLISHED
    assert published(world)[-1] == "Answer kindly."
    assert world.place.open() == []


def test_choosing_the_repository_twice_makes_one_version(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    edited_on_both_sides(world)

    choose(world, Side.REPOSITORY)
    choose(world, Side.REPOSITORY)

    assert len(published(world)) == 3


@pytest.mark.parametrize("side", Side)
def test_only_the_prompts_that_are_named_are_decided(make_world: MakeWorld, side: Side) -> None:
    world = make_world(PUBLISH)
    for name, path, id in ((NAME, PATH, 1), (OTHER, OTHER_PATH, 2)):
        world.save("Answer kindly.", name)
        world.adopt(path, prompt_id=id)
        edited(world, "kindly", "briefly", path)
        world.save("Answer at length.", name)

    choose(world, side, "support/th*")

    conflict = next(p for p in world.place.open() if p.head == world.branch(1))
    assert "both sides" in conflict.body.lower()
    assert len(published(world, NAME)) == 2
    assert len(published(world, OTHER)) == (3 if side is Side.REPOSITORY else 2)


def test_a_choice_of_the_platform_outweighs_a_pull_request_that_was_closed(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    world.save("Answer at length.")
    world.settle()
    world.place.close(world.pull_request().number)

    (done,) = choose(world, Side.PLATFORM)

    assert done.kind is OutcomeKind.PROPOSED
    assert world.proposed() == "Answer at length."


@pytest.mark.parametrize("side", Side)
def test_a_prompt_that_only_one_side_has_is_treated_as_ever(
    make_world: MakeWorld, side: Side
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")

    choose(world, side)

    assert world.proposed() == "Answer kindly."


def test_a_survey_does_not_publish_over_a_choice_of_the_platform(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")
    site, index = world.worker.sites["support"], world.worker.index
    assert survey(site, index, world.clock()).publications

    choose(world, Side.PLATFORM)

    assert not survey(site, index, world.clock()).publications
