"""``import --history``: every version of a prompt is a commit."""

from __future__ import annotations

import pytest

from bridge.errors import RequestRefusedError
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.reconcile.import_history import HistoryImportResult, import_history
from tests.contract.forge_case import MergeMethod
from tests.integration.lifecycle.bridge_environment import (
    BOT,
    NAME,
    PATH,
    BridgeEnvironment,
    MakeWorld,
)

BRANCH = "promptlayer/support/history"
OTHER = "support/thank"
OTHER_PATH = PATH.replace("reply", "thank")
TOKEN = "ghp_" + "wq8Zr3LkT0nVb5YhJ2xCdM7sPfA1gE9uQi4o"


def import_all(environment: BridgeEnvironment) -> HistoryImportResult:
    environment.post.lose()
    controller = environment.controller
    return import_history(
        controller.contexts["support"],
        controller.file_index,
        lambda *_: None,
        controller.quota.acquire,
    )


def three_versions(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.", commit_message="First words")
    environment.clock.advance(3600)
    environment.save("Answer briefly.")
    environment.clock.advance(3600)
    environment.save("Answer at length.", commit_message="Say more")


def test_every_version_is_one_commit_with_its_date_and_message(
    environment: BridgeEnvironment,
) -> None:
    three_versions(environment)

    imported = import_all(environment)

    assert (imported.prompts, imported.versions, imported.refusals) == (1, 3, ())
    assert environment.repository.log(BRANCH, "%s") == [
        "support/reply version 3: Say more",
        "support/reply version 2",
        "support/reply version 1: First words",
    ]
    dates = [
        f"{v.created_at:%Y-%m-%dT%H:%M:%S+00:00}"
        for v in environment.registry.find_entry(NAME).versions
    ]
    assert environment.repository.log(BRANCH, "%aI") == dates[::-1]
    assert set(environment.repository.log(BRANCH, "%ae %ce")) == {f"{BOT.email} {BOT.email}"}
    texts = [environment.says(PATH, f"{BRANCH}~{back}") for back in (2, 1, 0)]
    assert texts == ["Answer kindly.", "Answer briefly.", "Answer at length."]
    assert [pull.head_branch for pull in environment.repository.open()] == [BRANCH]


def test_versions_of_several_prompts_follow_one_another_by_time(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer kindly.", commit_message="a")
    environment.clock.advance(60)
    environment.save("Say thanks.", OTHER, commit_message="b")
    environment.clock.advance(60)
    environment.save("Answer briefly.", commit_message="c")

    import_all(environment)

    subjects = environment.repository.log(BRANCH, "%s")
    assert [subject.rpartition(": ")[2] for subject in subjects] == ["c", "b", "a"]
    assert environment.repository.changed(BRANCH) == {PATH, OTHER_PATH}


def test_a_second_import_has_nothing_to_push(environment: BridgeEnvironment) -> None:
    three_versions(environment)
    import_all(environment)
    before = environment.repository.log(BRANCH, "%H")

    import_all(environment)

    assert environment.repository.log(BRANCH, "%H") == before
    assert len(environment.repository.every(BRANCH)) == 1


def test_a_version_that_came_later_is_added_to_the_same_pull_request(
    environment: BridgeEnvironment,
) -> None:
    three_versions(environment)
    import_all(environment)
    before = environment.repository.log(BRANCH, "%H")
    environment.clock.advance(60)
    environment.save("Answer in verse.")

    import_all(environment)

    assert environment.repository.log(BRANCH, "%H")[1:] == before
    assert len(environment.repository.every(BRANCH)) == 1


def test_a_prompt_that_has_a_file_is_left_alone(environment: BridgeEnvironment) -> None:
    three_versions(environment)
    environment.adopt()
    environment.save("Say thanks.", OTHER)

    imported = import_all(environment)

    assert imported.prompts == 1
    assert environment.repository.changed(BRANCH) == {OTHER_PATH}


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_once_merged_everything_is_in_step(
    environment: BridgeEnvironment, how: MergeMethod
) -> None:
    three_versions(environment)
    import_all(environment)
    environment.repository.merge(environment.pull_request(), how)

    environment.sweep()

    assert environment.repository.open() == []
    assert environment.says() == "Answer at length."
    assert import_all(environment) == HistoryImportResult(0, 0, None)


def test_a_sweep_leaves_the_branch_of_the_history_alone(environment: BridgeEnvironment) -> None:
    three_versions(environment)
    import_all(environment)

    environment.sweep()

    assert {pull.head_branch for pull in environment.repository.open()} == {
        BRANCH,
        environment.branch(),
    }
    assert environment.standing().kind is ReconcileOutcomeKind.PROPOSED


def test_a_version_with_a_secret_is_left_out_and_told(environment: BridgeEnvironment) -> None:
    environment.save("Answer kindly.")
    environment.save(f"Use {TOKEN}.")
    environment.save("Answer briefly.")

    imported = import_all(environment)

    assert imported.versions == 2
    ((prompt, reason),) = imported.refusals
    assert prompt == NAME
    assert "Version 2" in reason
    assert TOKEN not in reason


def test_a_message_of_a_stranger_does_nothing_in_git(environment: BridgeEnvironment) -> None:
    environment.save(
        "Answer kindly.", commit_message="Fixes #1\n\nSigned-off-by: x <x@example.com>"
    )

    import_all(environment)

    (message,) = environment.repository.log(BRANCH, "%B")
    assert "\nSigned-off-by" not in message
    assert "Fixes #1" not in message


def test_commits_of_others_on_the_branch_are_not_overwritten(
    environment: BridgeEnvironment,
) -> None:
    three_versions(environment)
    import_all(environment)
    commit = environment.repository.commit({"notes.md": b"mine"}, BRANCH)
    environment.save("Answer in verse.")

    with pytest.raises(RequestRefusedError, match="not the bridge's"):
        import_all(environment)

    assert environment.repository.log(BRANCH, "%H")[0] == commit


def test_a_file_in_the_way_is_told_and_the_others_are_imported(make_world: MakeWorld) -> None:
    environment = make_world({})
    environment.save("Answer kindly.")
    environment.save("Say thanks.", OTHER)
    environment.repository.commit({PATH: b"not: a prompt\n"})

    imported = import_all(environment)

    assert imported.prompts == 1
    assert [prompt for prompt, _ in imported.refusals] == [NAME]
