"""A change on the platform becomes one pull request, found again and updated, never doubled."""

from __future__ import annotations

import pytest

from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from tests.integration.lifecycle.bridge_environment import BOB, JANE, PATH, BridgeEnvironment
from tests.integration.lifecycle.forge_repository import EVERY_FORGE

on_every_forge = pytest.mark.parametrize("forge_name", EVERY_FORGE)


@on_every_forge
def test_a_new_prompt_is_proposed(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.", by=JANE, commit_message="First draft")

    environment.settle()

    proposed = environment.pull_request()
    assert environment.repository.changed(proposed.head_branch) == {PATH}
    assert environment.proposed() == "Answer kindly."
    assert "support/reply" in proposed.title
    assert "Jane Doe" in proposed.body
    assert "First draft" in proposed.body


@on_every_forge
def test_a_newer_version_updates_the_open_pull_request(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.settle()
    first = environment.pull_request()
    environment.save("Answer briefly.", commit_message="Shorter")

    environment.settle()

    second = environment.pull_request()
    assert (second.number, second.head_branch) == (first.number, first.head_branch)
    assert environment.proposed() == "Answer briefly."
    assert len(environment.repository.log(second.head_branch, "%H")) == 1
    assert second.title != first.title
    assert "Shorter" in second.body
    assert "First" not in second.body


def test_looking_again_changes_nothing(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.settle()
    before = environment.pull_request()

    environment.sweep()

    assert environment.pull_request() == before
    assert environment.standing().kind is ReconcileOutcomeKind.UNCHANGED


def test_a_delivery_that_comes_twice_is_proposed_once(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    payloads = environment.post.take()
    environment.deliver([*payloads, *payloads])

    environment.settle()

    assert len(environment.repository.every(environment.branch())) == 1


def test_fifty_saves_are_one_commit_that_names_all_editors(environment: BridgeEnvironment) -> None:
    for number in range(25):
        environment.save(f"Draft {number} of Jane.", by=JANE)
        environment.save(f"Draft {number} of Bob.", by=BOB)

    environment.settle()

    proposed = environment.pull_request()
    (message,) = environment.repository.log(proposed.head_branch, "%an%n%B")
    assert message.startswith("Bob Ray\n")
    assert "Co-authored-by: Jane Doe <jane@example.com>" in message
    assert "Jane Doe" in proposed.body
    assert "Bob Ray" in proposed.body
    assert environment.proposed() == "Draft 24 of Bob."
