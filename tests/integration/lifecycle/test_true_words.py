"""A pull request is there only while it says something, and what it says is true."""

from __future__ import annotations

import pytest

from bridge.forge.forge import PullRequestState
from tests.integration.lifecycle.bridge_environment import (
    BOB,
    NAME,
    PATH,
    BridgeEnvironment,
    MakeWorld,
)
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_secrets import TOKEN

pytestmark = pytest.mark.parametrize("forge_name", FORGES)
SECRET = f"Use {TOKEN}."


# Empty


@pytest.mark.parametrize("group", ["prompt", "mapping"])
def test_a_save_that_is_parked_opens_nothing_after_a_merge(
    make_world: MakeWorld, group: str
) -> None:
    environment = make_world({"pull_request": {"group": group}})
    environment.save("Answer kindly.")
    environment.settle()
    environment.repository.merge(environment.pull_request())
    assert environment.repository.branches()

    environment.save(SECRET)
    environment.settle()
    environment.sweep()

    assert environment.repository.open() == []


@pytest.mark.parametrize("group", ["prompt", "mapping"])
def test_a_name_that_is_taken_opens_nothing_after_a_merge(
    make_world: MakeWorld, group: str
) -> None:
    environment = make_world({"pull_request": {"group": group}})
    environment.save("Answer kindly.")
    environment.settle()
    environment.repository.merge(environment.pull_request())
    environment.repository.commit({"prompts/latest/support/answer.yaml": b"Somebody's notes.\n"})

    environment.registry.rename(1, "support/answer")
    environment.settle()
    environment.sweep()

    assert environment.repository.open() == []


# Who


def test_nobody_is_named_for_a_text_that_no_event_tells_of(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.adopt()
    environment.save("Ada's draft.")
    (ada,) = environment.post.take()
    environment.save("Bob's text.", by=BOB)
    environment.post.lose()

    environment.deliver([ada])
    environment.settle()

    opened = environment.pull_request()
    assert environment.proposed() == "Bob's text."
    assert "Ada" not in opened.body
    assert environment.repository.log(opened.head_branch, "%an") == ["promptlayer-bridge"]
    assert "Ada" not in environment.repository.log(opened.head_branch, "%B")[0]


def test_the_editor_of_an_earlier_version_is_not_named_for_the_next(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Ada's draft.")
    environment.settle()
    environment.save("Bob's text.", by=BOB)
    environment.post.lose()

    environment.sweep()

    opened = environment.pull_request()
    assert environment.proposed() == "Bob's text."
    assert "Ada" not in opened.body
    assert environment.repository.log(opened.head_branch, "%an") == ["promptlayer-bridge"]


# Why


def test_a_prompt_that_left_the_mapping_is_withdrawn_for_that(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": ["support/**"]})
    environment.save("Answer kindly.")
    environment.settle()
    opened = environment.pull_request()

    environment.registry.rename(1, "sales/reply")
    environment.settle()

    assert environment.repository.newest(opened.head_branch).state is PullRequestState.CLOSED
    (words,) = environment.repository.comments(opened.number)
    assert "it no longer matches mapping support (prompts: support/**)" in words


def test_a_label_that_was_deleted_withdraws_for_that(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["prod"]})
    environment.save("Answer kindly.", labels=["prod"])
    environment.settle()
    opened = environment.pull_request()

    environment.registry.delete_label(1, "prod")
    environment.settle()

    assert environment.repository.newest(opened.head_branch).state is PullRequestState.CLOSED
    (words,) = environment.repository.comments(opened.number)
    assert "label prod was removed" in words


def test_two_labels_of_one_prompt_are_one_prompt(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["latest", "prod"], "branch": "promptlayer/{mapping}/{id}"})
    environment.save("Answer kindly.", labels=["prod"])

    environment.settle()

    opened = environment.pull_request()
    assert opened.title == "Add support/reply (latest, prod)"
    assert f"Brings `{NAME}`" in opened.body
    assert "2 prompts" not in opened.body
    assert "1 → 1" not in opened.body


def test_a_version_is_not_said_to_become_itself(make_world: MakeWorld) -> None:
    environment = make_world({"pull_request": {"group": "mapping"}})
    environment.save("Answer kindly.")
    environment.save("Hello.", "other")
    environment.adopt()
    environment.adopt("prompts/latest/other.yaml", prompt_id=2)

    environment.registry.rename(1, "support/answer")
    environment.registry.rename(2, "another")
    environment.settle()

    opened = environment.pull_request()
    assert "1 → 1" not in opened.body
    assert "1 → 1" not in environment.repository.log(opened.head_branch, "%B")[0]
    assert environment.repository.text(PATH, opened.head_branch) is None
