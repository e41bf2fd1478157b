"""``status``: where is my prompt?"""

from __future__ import annotations

from tests.integration.cli.cli_workspace import CliWorkspace


def test_nothing_known_is_told_as_such(workspace: CliWorkspace) -> None:
    said = workspace.run("status")

    assert said.status == 0
    assert "Nothing is known yet." in said.out


def test_every_prompt_is_told_with_its_state(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.save("support/thank", "Use ghp_16C7e42F292c6912E7710c838347Ae178B4a.")
    workspace.run("sync")

    said = workspace.run("status")

    assert (said.status, said.out.splitlines()[-1]) == (0, "1 pull request open, 1 parked")
    told = workspace.run("status", "--json").json["prompts"]
    assert [(one["prompt"], one["state"]) for one in told] == [
        ("support/reply", "pull request open"),
        ("support/thank", "parked"),
    ]
    (parked,) = workspace.run("status", "--json", "--state", "parked").json["prompts"]
    assert "secret" in parked["reason"]


def test_of_one_prompt_the_way_is_told(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.run("sync")
    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")

    said = workspace.run("status", "support/reply")
    told = workspace.run("status", "1", "--json").json

    assert said.status == 0
    assert "pull request opened" in said.out
    assert [step["what"] for step in told["way"]] == ["looked at", "pull request opened"]
    assert told["way"][1]["pull_request"].endswith("/pull/1")
    assert [one["number"] for one in told["prompts"]] == [opened.number]


def test_a_prompt_that_nobody_knows_is_told(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.run("sync")

    said = workspace.run("status", "support/nothing")

    assert said.status == 1
    assert "knows no prompt 'support/nothing'" in said.err


def test_in_a_pipe_names_and_addresses_stay_whole(workspace: CliWorkspace) -> None:
    name = "support/" + "a-name-that-goes-on-" * 6 + "and-ends"
    workspace.save(name)
    del workspace.environment["COLUMNS"]
    planned = workspace.run("plan")
    workspace.run("sync")
    workspace.deliver()

    told = (planned, workspace.run("status"), workspace.run("deliveries", "list"))

    for said in told:
        assert [name in line.split() for line in said.out.splitlines()].count(True) == 1, said.out
    assert "http://forge.example.com/acme/support-bot/pull/1" in told[1].out


def test_nothing_that_fits_is_not_told_as_nothing_known(workspace: CliWorkspace) -> None:
    workspace.save("support/reply")
    workspace.run("sync")

    for words in (("--state", "parked"), ("--mapping", "support", "--state", "parked")):
        said = workspace.run("status", *words)
        assert (said.status, said.out) == (0, "No prompt fits.\n")
