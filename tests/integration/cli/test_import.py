"""``import --history`` at the desk."""

from __future__ import annotations

from pathlib import Path

from tests.integration.cli.cli_workspace import CliWorkspace
from tests.standins.git_http import git


def test_the_history_becomes_one_pull_request(workspace: CliWorkspace) -> None:
    workspace.save("support/reply", "Be kind.")
    workspace.save("support/reply", "Be brief.")
    workspace.save("sales/hello")

    said = workspace.run("import", "--history")

    (opened,) = workspace.forge.list_open_pull_requests("promptlayer/")
    assert (said.status, said.err) == (0, "")
    page = f"http://forge.example.com/acme/support-bot/pull/{opened.number}"
    assert said.out == f"support: 2 versions of 1 prompts: {page}\n"
    commits = git(
        Path(workspace.forge.create_git_remote().url),
        "rev-list",
        "--count",
        f"main..{opened.head_branch}",
    )
    assert commits.strip() == "2"


def test_a_repository_that_has_every_prompt_is_told(workspace: CliWorkspace) -> None:
    said = workspace.run("import", "--history", "support")

    assert (said.status, said.out) == (0, "support: the repository has every prompt already.\n")


def test_what_is_left_out_is_told(workspace: CliWorkspace) -> None:
    workspace.save("support/reply", "Use ghp_wq8Zr3LkT0nVb5YhJ2xCdM7sPfA1gE9uQi4o.")

    said = workspace.run("import", "--history")

    assert said.status == 1
    assert said.out.startswith("left out: support/reply: Version 1 of it holds what looks like")


def test_import_without_history_points_to_sync(workspace: CliWorkspace) -> None:
    said = workspace.run("import")

    assert (said.status, said.out) == (1, "")
    assert "import --history" in said.err
    assert "sync" in said.err
