"""Closings and commits that are nobody's decision: of bots, and of those who only tidy branches."""

from __future__ import annotations

import pytest

from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import EVERY_FORGE

on_every_forge = pytest.mark.parametrize("forge_name", EVERY_FORGE)
IGNORING = {"ignore_authors": ["stale-bot", "format-bot"], "on_reject": {"label": "declined"}}


def labels(environment: BridgeEnvironment) -> set[str]:
    return set(environment.registry.find_entry(NAME).labels)


@on_every_forge
@pytest.mark.parametrize("closer", ["stale-bot", "Stale-Bot"])
def test_what_a_bot_closes_is_proposed_again_and_no_label_moves(
    make_world: MakeWorld, closer: str
) -> None:
    environment = make_world(IGNORING)
    environment.propose("Answer kindly.")
    closed = environment.pull_request()

    environment.repository.close_as(closed.number, closer)
    environment.sweep()

    assert environment.proposed() == "Answer kindly."
    assert labels(environment) == set()


@on_every_forge
def test_what_anybody_else_closes_is_declined(make_world: MakeWorld) -> None:
    environment = make_world(IGNORING)
    environment.propose("Answer kindly.")

    environment.repository.close_as(environment.pull_request().number, "alice")
    environment.sweep()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED
    assert labels(environment) == {"declined"}


@on_every_forge
def test_deleting_the_branch_alone_is_no_decision(make_world: MakeWorld) -> None:
    environment = make_world({"on_reject": {"label": "declined"}})
    environment.propose("Answer kindly.")

    environment.repository.delete_branch(environment.pull_request().head_branch)
    environment.sweep()

    assert environment.proposed() == "Answer kindly."
    assert labels(environment) == set()


@pytest.mark.parametrize("forge_name", ["gitlab", "odd gitlab"])
def test_a_closing_after_the_branch_was_made_again_declines(
    environment: BridgeEnvironment,
) -> None:
    environment.propose("Answer kindly.")
    environment.repository.delete_branch(environment.pull_request().head_branch)
    environment.repository.pass_time(60)
    environment.sweep()
    second = environment.pull_request()
    environment.repository.pass_time(60)
    environment.repository.close(second.number)
    environment.repository.pass_time(60)
    environment.repository.delete_branch(second.head_branch)

    environment.sweep()

    assert environment.repository.open() == []
    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED


@on_every_forge
def test_closing_and_then_deleting_the_branch_declines(environment: BridgeEnvironment) -> None:
    environment.propose("Answer kindly.")
    closed = environment.pull_request()
    environment.repository.close(closed.number)
    environment.repository.pass_time(60)
    environment.repository.delete_branch(closed.head_branch)

    environment.sweep()

    assert environment.repository.open() == []
    assert environment.repository.newest(closed.head_branch).state is PullRequestState.CLOSED
    assert environment.standing().kind is ReconcileOutcomeKind.REJECTED


@on_every_forge
@pytest.mark.parametrize("author", ["format-bot <bot@example.com>", "F <7+format-bot@noreply.io>"])
def test_a_formatters_commit_is_nobodys_work(make_world: MakeWorld, author: str) -> None:
    environment = make_world(IGNORING)
    environment.propose("Answer kindly.")
    head = environment.pull_request().head_branch
    text = environment.repository.text(PATH, head)
    assert text is not None
    formatted = text.replace("name: support/reply", 'name: "support/reply"')
    commit = environment.repository.commit({PATH: formatted.encode()}, head, author=author)

    environment.sweep()

    assert environment.repository.head(head) == commit  # it is not pushed over again and again
    assert "People changed" not in environment.pull_request().body
    environment.propose("Answer briefly.")
    assert environment.proposed() == "Answer briefly."
    assert environment.repository.text(PATH, head) == text.replace("kindly", "briefly").replace(
        "version: 1", "version: 2"
    )
