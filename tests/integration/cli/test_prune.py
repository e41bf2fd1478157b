"""``prune``, and what the other commands say of a mapping that follows nothing any more."""

from __future__ import annotations

import pytest

from tests.integration.cli.cli_workspace import CONFIG, CliWorkspace

TYPO = CONFIG.replace("support/*", "supprt/*")
GAP = "mapping support follows 0 of 2 prompts: no name matches supprt/*: did you mean support/*?"
KEPT = (
    "mapping support: no longer followed: 2 prompts, 2 open pull requests; all of it stays as it is"
    " until `promptlayer-bridge prune support`"
)
REASON = "mapping support no longer follows it (prompts: supprt/*)"


@pytest.fixture
def typo(workspace: CliWorkspace) -> CliWorkspace:
    """Two prompts are proposed, and then the mapping has a typo."""
    workspace.save("support/reply")
    workspace.save("support/thank")
    assert workspace.run("sync").status == 0
    workspace.configure(TYPO)
    return workspace


def open_heads(workspace: CliWorkspace) -> list[str]:
    return sorted(
        pull.head_branch for pull in workspace.forge.list_open_pull_requests("promptlayer/")
    )


def test_check_warns_of_a_mapping_that_follows_nothing_and_is_content(typo: CliWorkspace) -> None:
    said = typo.run("check")

    assert said.status == 0
    assert f"warning M{GAP[1:]}" in said.out


def test_plan_tells_what_is_not_followed_and_does_not_say_that_all_is_well(
    typo: CliWorkspace,
) -> None:
    said = typo.run("plan")

    assert said.status == 0
    assert f"warning: {GAP}" in said.out
    assert f"{KEPT} ({REASON})" in said.out
    assert "Everything is in step" not in said.out


def test_plan_tells_it_as_json_too(typo: CliWorkspace) -> None:
    said = typo.run("plan", "--json")

    assert said.json["warnings"] == [GAP]
    assert said.json["not_followed"] == [f"{KEPT} ({REASON})"]


def test_sync_tells_it_and_leaves_everything_as_it_is(typo: CliWorkspace) -> None:
    heads = open_heads(typo)

    said = typo.run("sync")

    assert said.status == 0
    assert f"warning: {GAP}" in said.out
    assert KEPT in said.out
    assert open_heads(typo) == heads != []


def test_status_tells_it_until_it_is_mended(typo: CliWorkspace) -> None:
    typo.run("sync")

    said = typo.run("status")
    assert GAP in said.err
    assert "no longer followed: 2 prompts, 2 open pull requests" in said.err
    assert typo.run("status", "--json").json["problems"][0]["message"] == GAP

    typo.configure(CONFIG)
    typo.run("sync")
    assert typo.run("status").err == ""


def test_prune_shows_first_and_does_nothing_without_a_word(typo: CliWorkspace) -> None:
    heads = open_heads(typo)

    shown = typo.run("prune", "support", "--dry-run")
    refused = typo.run("prune", "support")

    assert shown.status == 0
    assert shown.out.count("withdraw the pull request") == 2
    assert REASON in shown.out
    assert refused.status == 1
    assert "Say --yes to prune" in refused.err
    assert open_heads(typo) == heads


def test_prune_withdraws_with_the_true_reason(typo: CliWorkspace) -> None:
    said = typo.run("prune", "support", "--yes", "--json")

    assert said.status == 0
    assert {one["outcome"] for one in said.json["done"]} == {"withdrawn"}
    assert {one["reason"] for one in said.json["done"]} == {REASON}
    assert open_heads(typo) == []
    assert "Nothing is left" in typo.run("prune", "support", "--yes").out
    (entry,) = typo.run("audit", "--json").json["entries"]
    assert (entry["action"], entry["mapping"]) == ("pruned", "support")
    assert entry["subject"] == "2 unfollowed targets"


def test_a_label_that_no_prompt_has_is_told(workspace: CliWorkspace) -> None:
    workspace.save("support/reply", labels=["prod"])
    workspace.configure(CONFIG + "    track: [prodd]\n")

    said = workspace.run("plan")

    assert "none has the label prodd (there is prod): did you mean prod?" in said.out


def test_a_pattern_that_means_nothing_is_refused_with_its_line(workspace: CliWorkspace) -> None:
    workspace.configure(CONFIG.replace('"support/*"', '"support/{{001}}"'))

    said = workspace.run("check", "--offline")

    assert said.status == 1
    assert "bridge.yaml:9: " in said.err
    assert "expected {one,another}" in said.err


def test_prompts_that_were_all_deleted_on_purpose_are_let_go(workspace: CliWorkspace) -> None:
    prompt_id = workspace.save("support/reply")
    workspace.run("sync")
    (pull,) = workspace.forge.list_open_pull_requests("promptlayer/")
    workspace.forge.merge(pull.number)
    workspace.run("sync")
    workspace.registry.delete(prompt_id)

    said = workspace.run("sync")
    assert said.status == 1
    assert "`promptlayer-bridge prune support` proposes to remove the files" in said.err

    assert workspace.run("prune", "support", "--yes").status == 0
    (pull,) = workspace.forge.list_open_pull_requests("promptlayer/")
    assert "Remove support/reply" in pull.title
    workspace.forge.merge(pull.number)
    assert workspace.run("sync").status == 0
