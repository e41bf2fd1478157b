"""``audit``: who acted by the command line."""

from __future__ import annotations

import getpass

import pytest

from tests.integration.cli.cli_workspace import CliWorkspace, rows


@pytest.fixture
def acted(workspace: CliWorkspace) -> CliWorkspace:
    """A workspace in which a delivery was redelivered and a side was chosen."""
    workspace.save("support/reply")
    id = workspace.deliver()
    assert workspace.run("deliveries", "redeliver", id).status == 0
    workspace.run("sync", "--adopt", "platform", "--prompt", "support/*")
    return workspace


def test_no_action_is_told_as_such(workspace: CliWorkspace) -> None:
    said = workspace.run("audit")

    assert (said.status, said.out) == (0, "No action is recorded yet.\n")


def test_each_action_is_listed_with_who_did_it(acted: CliWorkspace) -> None:
    newest, oldest = rows(acted.run("audit").out)

    assert (newest["action"], newest["subject"]) == ("took PromptLayer's text", "support/*")
    assert oldest["action"] == "redelivered"
    assert {one["who"] for one in (newest, oldest)} == {getpass.getuser()}


def test_the_list_is_one_json_document_and_can_be_narrowed(acted: CliWorkspace) -> None:
    (entry,) = acted.run("audit", "--json", "--action", "redelivered").json["entries"]

    assert (entry["who"], entry["by"]) == (getpass.getuser(), "command line")
    assert len(acted.run("audit", "--json").json["entries"]) == 2


def test_an_unknown_action_is_told_with_those_that_there_are(workspace: CliWorkspace) -> None:
    said = workspace.run("audit", "--action", "danced")

    assert said.status == 1
    assert "There is no action 'danced'." in said.err
    assert "redelivered, " in said.err
