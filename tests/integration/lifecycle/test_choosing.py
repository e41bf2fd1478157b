"""A person chooses whose text goes: ``sync --adopt platform`` or ``repository``."""

from __future__ import annotations

import pytest

from bridge.engine.sync_mappings import SyncResult, sync_mappings
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.publication import AdoptedSide, AdoptRequest
from bridge.reconcile.publish_plan import plan_publish
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published

OTHER = "support/thank"
OTHER_PATH = PATH.replace("reply", "thank")


def choose(environment: BridgeEnvironment, side: AdoptedSide, *names: str) -> list[SyncResult]:
    """What the command does."""
    environment.post.lose()
    return sync_mappings(
        environment.controller, ["support"], lambda *_: None, AdoptRequest(side, names)
    )


def edited_on_both_sides(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")
    environment.save("Answer at length.")


def test_the_platforms_text_is_proposed_where_only_the_repository_moved(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")

    choose(environment, AdoptedSide.PLATFORM)

    assert environment.proposed() == "Answer kindly."
    assert published(environment) == ["Answer kindly."]


def test_a_choice_of_the_platform_lasts_as_long_as_its_pull_request(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")
    choose(environment, AdoptedSide.PLATFORM)

    environment.sweep()
    assert environment.proposed() == "Answer kindly."
    environment.repository.merge(environment.pull_request())
    environment.sweep()

    assert environment.says() == "Answer kindly."
    assert published(environment) == ["Answer kindly."]
    assert environment.repository.open() == []


def test_without_its_pull_request_a_choice_is_forgotten(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")
    choose(environment, AdoptedSide.PLATFORM)

    environment.repository.close(environment.pull_request().number)
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer briefly."]


def test_the_platforms_text_ends_a_conflict(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)

    choose(environment, AdoptedSide.PLATFORM)

    assert environment.proposed() == "Answer at length."
    assert "both sides" not in environment.pull_request().body.lower()


def test_the_repositorys_text_ends_a_conflict_and_its_pull_request(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)
    environment.settle()
    assert len(environment.repository.open()) == 1

    choose(environment, AdoptedSide.REPOSITORY)
    environment.settle()
    environment.sweep()

    assert published(environment) == ["Answer kindly.", "Answer at length.", "Answer briefly."]
    assert environment.says() == "Answer briefly."
    assert environment.repository.open() == []


def test_the_repositorys_text_goes_over_an_edit_of_the_platform_alone(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.save("Answer at length.")

    (done,) = choose(environment, AdoptedSide.REPOSITORY)
    environment.settle()

    assert done.kind is ReconcileOutcomeKind.PUBLISHED
    assert published(environment)[-1] == "Answer kindly."
    assert environment.repository.open() == []


def test_choosing_the_repository_twice_makes_one_version(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)

    choose(environment, AdoptedSide.REPOSITORY)
    choose(environment, AdoptedSide.REPOSITORY)

    assert len(published(environment)) == 3


@pytest.mark.parametrize("side", AdoptedSide)
def test_only_the_prompts_that_are_named_are_decided(
    make_world: MakeWorld, side: AdoptedSide
) -> None:
    environment = make_world(PUBLISH)
    for name, path, id in ((NAME, PATH, 1), (OTHER, OTHER_PATH, 2)):
        environment.save("Answer kindly.", name)
        environment.adopt(path, prompt_id=id)
        edited(environment, "kindly", "briefly", path)
        environment.save("Answer at length.", name)

    choose(environment, side, "support/th*")

    conflict = next(
        p for p in environment.repository.open() if p.head_branch == environment.branch(1)
    )
    assert "both sides" in conflict.body.lower()
    assert len(published(environment, NAME)) == 2
    assert len(published(environment, OTHER)) == (3 if side is AdoptedSide.REPOSITORY else 2)


def test_a_choice_of_the_platform_outweighs_a_pull_request_that_was_closed(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.save("Answer at length.")
    environment.settle()
    environment.repository.close(environment.pull_request().number)

    (done,) = choose(environment, AdoptedSide.PLATFORM)

    assert done.kind is ReconcileOutcomeKind.PROPOSED
    assert environment.proposed() == "Answer at length."


@pytest.mark.parametrize("side", AdoptedSide)
def test_a_prompt_that_only_one_side_has_is_treated_as_ever(
    make_world: MakeWorld, side: AdoptedSide
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")

    choose(environment, side)

    assert environment.proposed() == "Answer kindly."


def test_a_survey_does_not_publish_over_a_choice_of_the_platform(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")
    context, index = environment.controller.contexts["support"], environment.controller.file_index
    assert plan_publish(context, index, environment.clock()).publications

    choose(environment, AdoptedSide.PLATFORM)

    assert not plan_publish(context, index, environment.clock()).publications
