"""Which prompts a mapping follows, where their files go, and what is tracked."""

from __future__ import annotations

import json

import pytest

from tests.integration.lifecycle.world import NAME, PATH, MakeWorld, World


def proposed_paths(world: World) -> set[str]:
    """Every file that an open pull request touches."""
    return {path for each in world.place.open() for path in world.place.changed(each.head)}


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
    world = make_world({"prompts": patterns.split()})
    for name in ("support/reply", "support/eu/reply", "sales/pitch"):
        world.save("Hello.", name)

    world.settle()

    assert proposed_paths(world) == {f"prompts/latest/{name}.yaml" for name in followed.split()}


def test_tags_say_which_prompts(make_world: MakeWorld) -> None:
    world = make_world({"prompts": [], "tags": ["prod", "eu"]})
    world.save("Hello.", "both", tags=["eu", "prod", "new"])
    world.save("Hello.", "one", tags=["eu"])

    world.settle()

    assert proposed_paths(world) == {"prompts/latest/both.yaml"}


def test_a_folder_says_which_prompts(make_world: MakeWorld) -> None:
    world = make_world({"prompts": [], "folder": "Team"})
    team = world.registry.create_folder("Team")
    below = world.registry.create_folder("Below", team.id)
    world.save("Hello.", "inside", folder_id=team.id)
    world.save("Hello.", "deeper", folder_id=below.id)
    world.save("Hello.", "outside")

    world.settle()

    assert proposed_paths(world) == {"prompts/latest/inside.yaml", "prompts/latest/deeper.yaml"}


def test_a_prompt_that_left_the_mapping_is_proposed_for_removal(make_world: MakeWorld) -> None:
    world = make_world({"prompts": [], "tags": ["prod"]})
    world.save("Hello.", tags=["prod"])
    world.adopt()

    world.save("Hello.", tags=[])
    world.settle()

    assert world.place.text(PATH, world.pull_request().head) is None
    assert "no longer matches" in world.pull_request().body


def test_several_mappings_may_follow_one_prompt(make_world: MakeWorld) -> None:
    world = make_world(
        {"name": "support", "path": "support/{prompt}.yaml"},
        {"name": "copy", "path": "copy/{prompt}.yaml"},
    )
    world.save("Hello.", "hello")

    world.settle()

    assert proposed_paths(world) == {"support/hello.yaml", "copy/hello.yaml"}
    assert len(world.place.open()) == 2


def test_several_labels_are_tracked_in_files_of_their_own(make_world: MakeWorld) -> None:
    world = make_world({"track": ["latest", "prod", "staging"]})
    world.save("One.", "hello", labels=["prod"])
    world.save("Two.", "hello", labels=["staging"])
    world.save("Three.", "hello")

    world.settle()

    said = {
        path: world.says(path, each.head)
        for each in world.place.open()
        for path in world.place.changed(each.head)
    }
    assert said == {
        "prompts/latest/hello.yaml": "Three.",
        "prompts/prod/hello.yaml": "One.",
        "prompts/staging/hello.yaml": "Two.",
    }


def test_two_labels_on_one_version_are_two_proposals(make_world: MakeWorld) -> None:
    world = make_world({"track": ["prod", "staging"]})
    world.save("One.", "hello", labels=["prod", "staging"])

    world.settle()

    assert proposed_paths(world) == {"prompts/prod/hello.yaml", "prompts/staging/hello.yaml"}


def test_a_moved_label_is_proposed_once(make_world: MakeWorld) -> None:
    world = make_world({"track": ["prod"]})
    world.save("One.", labels=["prod"])
    world.adopt("prompts/prod/support/reply.yaml", label="prod")
    world.save("Two.")
    world.settle()
    assert world.place.open() == []

    world.registry.move_label(1, "prod", 2)
    world.settle()

    assert world.proposed("prompts/prod/support/reply.yaml") == "Two."
    assert "prod" in world.pull_request().title


def test_a_label_that_was_deleted_is_proposed_for_removal(make_world: MakeWorld) -> None:
    world = make_world({"track": ["prod"]})
    path = "prompts/prod/support/reply.yaml"
    world.save("One.", labels=["prod"])
    world.adopt(path, label="prod")

    world.registry.delete_label(1, "prod")
    world.settle()

    assert world.place.text(path, world.pull_request().head) is None
    assert "label prod was removed" in world.pull_request().body


def test_an_event_about_an_untracked_label_is_ignored(make_world: MakeWorld) -> None:
    world = make_world({"track": ["prod"]})
    world.save("One.", labels=["staging"])

    world.settle()

    assert world.place.open() == []
    assert {each.outcome for each in world.worker.inbox.recent(10)} == {
        "no mapping follows this prompt or label"
    }


def test_templates_fill_in_prompt_label_mapping_and_id(make_world: MakeWorld) -> None:
    world = make_world(
        {
            "path": "ai/{mapping}/{label}/{prompt}+{id}.yaml",
            "branch": "promptlayer/{mapping}/{label}/{prompt}",
        }
    )
    world.save("Hello.", "support/reply")

    world.settle()

    assert proposed_paths(world) == {"ai/support/latest/support/reply+1.yaml"}
    assert world.pull_request().head == "promptlayer/support/latest/support-reply.1"


def test_json_files_are_written_and_read(make_world: MakeWorld) -> None:
    world = make_world({"format": "json", "path": "prompts/{prompt}.json"})
    world.save("Hello.")

    world.settle()

    path = "prompts/support/reply.json"
    text = world.place.text(path, world.pull_request().head)
    assert text is not None
    assert json.loads(text)["name"] == NAME
    world.place.merge(world.pull_request())
    world.sweep()
    assert world.says(path) == "Hello."
    assert not world.place.branches()


def test_the_repositorys_default_branch_is_the_base(world: World) -> None:
    world.save("Hello.")

    world.settle()

    assert world.pull_request().base == "main"
