"""``publish`` and ``sync`` in CI, week after week: every run starts with an empty disk, and knows
only what the repository, its forge and PromptLayer tell."""

from __future__ import annotations

import shutil

import pytest

from tests.integration.cli.cli_workspace import CliWorkspace, CommandResult
from tests.integration.cli.repository_engineer import RepositoryEngineer, path, publishing
from tests.integration.cli.test_publish import REPLY, actions, texts
from tests.standins.git_http import git


@pytest.fixture
def engineer(workspace: CliWorkspace) -> RepositoryEngineer:
    """A mapping that publishes, with one prompt that was synced and merged."""
    engineer = publishing(workspace)
    workspace.save(REPLY)
    assert in_ci(workspace, "sync").status == 0
    merge_all(workspace)
    assert in_ci(workspace, "publish").status == 0
    return engineer


def in_ci(workspace: CliWorkspace, *words: str) -> CommandResult:
    shutil.rmtree(workspace.folder / "bridge-data", ignore_errors=True)
    return workspace.run(*words)


def merge_all(workspace: CliWorkspace) -> None:
    for pull in workspace.forge.list_open_pull_requests("promptlayer/"):
        workspace.forge.merge(pull.number, "squash")


def revert(engineer: RepositoryEngineer) -> None:
    tree = git(engineer.repository, "rev-parse", "main~1^{tree}")
    new = git(engineer.repository, "commit-tree", tree, "-p", "main", "-m", "Revert")
    git(engineer.repository, "update-ref", "refs/heads/main", new)


def test_a_second_edit_in_a_row_becomes_a_second_version(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.edit_file(REPLY, "Be kind", "Be brief")
    assert in_ci(workspace, "publish").status == 0

    engineer.edit_file(REPLY, "Be brief", "Be bold")
    said = in_ci(workspace, "publish", "--json")

    assert (said.status, actions(said)) == (0, {path(REPLY): "published"})
    assert texts(workspace, REPLY) == ["Be kind.", "Be brief.", "Be bold."]
    again = in_ci(workspace, "publish", "--json")
    assert (again.status, actions(again)) == (0, {})
    in_ci(workspace, "sync")
    assert list(workspace.forge.list_open_pull_requests("promptlayer/")) == []


def test_a_revert_becomes_a_version_with_the_old_text(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.edit_file(REPLY, "Be kind", "Be brief")
    assert in_ci(workspace, "publish").status == 0

    revert(engineer)
    said = in_ci(workspace, "publish")

    assert said.status == 0
    assert texts(workspace, REPLY) == ["Be kind.", "Be brief.", "Be kind."]


def test_the_revert_of_a_merged_proposal_becomes_a_version(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    workspace.save(REPLY, "Be brief.")
    in_ci(workspace, "sync")
    merge_all(workspace)

    revert(engineer)
    said = in_ci(workspace, "publish")

    assert said.status == 0
    assert texts(workspace, REPLY) == ["Be kind.", "Be brief.", "Be kind."]


def test_what_is_merged_after_a_decline_is_published(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    workspace.save(REPLY, "Be brief.")
    in_ci(workspace, "sync")
    (pull,) = workspace.forge.list_open_pull_requests("promptlayer/")
    workspace.forge.close(pull.number)
    assert in_ci(workspace, "publish").status == 0

    engineer.edit_file(REPLY, "Be kind", "Be bold")
    said = in_ci(workspace, "publish", "--json")

    assert (said.status, actions(said)) == (0, {path(REPLY): "published"})
    assert texts(workspace, REPLY) == ["Be kind.", "Be brief.", "Be bold."]


def test_an_edit_of_what_was_deleted_in_promptlayer_is_no_success(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    workspace.save("support/other")
    engineer.take_files("support/other")
    engineer.edit_file(REPLY, "Be kind", "Be brief")
    workspace.registry.delete(1)

    said = in_ci(workspace, "publish")

    assert said.status == 3
    assert "no longer in PromptLayer, and edited in the repository" in said.out


def test_edits_of_both_sides_still_need_a_person(
    workspace: CliWorkspace, engineer: RepositoryEngineer
) -> None:
    engineer.edit_file(REPLY, "Be kind", "Be brief")
    workspace.save(REPLY, "Be bold.")

    said = in_ci(workspace, "publish")

    assert said.status == 3
    assert texts(workspace, REPLY) == ["Be kind.", "Be bold."]


def test_a_dry_run_records_nothing(workspace: CliWorkspace, engineer: RepositoryEngineer) -> None:
    refs = ("for-each-ref", "refs/promptlayer-bridge")
    before = git(engineer.repository, *refs)
    engineer.edit_file(REPLY, "Be kind", "Be brief")

    assert in_ci(workspace, "publish", "--dry-run").status == 2
    assert in_ci(workspace, "plan").status == 2

    assert before
    assert git(engineer.repository, *refs) == before
