"""``pause: true``: every command says so, and none of them writes for the mapping."""

from __future__ import annotations

import pytest

from tests.integration.cli.cli_workspace import CONFIG, CliWorkspace

PAUSED = CONFIG + "    pause: true\n"
REASON = (
    "mapping support is paused (pause: true in its settings): nothing is pushed or published until"
    " that is removed"
)
SENTENCE = f"M{REASON[1:]}."


def test_sync_proposes_nothing_for_a_paused_mapping_until_the_setting_is_gone(
    workspace: CliWorkspace,
) -> None:
    workspace.save("support/reply")
    workspace.configure(PAUSED)

    said = workspace.run("sync")

    assert (said.status, said.out) == (0, f"warning: {REASON}\nnothing to do\n")
    assert workspace.forge.list_open_pull_requests("") == []
    workspace.configure()
    assert workspace.run("sync").status == 0
    assert len(workspace.forge.list_open_pull_requests("")) == 1


def test_plan_shows_the_drift_of_a_paused_mapping_and_that_nothing_happens(
    workspace: CliWorkspace,
) -> None:
    workspace.save("support/reply")
    workspace.configure(PAUSED)

    said = workspace.run("plan")

    assert said.status == 2
    assert said.out.startswith(f"warning: {REASON}\n")
    assert "nothing (the mapping is paused)" in said.out
    assert said.out.endswith("\n1 to leave\n")


def test_check_and_status_say_that_a_mapping_is_paused(workspace: CliWorkspace) -> None:
    workspace.configure(PAUSED)

    assert f"warning {SENTENCE}\n" in workspace.run("check", "--offline").out
    assert REASON in workspace.run("status").err
    assert workspace.run("status", "--json").json["paused"] == [REASON]
    workspace.configure()
    assert "paused" not in workspace.run("check", "--offline").out
    assert "paused" not in workspace.run("status").err


@pytest.mark.parametrize("command", ["prune support --yes", "import --history"])
def test_a_command_that_writes_is_refused_for_a_paused_mapping(
    workspace: CliWorkspace, command: str
) -> None:
    workspace.configure(PAUSED)

    said = workspace.run(*command.split())

    assert (said.status, said.err) == (1, f"{SENTENCE}\n")


def test_publish_leaves_a_paused_mapping_alone_and_says_so(workspace: CliWorkspace) -> None:
    workspace.configure(f"{PAUSED}    publish: true\n")

    said = workspace.run("publish")

    assert (said.status, said.out, said.err) == (0, "", f"warning: {REASON}\n")
