"""The body of a pull request describes what merging its head does, whoever wrote the head."""

from __future__ import annotations

import pytest

from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from tests.integration.lifecycle.bridge_environment import PATH, BridgeEnvironment, MakeWorld, lines
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.forge_webhook_delivery import ForgeWebhookDelivery

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


@pytest.fixture
def environment(make_world: MakeWorld) -> BridgeEnvironment:
    """Both sides have the prompt, and what is merged is published."""
    environment = make_world({"publish": True})
    environment.save(lines())
    environment.adopt()
    return environment


@on_every_forge
def test_after_a_commit_of_a_person_the_body_shows_it_and_says_that_merging_publishes(
    environment: BridgeEnvironment,
) -> None:
    environment.propose(lines(g="G of Ada"))
    assert "nothing changes in PromptLayer" in environment.pull_request().body

    environment.edit_branch("      a\n", "      A of Sam\n")
    environment.sweep()

    body = environment.pull_request().body
    assert "A of Sam" in body
    assert "G of Ada" in body
    assert "nothing changes in PromptLayer" not in body
    assert "Merging writes this to `main` and publishes it" in body
    assert environment.standing().kind is ReconcileOutcomeKind.UPDATED

    before = len(environment.registry.find_entry(1).versions)
    environment.repository.merge(environment.pull_request())
    environment.sweep()
    assert len(environment.registry.find_entry(1).versions) == before + 1


def test_a_push_to_the_branch_alone_brings_the_body_up_to_date(
    environment: BridgeEnvironment,
) -> None:
    news = ForgeWebhookDelivery(environment)
    environment.save(lines(g="G of Ada"))
    news.rest()

    environment.edit_branch("      a\n", "      A of Sam\n")
    news.rest()

    assert "A of Sam" in environment.pull_request().body


@on_every_forge
def test_where_nothing_is_published_the_body_says_so_and_shows_the_lines(
    make_world: MakeWorld,
) -> None:
    environment = make_world()
    environment.propose(lines())
    environment.edit_branch("      a\n", "      A of Sam\n")

    environment.sweep()

    body = environment.pull_request().body
    assert "A of Sam" in body
    assert "nothing changes in PromptLayer" in body


def test_a_newer_version_that_is_merged_with_a_persons_edit_is_shown_with_it(
    environment: BridgeEnvironment,
) -> None:
    environment.propose(lines(g="G of Ada"))
    environment.edit_branch("      a\n", "      A of Sam\n")

    environment.propose(lines(g="G of Ada", d="D of Ada"))

    body = environment.pull_request().body
    for line in ("A of Sam", "D of Ada", "G of Ada", "publishes it"):
        assert line in body


def test_a_conflict_leaves_a_body_that_is_true(environment: BridgeEnvironment) -> None:
    environment.propose(lines(g="G of Ada"))
    environment.edit_branch("      a\n", "      A of Sam\n")

    environment.propose(lines(a="A of Ada"))

    assert environment.standing().kind is ReconcileOutcomeKind.CONFLICT
    body = environment.pull_request().body
    assert "A of Sam" in body
    assert "A of Ada" not in body
    assert "publishes it" in body


def test_what_else_the_branch_changes_is_named(environment: BridgeEnvironment) -> None:
    environment.propose(lines(g="G of Ada"))
    other = "prompts/latest/other.yaml"
    environment.repository.commit({other: b"name: other\n"}, environment.pull_request().head_branch)

    environment.sweep()

    body = environment.pull_request().body
    assert other in body
    assert "merging brings that too, and publishes what they change in prompts" in body


def test_a_file_that_a_person_broke_on_the_branch_is_told(environment: BridgeEnvironment) -> None:
    environment.propose(lines(g="G of Ada"))
    environment.repository.commit({PATH: b"id: ["}, environment.pull_request().head_branch)

    environment.sweep()

    assert "cannot be read" in environment.pull_request().body


def test_a_file_that_a_person_removed_on_the_branch_while_it_was_saved_is_told(
    environment: BridgeEnvironment,
) -> None:
    environment.propose(lines(g="G of Ada"))
    environment.repository.commit({PATH: None}, environment.pull_request().head_branch)
    environment.propose(lines(g="G of Bo"))

    environment.sweep()

    assert "is not on this branch any more" in environment.pull_request().body


def test_once_the_commits_of_others_are_gone_the_body_is_as_it_was(
    environment: BridgeEnvironment,
) -> None:
    environment.propose(lines(g="G of Ada"))
    before = environment.pull_request()
    environment.edit_branch("      a\n", "      A of Sam\n")
    environment.sweep()

    environment.repository.point(before.head_branch, before.head_commit)
    environment.sweep()

    assert environment.pull_request().body == before.body
