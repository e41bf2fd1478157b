"""Renames move the file, deletions propose its removal, snippets tell their parents."""

from __future__ import annotations

import pytest

from bridge.prompts.outcome import OutcomeKind
from bridge.sandbox.entries import completion
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.test_publishing import PUBLISH, edited, published
from tests.integration.lifecycle.world import NAME, PATH, MakeWorld, World, template

NEW_PATH = "prompts/latest/support/answer.yaml"
NEW_NAME = "support/answer"


def propose(world: World, text: str) -> None:
    world.save(text)
    world.settle()


def test_a_rename_moves_the_file_in_the_same_pull_request(world: World) -> None:
    propose(world, "Answer kindly.")
    opened = world.pull_request()

    world.registry.rename(1, NEW_NAME)
    world.settle()

    assert world.pull_request().number == opened.number
    assert world.place.changed(opened.head) == {NEW_PATH}


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_rename_of_a_merged_prompt_moves_its_file(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()

    world.registry.rename(1, NEW_NAME)
    world.settle()

    moved = world.pull_request()
    assert world.place.changed(moved.head) == {PATH, NEW_PATH}
    assert world.place.text(PATH, moved.head) is None
    assert world.held(NEW_PATH, moved.head).name == NEW_NAME
    assert moved.title == "Move support/reply to support/answer"


def test_a_merged_rename_is_in_step(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    world.registry.rename(1, NEW_NAME)
    world.settle()
    world.place.merge(world.pull_request(), "squash")

    world.sweep()

    assert world.place.open() == []
    assert world.place.paths() == {"README.md", NEW_PATH}
    assert not world.place.branches()


def test_a_rename_and_an_edit_are_one_pull_request(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    world.registry.rename(1, NEW_NAME)
    world.save("Answer briefly.", NEW_NAME)

    world.settle()

    assert world.place.changed(world.pull_request().head) == {PATH, NEW_PATH}
    assert world.proposed(NEW_PATH) == "Answer briefly."


def test_a_rename_stays_proposed_while_an_edit_of_its_file_is_published(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    world.registry.rename(1, NEW_NAME)
    world.settle()
    proposed = world.pull_request()

    edited(world, "kindly", "briefly")
    world.sweep()
    assert world.standing().kind is OutcomeKind.UPDATED
    assert "version 2" in world.standing().reason
    world.settle()

    assert published(world, NEW_NAME) == ["Answer kindly.", "Answer briefly."]
    assert [pull.number for pull in world.place.every(world.branch())] == [proposed.number]
    assert world.proposed(NEW_PATH) == "Answer briefly."
    world.place.merge(world.pull_request(), "squash")
    world.sweep()
    assert world.place.open() == []
    assert len(published(world, NEW_NAME)) == 2


def test_an_edit_is_published_though_its_file_cannot_be_moved(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    world.place.symlink(NEW_PATH, "elsewhere")
    world.registry.rename(1, NEW_NAME)

    edited(world, "kindly", "briefly")
    world.sweep()

    assert published(world, NEW_NAME) == ["Answer kindly.", "Answer briefly."]
    assert world.place.open() == []
    world.settle()
    assert world.standing().kind is OutcomeKind.PARKED
    assert NEW_PATH in world.standing().reason


def test_a_rename_is_proposed_with_the_text_that_only_the_repository_has(world: World) -> None:
    """A mapping that does not publish: the file moves, and nobody's text with it."""
    world.save("Answer kindly.")
    world.adopt()
    edited(world, "kindly", "briefly")

    world.registry.rename(1, NEW_NAME)
    world.settle()

    assert world.place.changed(world.pull_request().head) == {PATH, NEW_PATH}
    assert world.proposed(NEW_PATH) == "Answer briefly."


def test_a_rename_that_is_taken_back_is_withdrawn(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    world.registry.rename(1, NEW_NAME)
    world.settle()

    world.registry.rename(1, NAME)
    world.settle()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.WITHDRAWN


def test_a_file_that_an_engineer_moved_stays_where_it_is(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt("prompts/latest/elsewhere/mine.yaml")

    propose(world, "Answer briefly.")
    assert world.proposed("prompts/latest/elsewhere/mine.yaml") == "Answer briefly."

    world.registry.rename(1, NEW_NAME)
    world.settle()
    assert world.place.changed(world.pull_request().head) == {"prompts/latest/elsewhere/mine.yaml"}


def test_a_name_that_another_prompt_takes_over_is_its_own_file(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    world.registry.rename(1, NEW_NAME)
    world.save("Answer in verse.")  # another prompt has the old name now

    world.settle()

    first = world.place.newest(world.branch(1))
    assert world.says(NEW_PATH, first.head) == "Answer kindly."
    world.place.merge(first)
    world.sweep()
    assert world.says(PATH, world.branch(2)) == "Answer in verse."


def test_a_prompt_in_the_branchs_name_is_renamed_with_it(make_world: MakeWorld) -> None:
    world = make_world({"branch": "promptlayer/{mapping}/{label}/{prompt}"})
    propose(world, "Answer kindly.")
    old = world.pull_request()

    world.registry.rename(1, NEW_NAME)
    world.settle()

    assert world.pull_request().head == "promptlayer/support/latest/support-answer.1"
    assert world.place.branches() == {world.pull_request().head}
    (words,) = world.place.comments(old.number)
    assert "support-answer.1" in words


def test_a_sweep_finds_a_branch_that_carries_the_prompts_name(make_world: MakeWorld) -> None:
    world = make_world({"branch": "promptlayer/{mapping}/{label}/{prompt}"})
    propose(world, "Answer kindly.")
    opened = world.pull_request()
    world.place.merge(opened)

    world.sweep()

    assert not world.place.branches()


# Deletions


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_deletion_proposes_the_files_removal(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()

    world.registry.delete(1)
    world.settle()

    removal = world.pull_request()
    assert world.place.text(PATH, removal.head) is None
    assert removal.title.startswith("Remove support/reply")
    assert "deleted in PromptLayer" in removal.body


def test_a_merged_removal_is_in_step(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    world.registry.delete(1)
    world.settle()
    world.place.merge(world.pull_request())
    world.save("Hello.", "another")  # else an empty workspace looks like a wrong key
    world.adopt("prompts/latest/another.yaml", prompt_id=2)

    world.sweep()

    assert world.place.paths() == {"README.md", "prompts/latest/another.yaml"}
    assert world.place.open() == []
    assert not world.place.branches()


def test_a_prompt_deleted_before_its_proposal_was_merged_is_withdrawn(world: World) -> None:
    propose(world, "Answer kindly.")
    opened = world.pull_request()

    world.registry.delete(1)
    world.settle()

    assert world.place.open() == []
    assert not world.place.branches()
    assert "PromptLayer has it no longer" in world.place.comments(opened.number)[0]


def test_a_removal_that_a_person_closed_is_not_proposed_again(world: World) -> None:
    world.save("Hello.", "another")
    world.save("Answer kindly.")
    world.adopt(prompt_id=2)
    world.adopt("prompts/latest/another.yaml", prompt_id=1)
    world.registry.delete(2)
    world.settle()
    world.place.close(world.pull_request().number)

    world.sweep()

    assert world.place.open() == []


# Snippets


def test_a_snippet_names_the_prompts_that_use_it_and_they_name_it(world: World) -> None:
    world.registry.save("tone", completion("Be kind."))
    world.save("@@@tone@@@ Answer.")

    world.settle()
    world.sweep()

    bodies = {each.head: each.body for each in world.place.open()}
    assert NAME in bodies[world.branch(1)]
    assert "tone" in bodies[world.branch(2)]
    assert world.says(PATH, world.branch(2)) == "@@@tone@@@ Answer."


def test_a_changed_snippet_leaves_the_prompts_that_use_it_in_step(world: World) -> None:
    world.registry.save("tone", completion("Be kind."))
    world.save("@@@tone@@@ Answer.")
    world.adopt("prompts/latest/tone.yaml", prompt_id=1)
    world.adopt(prompt_id=2)

    world.registry.save("tone", completion("Be brief."))
    kinds = [payload["event_type"] for payload in world.post.waiting]
    world.settle()

    assert "prompt_template_updated" in kinds
    assert world.pull_request().head == world.branch(1)
    assert world.standing(world.branch(2)).kind is OutcomeKind.IN_STEP


def test_an_unread_parent_is_found_by_its_snippets_event(world: World) -> None:
    world.registry.save("tone", completion("Be kind."))
    world.adopt("prompts/latest/tone.yaml", prompt_id=1)
    world.registry.save(NAME, template("@@@tone@@@ Answer."))
    world.post.lose()

    world.registry.save("tone", completion("Be brief."))
    world.settle()

    assert {each.head for each in world.place.open()} == {world.branch(1), world.branch(2)}
