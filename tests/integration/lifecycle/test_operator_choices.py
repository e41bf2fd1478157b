"""An operator acts from the prompt's page: the difference is shown, and one side's text is taken."""

from __future__ import annotations

import pytest

from bridge.engine.operator_actions import OperatorActions
from bridge.prompts.planning.publication import AdoptedSide
from bridge.prompts.planning.side_difference import SideDifference
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Target
from bridge.status.audit_log import AuditAction
from bridge.status.status_reader import StatusReader
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.test_choosing import edited_on_both_sides
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published

REPLY = Target("support", 1, "latest")
FORGES = pytest.mark.parametrize("forge_name", ["local", "github", "gitlab"])
SECRET = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"


def reader(environment: BridgeEnvironment) -> StatusReader:
    return StatusReader(environment.database, environment.clock)


def find_difference(environment: BridgeEnvironment) -> SideDifference | None:
    stored = reader(environment).read_differences("support", 1).get("latest")
    return stored.difference if stored else None


def state_of(environment: BridgeEnvironment) -> TargetState:
    (view,) = reader(environment).find_targets_of_prompt(1)
    return view.status.state


def adopt(environment: BridgeEnvironment, side: AdoptedSide) -> None:
    environment.post.lose()
    actions = OperatorActions(environment.database, environment.controller.inbox, environment.clock)
    actions.adopt(REPLY, side, by="jane")
    environment.settle()


def changed_lines(difference: SideDifference | None) -> list[str]:
    assert difference is not None
    return [line for text in difference.texts for line in text.lines]


def test_the_difference_of_a_proposal_is_stored_and_goes_with_its_merge(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.save("Answer at length.")
    environment.settle()

    found = find_difference(environment)
    assert changed_lines(found) == ["-Answer kindly.", "+Answer at length."]
    assert found is not None
    assert (found.file_version, found.platform_version) == (1, 2)
    assert not found.is_conflict

    environment.repository.merge(environment.pull_request())
    environment.sweep()

    assert state_of(environment) is TargetState.IN_STEP
    assert find_difference(environment) is None


def test_a_new_prompt_is_an_addition_without_a_choice(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.settle()

    found = find_difference(environment)
    assert found is not None
    assert (found.has_file, found.has_version, found.is_choosable) == (False, True, False)
    assert changed_lines(found) == ["+Answer kindly.", "+{question}"]


def test_the_parts_that_both_sides_changed_are_marked(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)
    environment.settle()

    found = find_difference(environment)
    assert found is not None
    assert found.is_conflict
    (part,) = found.conflicts
    assert (part.platform, part.repository) == ("Answer at length.", "Answer briefly.")
    assert state_of(environment) is TargetState.CONFLICT


def test_a_secret_in_a_file_is_masked_in_the_difference(make_world: MakeWorld) -> None:
    environment = make_world({"publish": False})
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", f"with {SECRET}")
    environment.sweep()

    text = "\n".join(changed_lines(find_difference(environment)))

    assert "ghp_…" in text
    assert SECRET not in text


@FORGES
def test_an_operator_takes_the_repositorys_text(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)
    environment.settle()
    assert len(environment.repository.open()) == 1

    adopt(environment, AdoptedSide.REPOSITORY)
    environment.settle()

    assert published(environment) == ["Answer kindly.", "Answer at length.", "Answer briefly."]
    assert environment.repository.open() == []
    assert state_of(environment) is TargetState.IN_STEP
    assert find_difference(environment) is None


@FORGES
def test_an_operator_takes_the_platforms_text(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)
    environment.settle()

    adopt(environment, AdoptedSide.PLATFORM)

    assert environment.proposed() == "Answer at length."
    assert state_of(environment) is TargetState.OPEN
    assert published(environment) == ["Answer kindly.", "Answer at length."]


def test_the_newest_of_two_choices_holds(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)
    environment.settle()
    actions = OperatorActions(environment.database, environment.controller.inbox, environment.clock)
    environment.post.lose()

    actions.adopt(REPLY, AdoptedSide.REPOSITORY, by="jane")
    actions.adopt(REPLY, AdoptedSide.PLATFORM, by="bob")
    environment.settle()

    assert environment.proposed() == "Answer at length."
    entries = reader(environment).list_audit_entries().rows
    assert [(one.actor.name, one.action) for one in entries] == [
        ("bob", AuditAction.ADOPTED_PLATFORM),
        ("jane", AuditAction.ADOPTED_REPOSITORY),
    ]
    assert {one.subject for one in entries} == {"support/reply (latest)"}


def test_a_choice_is_done_once(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)
    environment.settle()
    adopt(environment, AdoptedSide.REPOSITORY)

    environment.save("Answer again.")
    environment.settle()

    assert environment.proposed() == "Answer again."
