"""``plan`` shows and ``sync`` does: the same things, in words."""

from __future__ import annotations

import json

import pytest

from tests.integration.cli.cli_workspace import CONFIG, NOBODY, CliWorkspace
from tests.integration.cli.repository_engineer import RepositoryEngineer
from tests.standins.git_http import read_file

TABLE = """\
mapping  prompt         label   standing                                 sync would
support  support/reply  latest  never synced: not in the repository yet  open a pull request
support  support/thank  latest  never synced: not in the repository yet  open a pull request

2 to propose
"""
DIFF = """\
--- /dev/null
+++ b/prompts/latest/support/reply.yaml
"""


def without_trailing_blanks(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def test_plan_shows_what_is_new_as_a_table(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.save("support/thank")
    workspace.save("sales/hello")

    said = workspace.run("plan")

    assert (said.status, said.err) == (2, "")
    assert without_trailing_blanks(said.out) == TABLE


def test_plan_in_step_says_so(workspace: CliWorkspace) -> None:
    said = workspace.run("plan")

    assert (said.status, said.out) == (0, "Everything is in step.\n")


def test_plan_is_one_json_document(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")

    said = workspace.run("plan", "--json")

    assert said.status == 2
    assert said.json == {
        "out_of_step": [
            {
                "mapping": "support",
                "prompt": "support/reply",
                "label": "latest",
                "path": "prompts/latest/support/reply.yaml",
                "standing": "never synced: not in the repository yet",
                "action": "open a pull request",
                "pull_request": None,
                "diff": "",
            }
        ],
        "warnings": [],
        "not_followed": [],
    }


def test_plan_in_step_is_a_json_document_too(workspace: CliWorkspace) -> None:
    said = workspace.run("plan", "--json")

    assert said.status == 0
    assert said.json == {"out_of_step": [], "warnings": [], "not_followed": []}


def test_plan_shows_each_diff(workspace: CliWorkspace) -> None:
    workspace.save("support/reply", "Be [bold] and kind.")

    said = workspace.run("plan", "--diff")

    assert said.status == 2
    assert DIFF in without_trailing_blanks(said.out)
    assert "+    content: Be [bold] and kind." in said.out


def test_plan_changes_nothing(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")

    workspace.run("plan")

    assert workspace.forge.list_open_pull_requests("") == []


def test_a_prompt_named_in_markup_is_shown_as_it_is(workspace: CliWorkspace) -> None:
    workspace.save("support/[red]x[blue]")

    assert "support/[red]x[blue]" in workspace.run("plan").out


def test_sync_proposes_what_plan_showed_and_plan_then_has_nothing_to_add(
    workspace: CliWorkspace,
) -> None:
    workspace.save("support/reply")
    workspace.save("support/thank")

    said = workspace.run("sync")
    after = workspace.run("plan")

    assert said.status == 0
    assert said.out.splitlines()[-1] == "2 proposed"
    assert len(workspace.forge.list_open_pull_requests("promptlayer/")) == 2
    assert after.status == 2
    assert after.out.count("nothing (proposed already)") == 2


def test_sync_after_the_merge_is_in_step(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.run("sync")
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    workspace.forge.merge(opened.number, "squash")

    said = workspace.run("sync")

    assert said.status == 0
    assert "in step" in said.out.splitlines()[-1]
    assert workspace.run("plan").out == "Everything is in step.\n"


def test_sync_again_opens_nothing_again(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.run("sync")

    said = workspace.run("sync")

    assert said.out.splitlines()[-1] == "1 proposed already"
    assert len(workspace.forge.list_open_pull_requests("promptlayer/")) == 1


def test_sync_lists_what_cannot_be_placed_and_goes_on(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.save("support/thank")
    workspace.forge.create_repository(
        workspace.folder / "forge",
        "acme/other",
        {"prompts/latest/support/reply.yaml": b"not: a prompt\n"},
    )
    workspace.configure(CONFIG.replace("acme/support-bot", "acme/other"))

    said = workspace.run("sync")

    assert said.status == 1
    assert "prompts/latest/support/reply.yaml" in said.out
    assert "1 proposed" in said.out.splitlines()[-1]
    assert "1 parked" in said.out.splitlines()[-1]
    assert said.out.count("parked: ") == 1  # once, though the scan and the look both find it

    planned = workspace.run("plan", "--json").json["out_of_step"]
    told = [row for row in planned if "support/reply" in json.dumps(row)]
    assert [row["standing"] for row in told] == ["left out"]


def test_sync_of_one_mapping_leaves_the_others_alone(workspace: CliWorkspace) -> None:
    workspace.configure(
        CONFIG
        + "  - {{name: sales, prompts: ['sales/*'], repository: 'local:acme/support-bot',"
        + " path: 'sales/{{label}}/{{prompt}}.yaml'}}\n"
    )
    workspace.save("support/reply")
    workspace.save("sales/hello")

    said = workspace.run("sync", "sales")

    assert said.out.splitlines()[-1] == "1 proposed"
    assert "sales/hello" in workspace.forge.list_open_pull_requests("promptlayer/")[0].title


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_an_unknown_mapping_is_told(workspace: CliWorkspace, command: str) -> None:
    said = workspace.run(command, "nobody")

    assert (said.status, said.out) == (1, "")
    assert said.err == "There is no mapping named 'nobody'; this file has: support.\n"


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_promptlayer_out_of_reach_is_told_in_one_line(
    workspace: CliWorkspace, command: str
) -> None:
    workspace.configure(platform=NOBODY)

    said = workspace.run(command)

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(f"PromptLayer cannot be reached at {NOBODY}")
    assert len(said.err.splitlines()) == 1


def test_the_output_of_sync_in_a_pipe_has_no_moving_parts(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")

    said = workspace.start("sync")

    assert said.status == 0
    assert "\x1b" not in said.out + said.err
    assert "\r" not in said.out + said.err
    assert said.err == ""
    assert len(said.out.splitlines()) == 2


def test_in_a_pipe_a_diff_is_the_diff_and_nothing_else(workspace: CliWorkspace) -> None:
    text = " ".join(["Answer kindly, as long as there is something to say."] * 4)
    workspace.save("support/reply", text)
    del workspace.environment["COLUMNS"]

    said = workspace.run("plan", "--diff")

    assert "+++ b/prompts/latest/support/reply.yaml" in said.out.splitlines()
    assert f"+    content: {text}" in said.out.splitlines()


def test_sync_counts_each_target_once(workspace: CliWorkspace) -> None:
    workspace.configure(f"{CONFIG}    track: [latest, prod]\n")
    workspace.save("support/reply", labels=["prod"])
    workspace.run("sync")
    for opened in workspace.forge.list_open_pull_requests("promptlayer/"):
        workspace.forge.merge(opened.number, "squash")

    merged, again = workspace.run("sync"), workspace.run("sync")

    assert (merged.out, again.out) == ("2 in step\n", "2 in step\n")


def test_a_copy_of_another_labels_file_is_one_row_and_its_pull_request_says_why(
    workspace: CliWorkspace,
) -> None:
    workspace.configure(f"{CONFIG}    publish: true\n    track: [latest, prod]\n")
    engineer = RepositoryEngineer(workspace)
    workspace.save("support/reply", labels=["prod"])
    workspace.save("support/reply", "Be brief.")
    workspace.run("sync")
    for opened in workspace.forge.list_open_pull_requests("promptlayer/"):
        workspace.forge.merge(opened.number, "squash")
    workspace.run("sync")
    copied = engineer.read_file("support/reply").encode()
    engineer.merge_files({"prompts/prod/support/reply.yaml": copied})

    planned, synced = workspace.run("plan", "--json"), workspace.run("sync")

    (row,) = planned.json["out_of_step"]
    assert row["action"] == (
        "move prod to the version with this content, or publish one and move prod to it;"
        " open a pull request"
    )
    assert "label prod is on version 2" in synced.out
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    assert opened.title == "Set the label of support/reply in its file"
    assert opened.body.startswith("Writes `label: prod` into the file of `support/reply`")
    assert "was moved" not in opened.body
    head = read_file(engineer.repository, opened.head_branch, "prompts/prod/support/reply.yaml")
    assert b"label: prod\n" in head


def test_sync_is_one_json_document_that_names_prompts_in_the_order_of_people(
    workspace: CliWorkspace,
) -> None:
    workspace.save("support/step 10")
    workspace.save("support/step 9")

    said = workspace.run("sync", "--json")

    assert (said.status, said.err) == (0, "")
    assert said.json["counts"] == {"proposed": 2}
    results = said.json["results"]
    assert [one["subject"] for one in results] == [
        "support support/step 9",
        "support support/step 10",
    ]
    assert all(one["pull_request"].startswith("http://forge.example.com") for one in results)
    assert said.json["warnings"] == []
