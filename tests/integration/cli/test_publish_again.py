"""``publish`` and ``sync`` in CI, week after week: every run starts with an empty disk, and knows
only what the repository, its forge and PromptLayer tell."""

from __future__ import annotations

import shutil

import pytest

from tests.integration.cli.desk import Desk, Said
from tests.integration.cli.engineer import Engineer, path, publishing
from tests.integration.cli.test_publish import REPLY, actions, texts
from tests.standins.git_http import git


@pytest.fixture
def engineer(desk: Desk) -> Engineer:
    """A mapping that publishes, with one prompt that was synced and merged."""
    engineer = publishing(desk)
    desk.save(REPLY)
    assert in_ci(desk, "sync").status == 0
    merge_all(desk)
    assert in_ci(desk, "publish").status == 0
    return engineer


def in_ci(desk: Desk, *words: str) -> Said:
    shutil.rmtree(desk.folder / "bridge-data", ignore_errors=True)
    return desk.run(*words)


def merge_all(desk: Desk) -> None:
    for pull in desk.forge.open_pull_requests("promptlayer/"):
        desk.forge.merge(pull.number, "squash")


def revert(engineer: Engineer) -> None:
    tree = git(engineer.repository, "rev-parse", "main~1^{tree}")
    new = git(engineer.repository, "commit-tree", tree, "-p", "main", "-m", "Revert")
    git(engineer.repository, "update-ref", "refs/heads/main", new)


def test_a_second_edit_in_a_row_becomes_a_second_version(desk: Desk, engineer: Engineer) -> None:
    engineer.edits(REPLY, "Be kind", "Be brief")
    assert in_ci(desk, "publish").status == 0

    engineer.edits(REPLY, "Be brief", "Be bold")
    said = in_ci(desk, "publish", "--json")

    assert (said.status, actions(said)) == (0, {path(REPLY): "published"})
    assert texts(desk, REPLY) == ["Be kind.", "Be brief.", "Be bold."]
    again = in_ci(desk, "publish", "--json")
    assert (again.status, actions(again)) == (0, {})
    in_ci(desk, "sync")
    assert list(desk.forge.open_pull_requests("promptlayer/")) == []


def test_a_revert_becomes_a_version_with_the_old_text(desk: Desk, engineer: Engineer) -> None:
    engineer.edits(REPLY, "Be kind", "Be brief")
    assert in_ci(desk, "publish").status == 0

    revert(engineer)
    said = in_ci(desk, "publish")

    assert said.status == 0
    assert texts(desk, REPLY) == ["Be kind.", "Be brief.", "Be kind."]


def test_the_revert_of_a_merged_proposal_becomes_a_version(desk: Desk, engineer: Engineer) -> None:
    desk.save(REPLY, "Be brief.")
    in_ci(desk, "sync")
    merge_all(desk)

    revert(engineer)
    said = in_ci(desk, "publish")

    assert said.status == 0
    assert texts(desk, REPLY) == ["Be kind.", "Be brief.", "Be kind."]


def test_what_is_merged_after_a_decline_is_published(desk: Desk, engineer: Engineer) -> None:
    desk.save(REPLY, "Be brief.")
    in_ci(desk, "sync")
    (pull,) = desk.forge.open_pull_requests("promptlayer/")
    desk.forge.close(pull.number)
    assert in_ci(desk, "publish").status == 0

    engineer.edits(REPLY, "Be kind", "Be bold")
    said = in_ci(desk, "publish", "--json")

    assert (said.status, actions(said)) == (0, {path(REPLY): "published"})
    assert texts(desk, REPLY) == ["Be kind.", "Be brief.", "Be bold."]


def test_an_edit_of_what_was_deleted_in_promptlayer_is_no_success(
    desk: Desk, engineer: Engineer
) -> None:
    desk.save("support/other")
    engineer.takes("support/other")
    engineer.edits(REPLY, "Be kind", "Be brief")
    desk.registry.delete(1)

    said = in_ci(desk, "publish")

    assert said.status == 3
    assert "no longer in PromptLayer, and edited in the repository" in said.out


def test_edits_of_both_sides_still_need_a_person(desk: Desk, engineer: Engineer) -> None:
    engineer.edits(REPLY, "Be kind", "Be brief")
    desk.save(REPLY, "Be bold.")

    said = in_ci(desk, "publish")

    assert said.status == 3
    assert texts(desk, REPLY) == ["Be kind.", "Be bold."]


def test_a_dry_run_records_nothing(desk: Desk, engineer: Engineer) -> None:
    refs = ("for-each-ref", "refs/promptlayer-bridge")
    before = git(engineer.repository, *refs)
    engineer.edits(REPLY, "Be kind", "Be brief")

    assert in_ci(desk, "publish", "--dry-run").status == 2
    assert in_ci(desk, "plan").status == 2

    assert before
    assert git(engineer.repository, *refs) == before
