"""A mapping's settings change while proposals are open, declined and merged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bridge.config.mapping_settings import MappingSettings
from tests.integration.lifecycle.bridge_environment import PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES

DECLINED, OPEN = "support/thank", "support/greet"
ROLLING = {"pull_request": {"group": "mapping"}}
on_forges = pytest.mark.parametrize("forge_name", FORGES)


def configure(environment: BridgeEnvironment, **changes: Any) -> None:
    """A new configuration is taken over, and what it brought is swept."""
    told = {**environment.settings[0].model_dump(exclude_unset=True), **changes}
    environment.settings[0] = MappingSettings.model_validate(told)
    context = environment.controller.contexts["support"]
    environment.controller.contexts = {"support": replace(context, mapping=environment.settings[0])}
    environment.sweep()


def begin_in_every_state(environment: BridgeEnvironment) -> None:
    """One prompt is merged, the proposal of one was declined, and one is proposed."""
    environment.save("Answer kindly.")
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.save("Thank them.", DECLINED)
    environment.settle()
    environment.repository.close(environment.pull_request().number)
    environment.sweep()
    environment.save("Greet them.", OPEN)
    environment.settle()


def states(environment: BridgeEnvironment) -> dict[str, str]:
    """Prompt → how it stands in the books."""
    known = environment.store.target_statuses.find_by_mapping("support").values()
    return {status.name: str(status.state) for status in known}


def changes(environment: BridgeEnvironment) -> dict[str, set[str]]:
    """The branch of each open pull request → the paths that it changes."""
    return {
        pull.head_branch: environment.repository.changed(pull.head_branch)
        for pull in environment.repository.open()
    }


@on_forges
def test_another_format_converts_and_renames_merged_files(make_world: MakeWorld) -> None:
    environment = make_world({})
    begin_in_every_state(environment)

    configure(environment, format="json", path="prompts/{label}/{prompt}.json")

    new = PATH.replace(".yaml", ".json")
    assert changes(environment) == {
        environment.branch(1): {PATH, new},
        environment.branch(3): {"prompts/latest/support/greet.json"},
    }
    text = environment.repository.text(new, environment.branch(1))
    assert text is not None
    assert json.loads(text)["name"] == "support/reply"
    assert environment.repository.text(PATH, environment.branch(1)) is None
    assert states(environment)[DECLINED] == "declined"

    for pull in environment.repository.open():
        environment.repository.merge(pull)
    environment.sweep()
    assert environment.repository.open() == []
    assert states(environment)["support/reply"] == "in step"
    assert states(environment)[DECLINED] == "declined"


@on_forges
@pytest.mark.parametrize("forgets", [False, True])
def test_another_folder_moves_merged_files(make_world: MakeWorld, forgets: bool) -> None:
    environment = make_world({})
    begin_in_every_state(environment)
    environment.sweep()
    if forgets:
        environment.forget_everything()

    configure(environment, path="ai/{prompt}.yaml")

    assert changes(environment) == {
        environment.branch(1): {PATH, "ai/support/reply.yaml"},
        environment.branch(3): {"ai/support/greet.yaml"},
    }
    assert environment.repository.text(PATH, environment.branch(1)) is None
    assert states(environment)[DECLINED] == "declined"

    for pull in environment.repository.open():
        environment.repository.merge(pull)
    environment.sweep()
    assert environment.repository.open() == []
    assert environment.repository.text(PATH) is None
    assert states(environment)["support/reply"] == "in step"


def test_a_rolling_proposal_carries_a_migration_through_later_saves(make_world: MakeWorld) -> None:
    environment = make_world(ROLLING)
    begin_in_every_state(environment)
    environment.sweep()

    configure(environment, path="ai/{prompt}.yaml")
    environment.save("Answer briefly.", "support/more")
    environment.settle()

    assert changes(environment) == {
        "promptlayer/support": {
            PATH,
            *(f"ai/support/{name}.yaml" for name in ("reply", "greet", "more")),
        }
    }
    assert environment.repository.text(PATH, "promptlayer/support") is None


def test_a_move_that_was_declined_is_not_proposed_again(make_world: MakeWorld) -> None:
    environment = make_world({})
    environment.save("Answer kindly.")
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.sweep()
    configure(environment, path="ai/{prompt}.yaml")
    environment.repository.close(environment.pull_request().number)

    environment.sweep()
    assert environment.repository.open() == []

    environment.save("Answer briefly.")
    environment.settle()
    assert changes(environment) == {environment.branch(1): {PATH, "ai/support/reply.yaml"}}


@on_forges
def test_one_rolling_proposal_takes_the_place_of_one_for_each_prompt(
    make_world: MakeWorld,
) -> None:
    environment = make_world({})
    begin_in_every_state(environment)

    configure(environment, **ROLLING)
    environment.look_again()
    environment.sweep()

    assert changes(environment) == {"promptlayer/support": {"prompts/latest/support/greet.yaml"}}
    assert states(environment)[DECLINED] == "declined"

    configure(environment, pull_request={})
    environment.look_again()
    environment.sweep()

    assert changes(environment) == {environment.branch(3): {"prompts/latest/support/greet.yaml"}}
    assert states(environment)[DECLINED] == "declined"
