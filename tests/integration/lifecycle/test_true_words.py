"""A pull request is there only while it says something, and what it says is true."""

from __future__ import annotations

import pytest

from bridge.forge.base import PullRequestState
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.test_secrets import TOKEN
from tests.integration.lifecycle.world import BOB, NAME, PATH, MakeWorld, World

pytestmark = pytest.mark.parametrize("forge_name", FORGES)
SECRET = f"Use {TOKEN}."


# Empty


@pytest.mark.parametrize("group", ["prompt", "mapping"])
def test_a_save_that_is_parked_opens_nothing_after_a_merge(
    make_world: MakeWorld, group: str
) -> None:
    world = make_world({"pull_request": {"group": group}})
    world.save("Answer kindly.")
    world.settle()
    world.place.merge(world.pull_request())
    assert world.place.branches()

    world.save(SECRET)
    world.settle()
    world.sweep()

    assert world.place.open() == []


@pytest.mark.parametrize("group", ["prompt", "mapping"])
def test_a_name_that_is_taken_opens_nothing_after_a_merge(
    make_world: MakeWorld, group: str
) -> None:
    world = make_world({"pull_request": {"group": group}})
    world.save("Answer kindly.")
    world.settle()
    world.place.merge(world.pull_request())
    world.place.commit({"prompts/latest/support/answer.yaml": b"Somebody's notes.\n"})

    world.registry.rename(1, "support/answer")
    world.settle()
    world.sweep()

    assert world.place.open() == []


# Who


def test_nobody_is_named_for_a_text_that_no_event_tells_of(world: World) -> None:
    world.save("Answer kindly.")
    world.adopt()
    world.save("Ada's draft.")
    (ada,) = world.post.take()
    world.save("Bob's text.", by=BOB)
    world.post.lose()

    world.deliver([ada])
    world.settle()

    opened = world.pull_request()
    assert world.proposed() == "Bob's text."
    assert "Ada" not in opened.body
    assert world.place.log(opened.head, "%an") == ["promptlayer-bridge"]
    assert "Ada" not in world.place.log(opened.head, "%B")[0]


def test_the_editor_of_an_earlier_version_is_not_named_for_the_next(world: World) -> None:
    world.save("Ada's draft.")
    world.settle()
    world.save("Bob's text.", by=BOB)
    world.post.lose()

    world.sweep()

    opened = world.pull_request()
    assert world.proposed() == "Bob's text."
    assert "Ada" not in opened.body
    assert world.place.log(opened.head, "%an") == ["promptlayer-bridge"]


# Why


def test_a_prompt_that_left_the_mapping_is_withdrawn_for_that(make_world: MakeWorld) -> None:
    world = make_world({"prompts": ["support/**"]})
    world.save("Answer kindly.")
    world.settle()
    opened = world.pull_request()

    world.registry.rename(1, "sales/reply")
    world.settle()

    assert world.place.newest(opened.head).state is PullRequestState.CLOSED
    (words,) = world.place.comments(opened.number)
    assert "the prompt no longer matches mapping support" in words


def test_a_label_that_was_deleted_withdraws_for_that(make_world: MakeWorld) -> None:
    world = make_world({"track": ["prod"]})
    world.save("Answer kindly.", labels=["prod"])
    world.settle()
    opened = world.pull_request()

    world.registry.delete_label(1, "prod")
    world.settle()

    assert world.place.newest(opened.head).state is PullRequestState.CLOSED
    (words,) = world.place.comments(opened.number)
    assert "label prod was removed" in words


def test_two_labels_of_one_prompt_are_one_prompt(make_world: MakeWorld) -> None:
    world = make_world({"track": ["latest", "prod"], "branch": "promptlayer/{mapping}/{id}"})
    world.save("Answer kindly.", labels=["prod"])

    world.settle()

    opened = world.pull_request()
    assert opened.title == "Add support/reply (latest, prod)"
    assert f"Brings `{NAME}`" in opened.body
    assert "2 prompts" not in opened.body
    assert "1 → 1" not in opened.body


def test_a_version_is_not_said_to_become_itself(make_world: MakeWorld) -> None:
    world = make_world({"pull_request": {"group": "mapping"}})
    world.save("Answer kindly.")
    world.save("Hello.", "other")
    world.adopt()
    world.adopt("prompts/latest/other.yaml", prompt_id=2)

    world.registry.rename(1, "support/answer")
    world.registry.rename(2, "another")
    world.settle()

    opened = world.pull_request()
    assert "1 → 1" not in opened.body
    assert "1 → 1" not in world.place.log(opened.head, "%B")[0]
    assert world.place.text(PATH, opened.head) is None
