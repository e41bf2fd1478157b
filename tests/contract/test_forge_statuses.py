"""What every forge adapter promises of statuses, of commits, and of pull requests from forks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bridge.errors import ForbiddenError, NotFoundError, RequestRefusedError
from bridge.forge.forge import PullRequest, PullRequestState, StatusState
from tests.contract.forge_case import ForgeCase, HostedCase, MergeMethod
from tests.contract.test_forge_contract import HEAD, MERGES, git, opened, remote_branches, requests

NOWHERE = "ab" * 20
STATES = {
    "github": ("pending", "success", "failure", "error"),
    "gitlab": ("pending", "success", "failed", "failed"),
    "local": ("pending", "success", "failure", "error"),
}


def one(case: ForgeCase, number: int) -> PullRequest:
    found = case.forge.find_pull_request(number)
    assert found is not None
    return found


# Statuses.


@pytest.mark.parametrize("state", StatusState)
def test_a_status_is_said_on_a_commit(case: ForgeCase, state: StatusState) -> None:
    commit = opened(case).head_commit

    case.forge.set_commit_status(commit, "evals", state, "0.91 of 1", "https://example.com/run/7")

    word = STATES[case.name][list(StatusState).index(state)]
    assert case.statuses(commit) == {"evals": (word, "0.91 of 1", "https://example.com/run/7")}


def test_the_last_status_of_a_name_counts_and_others_stay(case: ForgeCase) -> None:
    commit = opened(case).head_commit
    case.forge.set_commit_status(
        commit, "schema", StatusState.SUCCESS, "All files are valid.", None
    )

    case.forge.set_commit_status(commit, "evals", StatusState.PENDING, "Waiting.", None)
    case.forge.set_commit_status(commit, "evals", StatusState.FAILURE, "0.70, 0.80 is needed", None)

    said = case.statuses(commit)
    assert {name: text for name, (_, text, _) in said.items()} == {
        "schema": "All files are valid.",
        "evals": "0.70, 0.80 is needed",
    }
    assert said["evals"][0] == STATES[case.name][2]


@pytest.mark.parametrize("state", StatusState)
def test_saying_the_same_again_is_no_error(case: ForgeCase, state: StatusState) -> None:
    commit = opened(case).head_commit

    for _ in range(2):
        case.forge.set_commit_status(commit, "evals", state, "The same.", None)

    assert case.statuses(commit)["evals"][1] == "The same."


@pytest.mark.parametrize("state", StatusState)
def test_a_status_is_read_back_by_its_name_in_one_request(
    case: ForgeCase, state: StatusState
) -> None:
    commit = opened(case).head_commit
    case.forge.set_commit_status(
        commit, "schema", StatusState.SUCCESS, "All files are valid.", None
    )
    assert case.forge.read_status(commit, "evals") is None
    case.forge.set_commit_status(commit, "evals", StatusState.PENDING, "Waiting.", None)
    case.forge.set_commit_status(commit, "evals", state, "0.91 of 1", None)
    before = case.calls

    read = case.forge.read_status(commit, "evals")

    assert case.calls - before <= 1
    without_error = case.name == "gitlab" and state is StatusState.ERROR
    assert read is (StatusState.FAILURE if without_error else state)


def test_the_status_of_a_commit_that_is_not_there_is_an_error_or_nothing(
    hosted_case: HostedCase,
) -> None:
    with pytest.raises((NotFoundError, RequestRefusedError)):
        hosted_case.forge.read_status(NOWHERE, "evals")


def test_a_long_text_becomes_one_short_line(case: ForgeCase) -> None:
    commit = opened(case).head_commit

    case.forge.set_commit_status(
        commit, "evals", StatusState.ERROR, "broken\n" + "very " * 100, None
    )

    _, text, _ = case.statuses(commit)["evals"]
    assert text is not None
    assert text.startswith("broken very very")
    assert text.endswith("…")
    assert len(text) == 140


def test_a_commit_that_is_not_there_takes_no_status(case: ForgeCase) -> None:
    with pytest.raises((NotFoundError, RequestRefusedError)):
        case.forge.set_commit_status(NOWHERE, "evals", StatusState.SUCCESS, "Fine.", None)


def test_a_credential_that_may_only_read_sets_no_status(hosted_case: HostedCase) -> None:
    commit = opened(hosted_case).head_commit

    with pytest.raises((ForbiddenError, NotFoundError)):
        hosted_case.read_only_forge.set_commit_status(
            commit, "evals", StatusState.SUCCESS, "", None
        )


def test_a_status_takes_one_request(hosted_case: HostedCase) -> None:
    commit = opened(hosted_case).head_commit

    def say() -> None:
        hosted_case.forge.set_commit_status(commit, "evals", StatusState.SUCCESS, "Fine.", None)

    assert requests(hosted_case, say) == 1


# One pull request, and those of a commit.


def test_a_pull_request_is_found_by_its_number(case: ForgeCase) -> None:
    created = opened(case)

    assert case.forge.find_pull_request(created.number) == created
    assert not created.is_from_fork
    assert created.author
    assert created.merge_commit is None


def test_a_number_that_nothing_has_finds_nothing(case: ForgeCase) -> None:
    assert case.forge.find_pull_request(4711) is None


@pytest.mark.parametrize("how", MERGES)
def test_a_merged_pull_request_names_the_commit_it_became(
    case: ForgeCase, how: MergeMethod
) -> None:
    number = opened(case).number

    case.merge(number, how)

    merged = one(case, number)
    tip = git(case.remote, "ls-remote", case.remote.url, "refs/heads/main").decode().split()[0]
    assert (merged.state, merged.merge_commit) == (PullRequestState.MERGED, tip)


@pytest.mark.parametrize("how", MERGES)
def test_the_commit_of_a_merge_names_its_pull_request(case: ForgeCase, how: MergeMethod) -> None:
    opened(case, "promptlayer/other")
    number = opened(case).number
    case.merge(number, how)
    commit = one(case, number).merge_commit
    assert commit is not None

    found = case.forge.list_pull_requests_of_commit(commit)

    assert [each.number for each in found] == [number]
    assert found[0] == one(case, number)


def test_a_commit_of_an_open_branch_names_its_pull_request(case: ForgeCase) -> None:
    created = opened(case)

    assert list(case.forge.list_pull_requests_of_commit(created.head_commit)) == [created]


def test_a_commit_of_the_base_or_of_nobody_names_none(case: ForgeCase) -> None:
    opened(case)
    main = git(case.remote, "ls-remote", case.remote.url, "refs/heads/main").decode().split()[0]

    assert list(case.forge.list_pull_requests_of_commit(main)) == []
    assert list(case.forge.list_pull_requests_of_commit(NOWHERE)) == []


# Strangers.


def test_a_pull_request_from_a_fork_is_known_as_one(case: ForgeCase) -> None:
    number = case.open_from_fork(HEAD)

    found = one(case, number)

    assert (found.is_from_fork, found.author, found.head_branch) == (True, "mallory", HEAD)


def test_a_fork_is_not_taken_for_our_branch(case: ForgeCase) -> None:
    case.open_from_fork(HEAD)
    mine = opened(case)

    assert [each.number for each in case.forge.list_pull_requests(HEAD)] == [mine.number]
    assert [each.number for each in case.forge.list_open_pull_requests("promptlayer/")] == [
        mine.number
    ]


def test_a_protected_branch_declines_a_push_and_others_take_it(
    case: ForgeCase, tmp_path: Path
) -> None:
    case.protect("main")
    clone = str(tmp_path / "clone")
    git(case.remote, "clone", "--quiet", case.remote.url, clone)
    git(case.remote, "-C", clone, "commit", "--quiet", "--allow-empty", "--message=Past everybody")

    with pytest.raises(subprocess.CalledProcessError) as declined:
        git(case.remote, "-C", clone, "push", "origin", "HEAD:main")
    git(case.remote, "-C", clone, "push", "--quiet", "origin", "HEAD:mine")

    assert b"rotected branch" in declined.value.stderr
    assert b"declined" in declined.value.stderr
    assert "mine" in remote_branches(case.remote)
