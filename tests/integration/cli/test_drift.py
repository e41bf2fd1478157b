"""``plan`` shows both directions, with the reason in words; ``sync`` then does it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.integration.cli.cli_workspace import CONFIG, CliWorkspace
from tests.integration.cli.repository_engineer import RepositoryEngineer, new_file, path, publishing

FIRST, SECOND = "Be kind.", "Be kind and brief."

TABLE = """\
mapping  prompt            label   standing                                          sync would
support  support/file      latest  edited in the repository                          publish a new version
support  support/new       latest  never synced: a new file                          make a prompt of it
support  support/platform  latest  edited on the platform: version 2 in PromptLayer  open a pull request

1 to propose, 2 to publish
"""


def standing(workspace: CliWorkspace) -> Mapping[str, tuple[str, str]]:
    """Prompt or path → standing and action, as ``plan --json`` tells them."""
    said = workspace.run("plan", "--json").json["out_of_step"]
    return {row["prompt"] or row["path"]: (row["standing"], row["action"]) for row in said}


def everything_at_once(workspace: CliWorkspace) -> RepositoryEngineer:
    """One prompt of every kind of drift."""
    engineer = publishing(workspace)
    names = ("support/platform", "support/file", "support/meet", "support/clash", "support/gone")
    for name in names:
        workspace.save(name, FIRST)
    engineer.take_files(*names)
    workspace.save("support/unknown", FIRST)
    workspace.save("support/platform", SECOND)
    engineer.edit_file("support/file", FIRST, "Be brief.")
    workspace.save("support/clash", SECOND)
    engineer.edit_file("support/clash", FIRST, "Be brief.")
    workspace.save("support/meet", SECOND)
    engineer.edit_file(
        "support/meet", "name: support/meet\n", "name: support/meet\nmetadata:\n  a: b\n"
    )
    workspace.registry.delete(workspace.registry.find_entry("support/gone").id)
    engineer.write_new_file("support/new")
    return engineer


def test_plan_shows_both_directions_with_the_reason_in_words(workspace: CliWorkspace) -> None:
    everything_at_once(workspace)

    assert standing(workspace) == {
        "support/new": ("never synced: a new file", "make a prompt of it"),
        "support/unknown": ("never synced: not in the repository yet", "open a pull request"),
        "support/platform": (
            "edited on the platform: version 2 in PromptLayer",
            "open a pull request",
        ),
        "support/file": ("edited in the repository", "publish a new version"),
        "support/meet": (
            "edited on both sides, merged: version 2 in PromptLayer, and edited in the repository",
            "open a pull request",
        ),
        "support/clash": (
            "edited on both sides, in conflict: version 2 in PromptLayer, and edited in the"
            " repository",
            "open a pull request",
        ),
        "support/gone": ("deleted in PromptLayer", "open a pull request"),
    }
    assert workspace.run("plan").status == 2


def test_the_table_has_a_line_for_each_direction(workspace: CliWorkspace) -> None:
    engineer = publishing(workspace)
    workspace.save("support/file", FIRST)
    workspace.save("support/platform", FIRST)
    engineer.take_files("support/file", "support/platform")
    engineer.edit_file("support/file", FIRST, "Be brief.")
    workspace.save("support/platform", SECOND)
    engineer.write_new_file("support/new")

    said = workspace.run("plan")

    assert "".join(f"{line.rstrip()}\n" for line in said.out.splitlines()) == TABLE


def test_sync_does_what_plan_showed(workspace: CliWorkspace) -> None:
    everything_at_once(workspace)

    said = workspace.run("sync")

    assert said.status == 0
    assert "published: prompts/latest/support/new.yaml" in said.out
    assert workspace.registry.find_entry("support/file").latest.number == 2
    assert workspace.registry.find_entry("support/new").latest.number == 1
    assert len(workspace.forge.list_open_pull_requests("promptlayer/")) == 5


def test_without_publish_plan_says_what_stays(workspace: CliWorkspace) -> None:
    engineer = everything_at_once(workspace)
    workspace.configure()
    assert engineer.workspace is workspace

    told = standing(workspace)

    nothing = "nothing (the mapping does not publish)"
    assert told["support/new"] == ("never synced: a new file", nothing)
    assert told["support/file"] == ("edited in the repository", nothing)


def test_a_label_that_stands_elsewhere_differs(workspace: CliWorkspace) -> None:
    workspace.configure(f"{CONFIG}    track: [prod]\n")
    id = workspace.save("support/reply", FIRST, labels=["prod"])
    workspace.run("sync")
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    workspace.forge.merge(opened.number, "squash")
    workspace.save("support/reply", SECOND)
    workspace.registry.move_label(id, "prod", 2)

    assert standing(workspace)["support/reply"] == (
        "label differs: version 2 in PromptLayer",
        "open a pull request",
    )


def test_a_file_that_was_removed_after_its_merge_is_told_and_left(workspace: CliWorkspace) -> None:
    engineer = publishing(workspace)
    workspace.save("support/reply", FIRST)
    workspace.run("sync")
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    workspace.forge.merge(opened.number, "squash")
    engineer.merge_files({path("support/reply"): None})

    told, action = standing(workspace)["support/reply"]

    assert told == "deleted in the repository"
    assert action.startswith("nothing (undone in the repository)")


def test_a_mistake_in_a_file_is_told_with_its_line(workspace: CliWorkspace) -> None:
    engineer = publishing(workspace)
    workspace.save("support/reply", FIRST)
    engineer.take_files("support/reply")
    engineer.merge_files(
        {path("support/odd"): new_file("support/odd").replace(b"system", b"sytem")}
    )

    told, action = standing(workspace)[path("support/odd")]

    assert told == "a mistake in the file"
    assert action.startswith(f"skip: {path('support/odd')}:")


def test_the_repositorys_text_is_chosen_on_the_command_line(workspace: CliWorkspace) -> None:
    everything_at_once(workspace)

    said = workspace.run("sync", "--adopt", "repository", "--prompt", "support/cl*")

    assert said.status == 0
    assert workspace.registry.find_entry("support/clash").latest.number == 3
    assert workspace.registry.find_entry("support/platform").latest.number == 2


def test_the_repositorys_text_needs_a_mapping_that_publishes(workspace: CliWorkspace) -> None:
    said = workspace.run("sync", "--adopt", "repository")

    assert (said.status, said.out) == (1, "")
    assert "set `publish: true`" in said.err


def test_a_prompt_without_a_choice_is_a_mistake(workspace: CliWorkspace) -> None:
    said = workspace.run("sync", "--prompt", "support/*")

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("--prompt goes with --adopt")
