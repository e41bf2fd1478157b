"""``plan`` shows and ``sync`` does: the same things, in words."""

from __future__ import annotations

import json

import pytest

from tests.integration.cli.desk import CONFIG, NOBODY, Desk

TABLE = """\
mapping  prompt         label   standing                                 sync would
support  support/reply  latest  never synced: not in the repository yet  open a pull request
support  support/thank  latest  never synced: not in the repository yet  open a pull request
"""
DIFF = """\
--- /dev/null
+++ b/prompts/latest/support/reply.yaml
"""


def without_trailing_blanks(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def test_plan_shows_what_is_new_as_a_table(desk: Desk) -> None:
    desk.save("support/reply")
    desk.save("support/thank")
    desk.save("sales/hello")

    said = desk.run("plan")

    assert (said.status, said.err) == (2, "")
    assert without_trailing_blanks(said.out) == TABLE


def test_plan_in_step_says_so(desk: Desk) -> None:
    said = desk.run("plan")

    assert (said.status, said.out) == (0, "Everything is in step.\n")


def test_plan_is_one_json_document(desk: Desk) -> None:
    desk.save("support/reply")

    said = desk.run("plan", "--json")

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


def test_plan_in_step_is_a_json_document_too(desk: Desk) -> None:
    said = desk.run("plan", "--json")

    assert said.status == 0
    assert said.json == {"out_of_step": [], "warnings": [], "not_followed": []}


def test_plan_shows_each_diff(desk: Desk) -> None:
    desk.save("support/reply", "Be [bold] and kind.")

    said = desk.run("plan", "--diff")

    assert said.status == 2
    assert DIFF in without_trailing_blanks(said.out)
    assert "+    content: Be [bold] and kind." in said.out


def test_plan_changes_nothing(desk: Desk) -> None:
    desk.save("support/reply")

    desk.run("plan")

    assert desk.forge.open_pull_requests("") == []


def test_a_prompt_named_in_markup_is_shown_as_it_is(desk: Desk) -> None:
    desk.save("support/[red]x[blue]")

    assert "support/[red]x[blue]" in desk.run("plan").out


def test_sync_proposes_what_plan_showed_and_plan_then_has_nothing_to_add(desk: Desk) -> None:
    desk.save("support/reply")
    desk.save("support/thank")

    said = desk.run("sync")
    after = desk.run("plan")

    assert said.status == 0
    assert said.out.splitlines()[-1] == "2 proposed"
    assert len(desk.forge.open_pull_requests("promptlayer/")) == 2
    assert after.status == 2
    assert after.out.count("nothing (proposed already)") == 2


def test_sync_after_the_merge_is_in_step(desk: Desk) -> None:
    desk.save("support/reply")
    desk.run("sync")
    (opened,) = desk.forge.open_pull_requests("promptlayer/")
    desk.forge.merge(opened.number, "squash")

    said = desk.run("sync")

    assert said.status == 0
    assert "in step" in said.out.splitlines()[-1]
    assert desk.run("plan").out == "Everything is in step.\n"


def test_sync_again_opens_nothing_again(desk: Desk) -> None:
    desk.save("support/reply")
    desk.run("sync")

    said = desk.run("sync")

    assert said.out.splitlines()[-1] == "1 proposed already"
    assert len(desk.forge.open_pull_requests("promptlayer/")) == 1


def test_sync_lists_what_cannot_be_placed_and_goes_on(desk: Desk) -> None:
    desk.save("support/reply")
    desk.save("support/thank")
    desk.forge.create_repository(
        desk.folder / "forge",
        "acme/other",
        {"prompts/latest/support/reply.yaml": b"not: a prompt\n"},
    )
    desk.configure(CONFIG.replace("acme/support-bot", "acme/other"))

    said = desk.run("sync")

    assert said.status == 1
    assert "prompts/latest/support/reply.yaml" in said.out
    assert "1 proposed" in said.out.splitlines()[-1]
    assert "1 parked" in said.out.splitlines()[-1]
    assert said.out.count("parked: ") == 1  # once, though the scan and the look both find it

    planned = desk.run("plan", "--json").json["out_of_step"]
    told = [row for row in planned if "support/reply" in json.dumps(row)]
    assert [row["standing"] for row in told] == ["left out"]


def test_sync_of_one_mapping_leaves_the_others_alone(desk: Desk) -> None:
    desk.configure(
        CONFIG
        + "  - {{name: sales, prompts: ['sales/*'], repository: 'local:acme/support-bot',"
        + " path: 'sales/{{label}}/{{prompt}}.yaml'}}\n"
    )
    desk.save("support/reply")
    desk.save("sales/hello")

    said = desk.run("sync", "sales")

    assert said.out.splitlines()[-1] == "1 proposed"
    assert "sales/hello" in desk.forge.open_pull_requests("promptlayer/")[0].title


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_an_unknown_mapping_is_told(desk: Desk, command: str) -> None:
    said = desk.run(command, "nobody")

    assert (said.status, said.out) == (1, "")
    assert said.err == "There is no mapping named 'nobody'; this file has: support.\n"


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_promptlayer_out_of_reach_is_told_in_one_line(desk: Desk, command: str) -> None:
    desk.configure(platform=NOBODY)

    said = desk.run(command)

    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(f"PromptLayer cannot be reached at {NOBODY}")
    assert len(said.err.splitlines()) == 1


def test_the_output_of_sync_in_a_pipe_has_no_moving_parts(desk: Desk) -> None:
    desk.save("support/reply")

    said = desk.start("sync")

    assert said.status == 0
    assert "\x1b" not in said.out + said.err
    assert "\r" not in said.out + said.err
    assert said.err == ""
    assert len(said.out.splitlines()) == 2


def test_in_a_pipe_a_diff_is_the_diff_and_nothing_else(desk: Desk) -> None:
    text = " ".join(["Answer kindly, as long as there is something to say."] * 4)
    desk.save("support/reply", text)
    del desk.environment["COLUMNS"]

    said = desk.run("plan", "--diff")

    assert "+++ b/prompts/latest/support/reply.yaml" in said.out.splitlines()
    assert f"+    content: {text}" in said.out.splitlines()
