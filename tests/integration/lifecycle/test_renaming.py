"""Renames move the file, deletions propose its removal, snippets tell their parents."""

from __future__ import annotations

import pytest

from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.sandbox.registry_entries import build_completion_template
from tests.integration.lifecycle.bridge_environment import (
    NAME,
    PATH,
    BridgeEnvironment,
    MakeWorld,
    template,
)
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published

NEW_PATH = "prompts/latest/support/answer.yaml"
NEW_NAME = "support/answer"


def test_a_rename_moves_the_file_in_the_same_pull_request(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    opened = environment.pull_request()

    environment.registry.rename(1, NEW_NAME)
    environment.settle()

    assert environment.pull_request().number == opened.number
    assert environment.repository.changed(opened.head_branch) == {NEW_PATH}


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_rename_of_a_merged_prompt_moves_its_file(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()

    environment.registry.rename(1, NEW_NAME)
    environment.settle()

    moved = environment.pull_request()
    assert environment.repository.changed(moved.head_branch) == {PATH, NEW_PATH}
    assert environment.repository.text(PATH, moved.head_branch) is None
    assert environment.held(NEW_PATH, moved.head_branch).name == NEW_NAME
    assert moved.title == "Move support/reply to support/answer"


def test_a_merged_rename_is_in_step(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    environment.registry.rename(1, NEW_NAME)
    environment.settle()
    environment.repository.merge(environment.pull_request(), "squash")

    environment.sweep()

    assert environment.repository.open() == []
    assert environment.repository.paths() == {"README.md", NEW_PATH}
    assert not environment.repository.branches()


def test_a_rename_and_an_edit_are_one_pull_request(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    environment.registry.rename(1, NEW_NAME)
    environment.save("Answer briefly.", NEW_NAME)

    environment.settle()

    assert environment.repository.changed(environment.pull_request().head_branch) == {
        PATH,
        NEW_PATH,
    }
    assert environment.proposed(NEW_PATH) == "Answer briefly."


def test_a_rename_stays_proposed_while_an_edit_of_its_file_is_published(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.registry.rename(1, NEW_NAME)
    environment.settle()
    proposed = environment.pull_request()

    edited(environment, "kindly", "briefly")
    environment.sweep()
    assert environment.standing().kind is ReconcileOutcomeKind.UPDATED
    assert "version 2" in environment.standing().reason
    environment.settle()

    assert published(environment, NEW_NAME) == ["Answer kindly.", "Answer briefly."]
    assert [pull.number for pull in environment.repository.every(environment.branch())] == [
        proposed.number
    ]
    assert environment.proposed(NEW_PATH) == "Answer briefly."
    environment.repository.merge(environment.pull_request(), "squash")
    environment.sweep()
    assert environment.repository.open() == []
    assert len(published(environment, NEW_NAME)) == 2


def test_an_edit_is_published_though_its_file_cannot_be_moved(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.repository.symlink(NEW_PATH, "elsewhere")
    environment.registry.rename(1, NEW_NAME)

    edited(environment, "kindly", "briefly")
    environment.sweep()

    assert published(environment, NEW_NAME) == ["Answer kindly.", "Answer briefly."]
    assert environment.repository.open() == []
    environment.settle()
    assert environment.standing().kind is ReconcileOutcomeKind.PARKED
    assert NEW_PATH in environment.standing().reason


def test_a_rename_is_proposed_with_the_text_that_only_the_repository_has(
    environment: BridgeEnvironment,
) -> None:
    """A mapping that does not publish: the file moves, and nobody's text with it."""
    environment.save("Answer kindly.")
    environment.adopt()
    edited(environment, "kindly", "briefly")

    environment.registry.rename(1, NEW_NAME)
    environment.settle()

    assert environment.repository.changed(environment.pull_request().head_branch) == {
        PATH,
        NEW_PATH,
    }
    assert environment.proposed(NEW_PATH) == "Answer briefly."


def test_a_rename_that_is_taken_back_is_withdrawn(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    environment.registry.rename(1, NEW_NAME)
    environment.settle()

    environment.registry.rename(1, NAME)
    environment.settle()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.WITHDRAWN


def test_a_file_that_an_engineer_moved_stays_where_it_is(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt("prompts/latest/elsewhere/mine.yaml")

    environment.propose("Answer briefly.")
    assert environment.proposed("prompts/latest/elsewhere/mine.yaml") == "Answer briefly."

    environment.registry.rename(1, NEW_NAME)
    environment.settle()
    assert environment.repository.changed(environment.pull_request().head_branch) == {
        "prompts/latest/elsewhere/mine.yaml"
    }


def test_a_name_that_another_prompt_takes_over_is_its_own_file(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    environment.registry.rename(1, NEW_NAME)
    environment.save("Answer in verse.")  # another prompt has the old name now

    environment.settle()

    first = environment.repository.newest(environment.branch(1))
    assert environment.says(NEW_PATH, first.head_branch) == "Answer kindly."
    environment.repository.merge(first)
    environment.sweep()
    assert environment.says(PATH, environment.branch(2)) == "Answer in verse."


def test_a_prompt_in_the_branchs_name_is_renamed_with_it(make_world: MakeWorld) -> None:
    environment = make_world({"branch": "promptlayer/{mapping}/{label}/{prompt}"})
    environment.propose("Answer kindly.")
    old = environment.pull_request()

    environment.registry.rename(1, NEW_NAME)
    environment.settle()

    assert environment.pull_request().head_branch == "promptlayer/support/latest/support-answer.1"
    assert environment.repository.branches() == {environment.pull_request().head_branch}
    (words,) = environment.repository.comments(old.number)
    assert "support-answer.1" in words


def test_a_sweep_finds_a_branch_that_carries_the_prompts_name(make_world: MakeWorld) -> None:
    environment = make_world({"branch": "promptlayer/{mapping}/{label}/{prompt}"})
    environment.propose("Answer kindly.")
    opened = environment.pull_request()
    environment.repository.merge(opened)

    environment.sweep()

    assert not environment.repository.branches()


# Deletions


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_deletion_proposes_the_files_removal(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()

    environment.registry.delete(1)
    environment.settle()

    removal = environment.pull_request()
    assert environment.repository.text(PATH, removal.head_branch) is None
    assert removal.title.startswith("Remove support/reply")
    assert "deleted in PromptLayer" in removal.body


def test_a_merged_removal_is_in_step(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    environment.registry.delete(1)
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.save("Hello.", "another")  # else an empty workspace looks like a wrong key
    environment.adopt("prompts/latest/another.yaml", prompt_id=2)

    environment.sweep()

    assert environment.repository.paths() == {"README.md", "prompts/latest/another.yaml"}
    assert environment.repository.open() == []
    assert not environment.repository.branches()


def test_a_prompt_deleted_before_its_proposal_was_merged_is_withdrawn(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    opened = environment.pull_request()

    environment.registry.delete(1)
    environment.settle()

    assert environment.repository.open() == []
    assert not environment.repository.branches()
    assert "PromptLayer has it no longer" in environment.repository.comments(opened.number)[0]


def test_a_removal_that_a_person_closed_is_not_proposed_again(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Hello.", "another")
    environment.save("Answer kindly.")
    environment.adopt(prompt_id=2)
    environment.adopt("prompts/latest/another.yaml", prompt_id=1)
    environment.registry.delete(2)
    environment.settle()
    environment.repository.close(environment.pull_request().number)

    environment.sweep()

    assert environment.repository.open() == []


# Snippets


def test_a_snippet_names_the_prompts_that_use_it_and_they_name_it(
    environment: BridgeEnvironment,
) -> None:
    environment.registry.save_version("tone", build_completion_template("Be kind."))
    environment.save("@@@tone@@@ Answer.")

    environment.settle()
    environment.sweep()

    bodies = {each.head_branch: each.body for each in environment.repository.open()}
    assert NAME in bodies[environment.branch(1)]
    assert "tone" in bodies[environment.branch(2)]
    assert environment.says(PATH, environment.branch(2)) == "@@@tone@@@ Answer."


def test_a_changed_snippet_leaves_the_prompts_that_use_it_in_step(
    environment: BridgeEnvironment,
) -> None:
    environment.registry.save_version("tone", build_completion_template("Be kind."))
    environment.save("@@@tone@@@ Answer.")
    environment.adopt("prompts/latest/tone.yaml", prompt_id=1)
    environment.adopt(prompt_id=2)

    environment.registry.save_version("tone", build_completion_template("Be brief."))
    kinds = [payload["event_type"] for payload in environment.post.waiting]
    environment.settle()

    assert "prompt_template_updated" in kinds
    assert environment.pull_request().head_branch == environment.branch(1)
    assert environment.standing(environment.branch(2)).kind is ReconcileOutcomeKind.IN_STEP


def test_an_unread_parent_is_found_by_its_snippets_event(environment: BridgeEnvironment) -> None:
    environment.registry.save_version("tone", build_completion_template("Be kind."))
    environment.adopt("prompts/latest/tone.yaml", prompt_id=1)
    environment.registry.save_version(NAME, template("@@@tone@@@ Answer."))
    environment.post.lose()

    environment.registry.save_version("tone", build_completion_template("Be brief."))
    environment.settle()

    assert {each.head_branch for each in environment.repository.open()} == {
        environment.branch(1),
        environment.branch(2),
    }
