"""What becomes of a pull request: withdrawn, rejected, reopened, merged, taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import UnavailableError
from bridge.forge.forge import Forge, GitRemote, PullRequest, PullRequestContent, PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.pull_request.metadata import parse_metadata
from tests.contract.forge_case import MergeMethod
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import EVERY_FORGE

on_every_forge = pytest.mark.parametrize("forge_name", EVERY_FORGE)
Decide = Callable[[], None]

every_merge = pytest.mark.parametrize("how", ["merge", "squash", "rebase"])


def in_step(environment: BridgeEnvironment, text: str) -> None:
    """The prompt says ``text`` on both sides."""
    environment.save(text)
    environment.adopt()


# Withdrawn


@on_every_forge
def test_a_pull_request_is_withdrawn_when_the_platform_goes_back(
    environment: BridgeEnvironment,
) -> None:
    in_step(environment, "Answer kindly.")
    environment.propose("Answer briefly.")
    opened = environment.pull_request()

    environment.propose("Answer kindly.")

    assert environment.repository.open() == []
    assert environment.repository.newest(opened.head_branch).state is PullRequestState.CLOSED
    assert not environment.repository.branches()
    (words,) = environment.repository.comments(opened.number)
    assert "Withdrawn: PromptLayer and `main` hold the same content again." in words
    assert environment.standing().kind is ReconcileOutcomeKind.WITHDRAWN


@on_every_forge
def test_text_that_a_person_wrote_below_the_hidden_line_stays_when_it_is_withdrawn(
    environment: BridgeEnvironment,
) -> None:
    in_step(environment, "Answer kindly.")
    environment.propose("Answer briefly.")
    opened = environment.pull_request()
    environment.repository.edit(opened, body=f"{opened.body}\n\nDiscussed with Ann on Monday.")

    environment.propose("Answer kindly.")

    closed = environment.repository.newest(opened.head_branch)
    metadata = parse_metadata(closed.body)
    assert metadata is not None
    assert metadata.withdrawn
    assert closed.body.rstrip().endswith("Discussed with Ann on Monday.")


@on_every_forge
def test_a_pull_request_is_withdrawn_when_somebody_pushed_its_content_by_hand(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    opened = environment.pull_request()
    text = environment.repository.text(PATH, opened.head_branch)
    assert text is not None
    environment.repository.commit({PATH: text.encode()})

    environment.sweep()

    assert environment.repository.open() == []
    assert not environment.repository.branches()
    assert "hold the same content" in environment.repository.comments(opened.number)[0]


def test_what_was_withdrawn_is_proposed_again_when_it_comes_back(
    environment: BridgeEnvironment,
) -> None:
    in_step(environment, "Answer kindly.")
    environment.propose("Answer briefly.")
    first = environment.pull_request().number
    environment.propose("Answer kindly.")

    environment.propose("Answer briefly.")

    assert environment.pull_request().number > first
    assert environment.proposed() == "Answer briefly."


# Rejected


@on_every_forge
def test_what_a_person_closed_is_not_proposed_again(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    closed = environment.pull_request()
    environment.repository.close(closed.number)

    environment.propose("Answer kindly.")
    environment.sweep()

    assert environment.repository.open() == []
    assert len(environment.repository.every(closed.head_branch)) == 1
    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED
    assert f"#{closed.number}" in environment.standing().reason


@on_every_forge
def test_a_rejected_prompt_is_proposed_again_when_its_content_changes(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    environment.repository.close(environment.pull_request().number)
    environment.sweep()

    environment.propose("Answer briefly.")

    assert environment.proposed() == "Answer briefly."
    assert len(environment.repository.every(environment.branch())) == 2


@on_every_forge
def test_a_rejection_outlives_the_bridges_disk(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    environment.repository.close(environment.pull_request().number)
    environment.forget_everything()

    environment.sweep()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED


def test_a_rejection_outlives_its_branch(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    closed = environment.pull_request()
    environment.repository.close(closed.number)
    environment.repository.delete_branch(closed.head_branch)
    environment.forget_everything()

    environment.sweep()

    assert environment.repository.open() == []
    assert not environment.repository.branches()


def test_a_rejection_stands_when_the_body_was_edited(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    closed = environment.pull_request()
    environment.repository.edit(closed, body="No, thank you.")
    environment.repository.close(closed.number)

    environment.sweep()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED


def test_a_rejection_stands_when_the_base_moves(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    environment.repository.close(environment.pull_request().number)
    environment.repository.commit({"src/bot.py": b"print()\n"})

    environment.sweep()

    assert environment.repository.open() == []


def test_a_reopened_pull_request_is_updated_again(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    opened = environment.pull_request()
    environment.repository.close(opened.number)
    environment.sweep()
    environment.repository.reopen(opened.number)

    environment.propose("Answer briefly.")

    assert environment.pull_request().number == opened.number
    assert environment.proposed() == "Answer briefly."


def test_a_withdrawn_pull_request_that_a_person_closes_for_good_stays_closed(
    environment: BridgeEnvironment,
) -> None:
    """Withdrawn is no rejection, and the next one that is closed is."""
    in_step(environment, "Answer kindly.")
    environment.propose("Answer briefly.")
    environment.propose("Answer kindly.")
    environment.propose("Answer briefly.")
    environment.repository.close(environment.pull_request().number)

    environment.sweep()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED


# Found again


def test_a_branch_without_its_pull_request_gets_one(environment: BridgeEnvironment) -> None:
    """As when the bridge was killed between the push and the pull request."""
    environment.propose("Answer kindly.")
    pushed = environment.pull_request().head_commit
    environment.repository.forget_pull_requests()
    assert environment.repository.open() == []

    environment.sweep()

    assert environment.pull_request().head_commit == pushed
    assert environment.proposed() == "Answer kindly."


def test_an_open_pull_request_whose_branch_was_deleted_gets_its_branch_back(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    opened = environment.pull_request()
    environment.repository.delete_branch(opened.head_branch)

    environment.sweep()

    assert environment.pull_request().number == opened.number
    assert environment.proposed() == "Answer kindly."


# Merged


@on_every_forge
@every_merge
def test_a_merge_ends_in_step(environment: BridgeEnvironment, how: MergeMethod) -> None:
    environment.propose("Answer kindly.")
    opened = environment.pull_request()
    environment.repository.commit(
        {"src/bot.py": b"print()\n"}
    )  # so that a rebase has something to do

    environment.repository.merge(opened, how)
    environment.sweep()

    assert environment.says() == "Answer kindly."
    assert len(environment.repository.every(opened.head_branch)) == 1
    assert not environment.repository.branches()
    environment.sweep()
    assert len(environment.repository.every(opened.head_branch)) == 1


@every_merge
def test_the_version_after_a_merge_is_proposed_anew(
    environment: BridgeEnvironment, how: MergeMethod
) -> None:
    """The leftover branch is not looked at before: the next proposal makes it afresh."""
    environment.propose("Answer kindly.")
    first = environment.pull_request()
    environment.repository.merge(first, how)

    environment.propose("Answer briefly.")

    second = environment.pull_request()
    assert second.number > first.number
    assert environment.repository.changed(second.head_branch) == {PATH}
    assert len(environment.repository.log(second.head_branch, "%H")) == 1


@on_every_forge
def test_what_was_merged_and_reverted_is_not_proposed_again(environment: BridgeEnvironment) -> None:
    in_step(environment, "Answer kindly.")
    environment.propose("Answer briefly.")
    environment.repository.merge(environment.pull_request(), "squash")
    environment.sweep()
    environment.repository.revert()
    assert environment.says() == "Answer kindly."

    environment.sweep()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.UNDONE


def test_the_version_after_a_revert_is_proposed(environment: BridgeEnvironment) -> None:
    in_step(environment, "Answer kindly.")
    environment.propose("Answer briefly.")
    environment.repository.merge(environment.pull_request(), "squash")
    environment.repository.revert()
    environment.sweep()

    environment.propose("Answer briefly and kindly.")

    assert environment.proposed() == "Answer briefly and kindly."


# The base


@on_every_forge
def test_a_base_that_moves_is_followed_where_the_mapping_wants_that(make_world: MakeWorld) -> None:
    environment = make_world({"pull_request": {"behind": "update"}})
    environment.propose("Answer kindly.")
    opened = environment.pull_request()
    moved = environment.repository.commit({"src/bot.py": b"print()\n"})

    environment.sweep()

    assert environment.pull_request().number == opened.number
    assert environment.repository.log(opened.head_branch, "%P") == [moved]
    assert environment.repository.changed(opened.head_branch) == {PATH}


def test_the_next_version_stands_on_the_base_as_it_is_now(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    moved = environment.repository.commit({"src/bot.py": b"print()\n"})

    environment.propose("Answer briefly.")

    assert environment.repository.log(environment.pull_request().head_branch, "%P") == [moved]


# Decided while the bridge was about to write


class Deciding:
    """A forge where a person decides after the bridge has looked: just before it pushes, or
    between that and the text of the pull request."""

    def __init__(self, forge: Forge, before_push: Decide, before_text: Decide) -> None:
        self._forge = forge
        # The remote is asked for twice: to fetch, to push.
        self._before_remote, self._before_text = [before_push, nobody], [before_text]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._forge, name)

    def create_git_remote(self) -> GitRemote:
        if self._before_remote:
            self._before_remote.pop()()
        return self._forge.create_git_remote()

    def update_pull_request(
        self, pull_request: PullRequest, content: PullRequestContent, *, base: str | None = None
    ) -> PullRequest:
        if self._before_text:
            self._before_text.pop()()
        return self._forge.update_pull_request(pull_request, content, base=base)


def nobody() -> None:
    """Nobody decides."""


def decided_late(
    environment: BridgeEnvironment, *, before_push: Decide = nobody, before_text: Decide = nobody
) -> None:
    """The next edit is looked at, and somebody decides in the middle of it."""
    (context,) = environment.controller.contexts.values()
    deciding: Any = Deciding(context.forge, before_push, before_text)
    environment.controller.contexts = {context.mapping.name: replace(context, forge=deciding)}
    environment.propose("Answer at length.")


@on_every_forge
def test_who_closes_during_an_update_has_not_declined_what_is_newer(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer briefly.")
    closed = environment.pull_request()

    decided_late(environment, before_push=lambda: environment.repository.close(closed.number))

    assert environment.pull_request().number != closed.number
    assert environment.proposed() == "Answer at length."


@on_every_forge
def test_who_merges_during_an_update_moves_no_label_to_what_is_newer(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"on_merge": {"move_label": "prod"}})
    environment.propose("Answer briefly.")
    merged = environment.pull_request()

    decided_late(environment, before_push=lambda: environment.repository.merge(merged))
    environment.sweep()

    assert environment.registry.find_entry(NAME).labels["prod"].version == 1
    assert environment.says() == "Answer briefly."
    assert environment.proposed() == "Answer at length."


@on_every_forge
def test_who_merges_what_was_just_pushed_moves_the_label_to_it(make_world: MakeWorld) -> None:
    environment = make_world({"on_merge": {"move_label": "prod"}})
    environment.propose("Answer briefly.")
    merged = environment.pull_request()

    decided_late(environment, before_text=lambda: environment.repository.merge(merged))
    environment.sweep()

    assert environment.registry.find_entry(NAME).labels["prod"].version == 2
    assert environment.says() == "Answer at length."
    assert environment.repository.open() == []


@on_every_forge
def test_who_merges_when_the_new_text_was_lost_moves_the_label_to_what_was_merged(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"on_merge": {"move_label": "prod"}})
    environment.propose("Answer briefly.")
    merged = environment.pull_request()

    def merge_and_fail() -> None:
        environment.repository.merge(merged)
        raise UnavailableError("The forge answered with 502.")

    decided_late(environment, before_text=merge_and_fail)
    environment.sweep()

    assert environment.says() == "Answer at length."
    assert environment.registry.find_entry(NAME).labels["prod"].version == 2
