"""Pushes with a lease, over file:// and HTTP, and what the other side may say."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from bridge.errors import RequestRefusedError, StaleStateError
from bridge.forge.forge import GitRemote
from bridge.repo.mirror import RepositoryMirror
from tests.integration.repo.conftest import PREFIX, Repository
from tests.integration.repo.sample_commits import draft
from tests.standins.git_http import commit_files, delete_branch, find_commit, git

BRANCH = f"{PREFIX}reply"


def test_a_branch_is_made_and_moved_on(served: Repository) -> None:
    snapshot = served.look()
    first = snapshot.write_commit(draft(snapshot.commit, {"a": b"1"}))
    second = snapshot.write_commit(draft(snapshot.commit, {"a": b"2"}))

    snapshot.push_branch(served.remote, BRANCH, first, None)
    snapshot.push_branch(served.remote, BRANCH, second, first)

    assert find_commit(served.path, BRANCH) == second


def test_nothing_is_sent_when_the_branch_is_there_already(served: Repository) -> None:
    snapshot = served.look()
    asked = len(served.faults.requests)
    snapshot.push_branch(served.remote, BRANCH, snapshot.commit, snapshot.commit)
    assert len(served.faults.requests) == asked


@pytest.mark.parametrize("expected", [None, "1" * 40], ids=["absent", "elsewhere"])
def test_a_branch_that_moved_is_not_overwritten(
    repository: Repository, expected: str | None
) -> None:
    snapshot = repository.look()
    theirs = commit_files(repository.path, BRANCH, {"a": b"theirs"})
    ours = snapshot.write_commit(draft(snapshot.commit, {"a": b"ours"}))

    with pytest.raises(StaleStateError, match=rf"{BRANCH} of .* moved"):
        snapshot.push_branch(snapshot.remote, BRANCH, ours, expected)

    assert find_commit(repository.path, BRANCH) == theirs


def test_a_branch_that_vanished_is_not_made_anew(repository: Repository) -> None:
    seen = commit_files(repository.path, BRANCH, {"a": b"theirs"})
    snapshot = repository.look()
    delete_branch(repository.path, BRANCH)
    with pytest.raises(StaleStateError):
        snapshot.push_branch(
            snapshot.remote,
            BRANCH,
            snapshot.write_commit(draft(snapshot.commit, {"a": b"1"})),
            seen,
        )


def test_of_two_processes_one_wins(repository: Repository) -> None:
    repository.look()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as processes:
        runs = [
            processes.submit(_push_anew, repository.mirror_path, repository.remote.url, content)
            for content in (b"one", b"two")
        ]
        outcomes = [run.result(timeout=30) for run in runs]

    assert sorted(outcomes) == ["pushed", "stale"]
    won = git(repository.path, "show", f"{BRANCH}:a").encode()
    assert won == (b"one", b"two")[outcomes.index("pushed")]


@pytest.mark.parametrize("moves", [1, 3])
def test_a_push_onto_a_base_that_moved_meanwhile_arrives(served: Repository, moves: int) -> None:
    snapshot = served.look()
    for number in range(moves):
        commit_files(served.path, "main", {"src/main.py": b"%d" % number})
    commit = snapshot.write_commit(draft(snapshot.commit, {"prompts/reply.yaml": b"new\n"}))

    snapshot.push_branch(served.remote, BRANCH, commit, None)

    assert git(served.path, "diff", "--name-only", f"{BRANCH}^", BRANCH) == "prompts/reply.yaml"


def test_a_push_fetches_nothing(served: Repository) -> None:
    snapshot = served.look()
    commit = snapshot.write_commit(draft(snapshot.commit, {"prompts/reply.yaml": b"new\n"}))
    before = served.fetches()
    snapshot.push_branch(served.remote, BRANCH, commit, None)
    assert served.fetches() == before


def test_a_hook_that_says_no_is_quoted(served: Repository) -> None:
    _install_hook(served, "update", "echo 'Only tools may push here: rule 7.' >&2; exit 1")
    snapshot = served.look()
    commit = snapshot.write_commit(draft(snapshot.commit, {"a": b"1"}))

    with pytest.raises(RequestRefusedError, match="Only tools may push here: rule 7") as refused:
        snapshot.push_branch(served.remote, BRANCH, commit, None)

    assert BRANCH in str(refused.value)


def test_a_branch_is_deleted(repository: Repository) -> None:
    tip = commit_files(repository.path, BRANCH, {"a": b"1"})
    snapshot = repository.look()
    snapshot.delete_branch(snapshot.remote, BRANCH, tip)
    assert find_commit(repository.path, BRANCH) is None


def test_deleting_a_branch_that_is_gone_is_fine(repository: Repository) -> None:
    tip = commit_files(repository.path, BRANCH, {"a": b"1"})
    snapshot = repository.look()
    delete_branch(repository.path, BRANCH)
    snapshot.delete_branch(snapshot.remote, BRANCH, tip)


def test_a_branch_with_a_persons_commit_is_not_deleted(repository: Repository) -> None:
    tip = commit_files(repository.path, BRANCH, {"a": b"1"})
    snapshot = repository.look()
    theirs = commit_files(repository.path, BRANCH, {"a": b"2"})
    with pytest.raises(StaleStateError):
        snapshot.delete_branch(snapshot.remote, BRANCH, tip)
    assert find_commit(repository.path, BRANCH) == theirs


def _push_anew(mirror: Path, url: str, content: bytes) -> str:
    snapshot = RepositoryMirror(mirror).fetch(GitRemote(url), "main", PREFIX)
    commit = snapshot.write_commit(draft(snapshot.commit, {"a": content}))
    try:
        snapshot.push_branch(snapshot.remote, BRANCH, commit, None)
    except StaleStateError:
        return "stale"
    return "pushed"


def _install_hook(repository: Repository, name: str, script: str) -> None:
    hooks = repository.path / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / name).write_text(f"#!/bin/sh\n{script}\n")
    (hooks / name).chmod(0o755)
