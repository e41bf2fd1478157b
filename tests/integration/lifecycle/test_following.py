"""Which prompts a mapping follows, where their files go, and what is tracked."""

from __future__ import annotations

import json

import pytest

from tests.integration.lifecycle.bridge_environment import NAME, PATH, BridgeEnvironment, MakeWorld


def proposed_paths(environment: BridgeEnvironment) -> set[str]:
    """Every file that an open pull request touches."""
    return {
        path
        for each in environment.repository.open()
        for path in environment.repository.changed(each.head_branch)
    }


@pytest.mark.parametrize(
    ("patterns", "followed"),
    [
        ("support/reply", "support/reply"),
        ("support/*", "support/reply"),
        ("support/**", "support/reply support/eu/reply"),
        ("** !support/**", "sales/pitch"),
        ("s?les/*", "sales/pitch"),
    ],
)
def test_names_and_globs_say_which_prompts(
    make_world: MakeWorld, patterns: str, followed: str
) -> None:
    environment = make_world({"prompts": patterns.split()})
    for name in ("support/reply", "support/eu/reply", "sales/pitch"):
        environment.save("Hello.", name)

    environment.settle()

    assert proposed_paths(environment) == {
        f"prompts/latest/{name}.yaml" for name in followed.split()
    }


def test_tags_say_which_prompts(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": [], "tags": ["prod", "eu"]})
    environment.save("Hello.", "both", tags=["eu", "prod", "new"])
    environment.save("Hello.", "one", tags=["eu"])

    environment.settle()

    assert proposed_paths(environment) == {"prompts/latest/both.yaml"}


def test_a_folder_says_which_prompts(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": [], "folder": "Team"})
    team = environment.registry.create_folder("Team")
    below = environment.registry.create_folder("Below", team.id)
    environment.save("Hello.", "inside", folder_id=team.id)
    environment.save("Hello.", "deeper", folder_id=below.id)
    environment.save("Hello.", "outside")

    environment.settle()

    assert proposed_paths(environment) == {
        "prompts/latest/inside.yaml",
        "prompts/latest/deeper.yaml",
    }


def test_a_prompt_that_left_the_mapping_is_proposed_for_removal(make_world: MakeWorld) -> None:
    environment = make_world({"prompts": [], "tags": ["prod"]})
    environment.save("Hello.", tags=["prod"])
    environment.adopt()

    environment.save("Hello.", tags=[])
    environment.settle()

    assert environment.repository.text(PATH, environment.pull_request().head_branch) is None
    assert "no longer matches" in environment.pull_request().body


def test_several_mappings_may_follow_one_prompt(make_world: MakeWorld) -> None:
    environment = make_world(
        {"name": "support", "path": "support/{prompt}.yaml"},
        {"name": "copy", "path": "copy/{prompt}.yaml"},
    )
    environment.save("Hello.", "hello")

    environment.settle()

    assert proposed_paths(environment) == {"support/hello.yaml", "copy/hello.yaml"}
    assert len(environment.repository.open()) == 2


def test_several_labels_are_tracked_in_files_of_their_own(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["latest", "prod", "staging"]})
    environment.save("One.", "hello", labels=["prod"])
    environment.save("Two.", "hello", labels=["staging"])
    environment.save("Three.", "hello")

    environment.settle()

    said = {
        path: environment.says(path, each.head_branch)
        for each in environment.repository.open()
        for path in environment.repository.changed(each.head_branch)
    }
    assert said == {
        "prompts/latest/hello.yaml": "Three.",
        "prompts/prod/hello.yaml": "One.",
        "prompts/staging/hello.yaml": "Two.",
    }


def test_two_labels_on_one_version_are_two_proposals(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["prod", "staging"]})
    environment.save("One.", "hello", labels=["prod", "staging"])

    environment.settle()

    assert proposed_paths(environment) == {"prompts/prod/hello.yaml", "prompts/staging/hello.yaml"}


def test_a_moved_label_is_proposed_once(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["prod"]})
    environment.save("One.", labels=["prod"])
    environment.adopt("prompts/prod/support/reply.yaml", label="prod")
    environment.save("Two.")
    environment.settle()
    assert environment.repository.open() == []

    environment.registry.move_label(1, "prod", 2)
    environment.settle()

    assert environment.proposed("prompts/prod/support/reply.yaml") == "Two."
    assert "prod" in environment.pull_request().title


def test_a_label_that_was_deleted_is_proposed_for_removal(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["prod"]})
    path = "prompts/prod/support/reply.yaml"
    environment.save("One.", labels=["prod"])
    environment.adopt(path, label="prod")

    environment.registry.delete_label(1, "prod")
    environment.settle()

    assert environment.repository.text(path, environment.pull_request().head_branch) is None
    assert "label prod was removed" in environment.pull_request().body


def test_an_event_about_an_untracked_label_is_ignored(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["prod"]})
    environment.save("One.", labels=["staging"])

    environment.settle()

    assert environment.repository.open() == []
    assert {each.outcome for each in environment.controller.inbox.list_recent(10)} == {
        "no mapping follows this prompt or label"
    }


def test_templates_fill_in_prompt_label_mapping_and_id(make_world: MakeWorld) -> None:
    environment = make_world(
        {
            "path": "ai/{mapping}/{label}/{prompt}+{id}.yaml",
            "branch": "promptlayer/{mapping}/{label}/{prompt}",
        }
    )
    environment.save("Hello.", "support/reply")

    environment.settle()

    assert proposed_paths(environment) == {"ai/support/latest/support/reply+1.yaml"}
    assert environment.pull_request().head_branch == "promptlayer/support/latest/support-reply.1"


def test_json_files_are_written_and_read(make_world: MakeWorld) -> None:
    environment = make_world({"format": "json", "path": "prompts/{prompt}.json"})
    environment.save("Hello.")

    environment.settle()

    path = "prompts/support/reply.json"
    text = environment.repository.text(path, environment.pull_request().head_branch)
    assert text is not None
    assert json.loads(text)["name"] == NAME
    environment.repository.merge(environment.pull_request())
    environment.sweep()
    assert environment.says(path) == "Hello."
    assert not environment.repository.branches()


def test_the_repositorys_default_branch_is_the_base(environment: BridgeEnvironment) -> None:
    environment.save("Hello.")

    environment.settle()

    assert environment.pull_request().base_branch == "main"
