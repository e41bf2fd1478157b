"""What becomes of a pull request: withdrawn, rejected, reopened, merged, taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import Unavailable
from bridge.forge.base import (
    Forge,
    GitRemote,
    PullRequest,
    PullRequestContent,
    PullRequestState,
)
from bridge.prompts.outcome import OutcomeKind
from tests.contract.case import MergeHow
from tests.integration.lifecycle.place import EVERY_FORGE
from tests.integration.lifecycle.world import NAME, PATH, MakeWorld, World

on_every_forge = pytest.mark.parametrize("forge_name", EVERY_FORGE)
Decide = Callable[[], None]

every_merge = pytest.mark.parametrize("how", ["merge", "squash", "rebase"])


def propose(world: World, text: str) -> None:
    world.save(text)
    world.settle()


def in_step(world: World, text: str) -> None:
    """The prompt says ``text`` on both sides."""
    world.save(text)
    world.adopt()


# Withdrawn


@on_every_forge
def test_a_pull_request_is_withdrawn_when_the_platform_goes_back(world: World) -> None:
    in_step(world, "Answer kindly.")
    propose(world, "Answer briefly.")
    opened = world.pull_request()

    propose(world, "Answer kindly.")

    assert world.place.open() == []
    assert world.place.newest(opened.head).state is PullRequestState.CLOSED
    assert not world.place.branches()
    (words,) = world.place.comments(opened.number)
    assert "Withdrawn: PromptLayer and `main` hold the same content again." in words
    assert world.standing().kind is OutcomeKind.WITHDRAWN


@on_every_forge
def test_a_pull_request_is_withdrawn_when_somebody_pushed_its_content_by_hand(world: World) -> None:
    propose(world, "Answer kindly.")
    opened = world.pull_request()
    text = world.place.text(PATH, opened.head)
    assert text is not None
    world.place.commit({PATH: text.encode()})

    world.sweep()

    assert world.place.open() == []
    assert not world.place.branches()
    assert "hold the same content" in world.place.comments(opened.number)[0]


def test_what_was_withdrawn_is_proposed_again_when_it_comes_back(world: World) -> None:
    in_step(world, "Answer kindly.")
    propose(world, "Answer briefly.")
    first = world.pull_request().number
    propose(world, "Answer kindly.")

    propose(world, "Answer briefly.")

    assert world.pull_request().number > first
    assert world.proposed() == "Answer briefly."


# Rejected


@on_every_forge
def test_what_a_person_closed_is_not_proposed_again(world: World) -> None:
    propose(world, "Answer kindly.")
    closed = world.pull_request()
    world.place.close(closed.number)

    propose(world, "Answer kindly.")
    world.sweep()

    assert world.place.open() == []
    assert len(world.place.every(closed.head)) == 1
    assert world.standing().kind is OutcomeKind.REJECTED
    assert f"#{closed.number}" in world.standing().reason


@on_every_forge
def test_a_rejected_prompt_is_proposed_again_when_its_content_changes(world: World) -> None:
    propose(world, "Answer kindly.")
    world.place.close(world.pull_request().number)
    world.sweep()

    propose(world, "Answer briefly.")

    assert world.proposed() == "Answer briefly."
    assert len(world.place.every(world.branch())) == 2


@on_every_forge
def test_a_rejection_outlives_the_bridges_disk(world: World) -> None:
    propose(world, "Answer kindly.")
    world.place.close(world.pull_request().number)
    world.forget_everything()

    world.sweep()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.REJECTED


def test_a_rejection_outlives_its_branch(world: World) -> None:
    propose(world, "Answer kindly.")
    closed = world.pull_request()
    world.place.close(closed.number)
    world.place.delete_branch(closed.head)
    world.forget_everything()

    world.sweep()

    assert world.place.open() == []
    assert not world.place.branches()


def test_a_rejection_stands_when_the_body_was_edited(world: World) -> None:
    propose(world, "Answer kindly.")
    closed = world.pull_request()
    world.place.edit(closed, body="No, thank you.")
    world.place.close(closed.number)

    world.sweep()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.REJECTED


def test_a_rejection_stands_when_the_base_moves(world: World) -> None:
    propose(world, "Answer kindly.")
    world.place.close(world.pull_request().number)
    world.place.commit({"src/bot.py": b"print()\n"})

    world.sweep()

    assert world.place.open() == []


def test_a_reopened_pull_request_is_updated_again(world: World) -> None:
    propose(world, "Answer kindly.")
    opened = world.pull_request()
    world.place.close(opened.number)
    world.sweep()
    world.place.reopen(opened.number)

    propose(world, "Answer briefly.")

    assert world.pull_request().number == opened.number
    assert world.proposed() == "Answer briefly."


def test_a_withdrawn_pull_request_that_a_person_closes_for_good_stays_closed(world: World) -> None:
    """Withdrawn is no rejection, and the next one that is closed is."""
    in_step(world, "Answer kindly.")
    propose(world, "Answer briefly.")
    propose(world, "Answer kindly.")
    propose(world, "Answer briefly.")
    world.place.close(world.pull_request().number)

    world.sweep()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.REJECTED


# Found again


def test_a_branch_without_its_pull_request_gets_one(world: World) -> None:
    """As when the bridge was killed between the push and the pull request."""
    propose(world, "Answer kindly.")
    pushed = world.pull_request().head_commit
    world.place.forget_pull_requests()
    assert world.place.open() == []

    world.sweep()

    assert world.pull_request().head_commit == pushed
    assert world.proposed() == "Answer kindly."


def test_an_open_pull_request_whose_branch_was_deleted_gets_its_branch_back(world: World) -> None:
    propose(world, "Answer kindly.")
    opened = world.pull_request()
    world.place.delete_branch(opened.head)

    world.sweep()

    assert world.pull_request().number == opened.number
    assert world.proposed() == "Answer kindly."


# Merged


@on_every_forge
@every_merge
def test_a_merge_ends_in_step(world: World, how: MergeHow) -> None:
    propose(world, "Answer kindly.")
    opened = world.pull_request()
    world.place.commit({"src/bot.py": b"print()\n"})  # so that a rebase has something to do

    world.place.merge(opened, how)
    world.sweep()

    assert world.says() == "Answer kindly."
    assert len(world.place.every(opened.head)) == 1
    assert not world.place.branches()
    world.sweep()
    assert len(world.place.every(opened.head)) == 1


@every_merge
def test_the_version_after_a_merge_is_proposed_anew(world: World, how: MergeHow) -> None:
    """The leftover branch is not looked at before: the next proposal makes it afresh."""
    propose(world, "Answer kindly.")
    first = world.pull_request()
    world.place.merge(first, how)

    propose(world, "Answer briefly.")

    second = world.pull_request()
    assert second.number > first.number
    assert world.place.changed(second.head) == {PATH}
    assert len(world.place.log(second.head, "%H")) == 1


@on_every_forge
def test_what_was_merged_and_reverted_is_not_proposed_again(world: World) -> None:
    in_step(world, "Answer kindly.")
    propose(world, "Answer briefly.")
    world.place.merge(world.pull_request(), "squash")
    world.sweep()
    world.place.revert()
    assert world.says() == "Answer kindly."

    world.sweep()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.UNDONE


def test_the_version_after_a_revert_is_proposed(world: World) -> None:
    in_step(world, "Answer kindly.")
    propose(world, "Answer briefly.")
    world.place.merge(world.pull_request(), "squash")
    world.place.revert()
    world.sweep()

    propose(world, "Answer briefly and kindly.")

    assert world.proposed() == "Answer briefly and kindly."


# The base


@on_every_forge
def test_a_base_that_moves_is_followed_where_the_mapping_wants_that(make_world: MakeWorld) -> None:
    world = make_world({"pull_request": {"behind": "update"}})
    propose(world, "Answer kindly.")
    opened = world.pull_request()
    moved = world.place.commit({"src/bot.py": b"print()\n"})

    world.sweep()

    assert world.pull_request().number == opened.number
    assert world.place.log(opened.head, "%P") == [moved]
    assert world.place.changed(opened.head) == {PATH}


def test_the_next_version_stands_on_the_base_as_it_is_now(world: World) -> None:
    propose(world, "Answer kindly.")
    moved = world.place.commit({"src/bot.py": b"print()\n"})

    propose(world, "Answer briefly.")

    assert world.place.log(world.pull_request().head, "%P") == [moved]


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

    def git_remote(self) -> GitRemote:
        if self._before_remote:
            self._before_remote.pop()()
        return self._forge.git_remote()

    def update_pull_request(
        self, pull_request: PullRequest, content: PullRequestContent, *, base: str | None = None
    ) -> PullRequest:
        if self._before_text:
            self._before_text.pop()()
        return self._forge.update_pull_request(pull_request, content, base=base)


def nobody() -> None:
    """Nobody decides."""


def decided_late(
    world: World, *, before_push: Decide = nobody, before_text: Decide = nobody
) -> None:
    """The next edit is looked at, and somebody decides in the middle of it."""
    (site,) = world.worker.sites.values()
    deciding: Any = Deciding(site.forge, before_push, before_text)
    world.worker.sites = {site.mapping.name: replace(site, forge=deciding)}
    propose(world, "Answer at length.")


@on_every_forge
def test_who_closes_during_an_update_has_not_declined_what_is_newer(world: World) -> None:
    propose(world, "Answer briefly.")
    closed = world.pull_request()

    decided_late(world, before_push=lambda: world.place.close(closed.number))

    assert world.pull_request().number != closed.number
    assert world.proposed() == "Answer at length."


@on_every_forge
def test_who_merges_during_an_update_moves_no_label_to_what_is_newer(
    make_world: MakeWorld,
) -> None:
    world = make_world({"on_merge": {"move_label": "prod"}})
    propose(world, "Answer briefly.")
    merged = world.pull_request()

    decided_late(world, before_push=lambda: world.place.merge(merged))
    world.sweep()

    assert world.registry.entry(NAME).labels["prod"].version == 1
    assert world.says() == "Answer briefly."
    assert world.proposed() == "Answer at length."


@on_every_forge
def test_who_merges_what_was_just_pushed_moves_the_label_to_it(make_world: MakeWorld) -> None:
    world = make_world({"on_merge": {"move_label": "prod"}})
    propose(world, "Answer briefly.")
    merged = world.pull_request()

    decided_late(world, before_text=lambda: world.place.merge(merged))
    world.sweep()

    assert world.registry.entry(NAME).labels["prod"].version == 2
    assert world.says() == "Answer at length."
    assert world.place.open() == []


@on_every_forge
def test_who_merges_when_the_new_text_was_lost_moves_the_label_to_what_was_merged(
    make_world: MakeWorld,
) -> None:
    world = make_world({"on_merge": {"move_label": "prod"}})
    propose(world, "Answer briefly.")
    merged = world.pull_request()

    def merge_and_fail() -> None:
        world.place.merge(merged)
        raise Unavailable("The forge answered with 502.")

    decided_late(world, before_text=merge_and_fail)
    world.sweep()

    assert world.says() == "Answer at length."
    assert world.registry.entry(NAME).labels["prod"].version == 2
