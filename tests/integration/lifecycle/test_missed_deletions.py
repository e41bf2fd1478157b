"""``on_delete: delete`` where no push told of a deletion: by the resync, from the base's history."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.lifecycle.bridge_environment import PATH, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_publishing import PUBLISH
from tests.standins.git_http import git

DELETE: dict[str, Any] = {**PUBLISH, "on_delete": "delete"}


def with_a_merged_prompt(make_world: MakeWorld, *mappings: dict[str, Any]) -> BridgeEnvironment:
    environment = make_world(*(mappings or (DELETE,)))
    environment.save("Answer kindly.")
    environment.adopt()
    environment.sweep()
    return environment


def is_deleted(environment: BridgeEnvironment) -> bool:
    return environment.registry.entries[1].deleted


@pytest.mark.parametrize("forge_name", FORGES)
def test_a_deletion_that_no_push_told_of_is_followed_by_the_resync(make_world: MakeWorld) -> None:
    environment = with_a_merged_prompt(make_world)

    environment.repository.commit({PATH: None})
    environment.sweep()

    assert is_deleted(environment)
    assert environment.repository.open() == []


def test_it_is_followed_by_a_bridge_that_lost_its_disk(make_world: MakeWorld) -> None:
    environment = with_a_merged_prompt(make_world)
    environment.repository.commit({PATH: None})

    environment.forget_everything()
    environment.sweep()

    assert is_deleted(environment)


def test_what_was_deleted_before_the_setting_stays(make_world: MakeWorld) -> None:
    environment = make_world(DELETE)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.repository.commit({PATH: None})

    environment.sweep()
    environment.sweep()

    assert not is_deleted(environment)


def test_a_prompt_with_a_newer_text_stays(make_world: MakeWorld) -> None:
    environment = with_a_merged_prompt(make_world)
    environment.repository.commit({PATH: None})
    environment.save("Answer briefly.")
    environment.post.lose()

    environment.sweep()

    assert not is_deleted(environment)


def test_a_file_that_moved_keeps_its_prompt(make_world: MakeWorld) -> None:
    environment = with_a_merged_prompt(make_world)
    text = environment.repository.text(PATH) or ""
    environment.repository.commit({PATH: None, "prompts/latest/elsewhere.yaml": text.encode()})

    environment.sweep()

    assert not is_deleted(environment)


def test_a_base_that_was_rewritten_deletes_nothing(make_world: MakeWorld) -> None:
    environment = with_a_merged_prompt(make_world)
    git(environment.repository.repository, "update-ref", "refs/heads/main", "main^")

    environment.sweep()
    environment.sweep()

    assert not is_deleted(environment)


def test_a_prompt_that_is_restored_afterwards_stays(make_world: MakeWorld) -> None:
    environment = with_a_merged_prompt(make_world)
    environment.repository.commit({PATH: None})
    environment.sweep()
    assert is_deleted(environment)

    environment.registry.entries[1].deleted = False
    environment.sweep()

    assert not is_deleted(environment)


def test_nothing_is_deleted_by_default(make_world: MakeWorld) -> None:
    environment = with_a_merged_prompt(make_world, PUBLISH)

    environment.repository.commit({PATH: None})
    environment.sweep()

    assert not is_deleted(environment)
