"""The body of a pull request describes what merging its head does, whoever wrote the head."""

from __future__ import annotations

import pytest

from bridge.prompts.outcome import OutcomeKind
from tests.integration.lifecycle.forge_news import ForgeNews
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.world import PATH, MakeWorld, World, lines

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Both sides have the prompt, and what is merged is published."""
    world = make_world({"publish": True})
    world.save(lines())
    world.adopt()
    return world


def propose(world: World, text: str) -> None:
    world.save(text)
    world.settle()


def edit_branch(world: World, old: str, new: str) -> None:
    """Somebody changes the proposed file on its branch."""
    branch = world.pull_request().head
    text = world.place.text(PATH, branch)
    assert text is not None
    assert old in text
    world.place.commit({PATH: text.replace(old, new, 1).encode()}, branch)


@on_every_forge
def test_after_a_commit_of_a_person_the_body_shows_it_and_says_that_merging_publishes(
    world: World,
) -> None:
    propose(world, lines(g="G of Ada"))
    assert "nothing changes in PromptLayer" in world.pull_request().body

    edit_branch(world, "      a\n", "      A of Sam\n")
    world.sweep()

    body = world.pull_request().body
    assert "A of Sam" in body
    assert "G of Ada" in body
    assert "nothing changes in PromptLayer" not in body
    assert "Merging writes this to `main` and publishes it" in body
    assert world.standing().kind is OutcomeKind.UPDATED

    before = len(world.registry.entry(1).versions)
    world.place.merge(world.pull_request())
    world.sweep()
    assert len(world.registry.entry(1).versions) == before + 1


def test_a_push_to_the_branch_alone_brings_the_body_up_to_date(world: World) -> None:
    news = ForgeNews(world)
    world.save(lines(g="G of Ada"))
    news.rest()

    edit_branch(world, "      a\n", "      A of Sam\n")
    news.rest()

    assert "A of Sam" in world.pull_request().body


@on_every_forge
def test_where_nothing_is_published_the_body_says_so_and_shows_the_lines(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    propose(world, lines())
    edit_branch(world, "      a\n", "      A of Sam\n")

    world.sweep()

    body = world.pull_request().body
    assert "A of Sam" in body
    assert "nothing changes in PromptLayer" in body


def test_a_newer_version_that_is_merged_with_a_persons_edit_is_shown_with_it(world: World) -> None:
    propose(world, lines(g="G of Ada"))
    edit_branch(world, "      a\n", "      A of Sam\n")

    propose(world, lines(g="G of Ada", d="D of Ada"))

    body = world.pull_request().body
    for line in ("A of Sam", "D of Ada", "G of Ada", "publishes it"):
        assert line in body


def test_a_conflict_leaves_a_body_that_is_true(world: World) -> None:
    propose(world, lines(g="G of Ada"))
    edit_branch(world, "      a\n", "      A of Sam\n")

    propose(world, lines(a="A of Ada"))

    assert world.standing().kind is OutcomeKind.CONFLICT
    body = world.pull_request().body
    assert "A of Sam" in body
    assert "A of Ada" not in body
    assert "publishes it" in body


def test_what_else_the_branch_changes_is_named(world: World) -> None:
    propose(world, lines(g="G of Ada"))
    other = "prompts/latest/other.yaml"
    world.place.commit({other: b"name: other\n"}, world.pull_request().head)

    world.sweep()

    body = world.pull_request().body
    assert other in body
    assert "merging brings that too, and publishes what they change in prompts" in body


def test_a_file_that_a_person_broke_on_the_branch_is_told(world: World) -> None:
    propose(world, lines(g="G of Ada"))
    world.place.commit({PATH: b"id: ["}, world.pull_request().head)

    world.sweep()

    assert "cannot be read" in world.pull_request().body


def test_a_file_that_a_person_removed_on_the_branch_while_it_was_saved_is_told(
    world: World,
) -> None:
    propose(world, lines(g="G of Ada"))
    world.place.commit({PATH: None}, world.pull_request().head)
    propose(world, lines(g="G of Bo"))

    world.sweep()

    assert "is not on this branch any more" in world.pull_request().body


def test_once_the_commits_of_others_are_gone_the_body_is_as_it_was(world: World) -> None:
    propose(world, lines(g="G of Ada"))
    before = world.pull_request()
    edit_branch(world, "      a\n", "      A of Sam\n")
    world.sweep()

    world.place.point(before.head, before.head_commit)
    world.sweep()

    assert world.pull_request().body == before.body
