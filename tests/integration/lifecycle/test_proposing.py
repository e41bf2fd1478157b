"""A change on the platform becomes one pull request, found again and updated, never doubled."""

from __future__ import annotations

import pytest

from bridge.prompts.outcome import OutcomeKind
from tests.integration.lifecycle.place import EVERY_FORGE
from tests.integration.lifecycle.world import BOB, JANE, PATH, World

on_every_forge = pytest.mark.parametrize("forge_name", EVERY_FORGE)


@on_every_forge
def test_a_new_prompt_is_proposed(world: World) -> None:
    world.save("Answer kindly.", by=JANE, commit_message="First draft")

    world.settle()

    proposed = world.pull_request()
    assert world.place.changed(proposed.head) == {PATH}
    assert world.proposed() == "Answer kindly."
    assert "support/reply" in proposed.title
    assert "Jane Doe" in proposed.body
    assert "First draft" in proposed.body


@on_every_forge
def test_a_newer_version_updates_the_open_pull_request(world: World) -> None:
    world.save("Answer kindly.")
    world.settle()
    first = world.pull_request()
    world.save("Answer briefly.", commit_message="Shorter")

    world.settle()

    second = world.pull_request()
    assert (second.number, second.head) == (first.number, first.head)
    assert world.proposed() == "Answer briefly."
    assert len(world.place.log(second.head, "%H")) == 1
    assert second.title != first.title
    assert "Shorter" in second.body
    assert "First" not in second.body


def test_looking_again_changes_nothing(world: World) -> None:
    world.save("Answer kindly.")
    world.settle()
    before = world.pull_request()

    world.sweep()

    assert world.pull_request() == before
    assert world.standing().kind is OutcomeKind.UNCHANGED


def test_a_delivery_that_comes_twice_is_proposed_once(world: World) -> None:
    world.save("Answer kindly.")
    payloads = world.post.take()
    world.deliver([*payloads, *payloads])

    world.settle()

    assert len(world.place.every(world.branch())) == 1


def test_fifty_saves_are_one_commit_that_names_all_editors(world: World) -> None:
    for number in range(25):
        world.save(f"Draft {number} of Jane.", by=JANE)
        world.save(f"Draft {number} of Bob.", by=BOB)

    world.settle()

    proposed = world.pull_request()
    (message,) = world.place.log(proposed.head, "%an%n%B")
    assert message.startswith("Bob Ray\n")
    assert "Co-authored-by: Jane Doe <jane@example.com>" in message
    assert "Jane Doe" in proposed.body
    assert "Bob Ray" in proposed.body
    assert world.proposed() == "Draft 24 of Bob."
