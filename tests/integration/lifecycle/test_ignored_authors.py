"""Closings and commits that are nobody's decision: of bots, and of those who only tidy branches."""

from __future__ import annotations

import pytest

from bridge.forge.base import PullRequestState
from bridge.prompts.outcome import OutcomeKind
from tests.integration.lifecycle.place import EVERY_FORGE
from tests.integration.lifecycle.world import NAME, PATH, MakeWorld, World

on_every_forge = pytest.mark.parametrize("forge_name", EVERY_FORGE)
IGNORING = {"ignore_authors": ["stale-bot", "format-bot"], "on_reject": {"label": "declined"}}


def propose(world: World, text: str) -> None:
    world.save(text)
    world.settle()


def labels(world: World) -> set[str]:
    return set(world.registry.entry(NAME).labels)


@on_every_forge
@pytest.mark.parametrize("closer", ["stale-bot", "Stale-Bot"])
def test_what_a_bot_closes_is_proposed_again_and_no_label_moves(
    make_world: MakeWorld, closer: str
) -> None:
    world = make_world(IGNORING)
    propose(world, "Answer kindly.")
    closed = world.pull_request()

    world.place.close_as(closed.number, closer)
    world.sweep()

    assert world.proposed() == "Answer kindly."
    assert labels(world) == set()


@on_every_forge
def test_what_anybody_else_closes_is_declined(make_world: MakeWorld) -> None:
    world = make_world(IGNORING)
    propose(world, "Answer kindly.")

    world.place.close_as(world.pull_request().number, "alice")
    world.sweep()

    assert world.place.open() == []
    assert world.standing().kind is OutcomeKind.REJECTED
    assert labels(world) == {"declined"}


@pytest.mark.parametrize("forge_name", ["local", "github", "odd github"])
def test_deleting_the_branch_alone_is_no_decision(make_world: MakeWorld) -> None:
    world = make_world({"on_reject": {"label": "declined"}})
    propose(world, "Answer kindly.")

    world.place.delete_branch(world.pull_request().head)
    world.sweep()

    assert world.proposed() == "Answer kindly."
    assert labels(world) == set()


@on_every_forge
def test_closing_and_then_deleting_the_branch_declines(world: World) -> None:
    propose(world, "Answer kindly.")
    closed = world.pull_request()
    world.place.close(closed.number)
    world.clock.turn(5)
    world.place.delete_branch(closed.head)

    world.sweep()

    assert world.place.open() == []
    assert world.place.newest(closed.head).state is PullRequestState.CLOSED
    assert world.standing().kind is OutcomeKind.REJECTED


@on_every_forge
@pytest.mark.parametrize("author", ["format-bot <bot@example.com>", "F <7+format-bot@noreply.io>"])
def test_a_formatters_commit_is_nobodys_work(make_world: MakeWorld, author: str) -> None:
    world = make_world(IGNORING)
    propose(world, "Answer kindly.")
    head = world.pull_request().head
    text = world.place.text(PATH, head)
    assert text is not None
    formatted = text.replace("name: support/reply", 'name: "support/reply"')
    commit = world.place.commit({PATH: formatted.encode()}, head, author=author)

    world.sweep()

    assert world.place.head(head) == commit  # it is not pushed over again and again
    assert "People changed" not in world.pull_request().body
    propose(world, "Answer briefly.")
    assert world.proposed() == "Answer briefly."
    assert world.place.text(PATH, head) == text.replace("kindly", "briefly").replace(
        "version: 1", "version: 2"
    )
