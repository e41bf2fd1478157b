"""What a snapshot says about commits, folders and files."""

from __future__ import annotations

import shutil

import pytest

from bridge.errors import StaleStateError
from bridge.repo.commit import GitCommit, GitIdentity
from tests.integration.repo.conftest import FILES, PREFIX, Repository
from tests.integration.repo.sample_commits import draft
from tests.standins.git_http import commit_files, git


def test_a_folder_lists_its_files_by_full_path(repository: Repository) -> None:
    snapshot = repository.look()
    assert snapshot.list_entries(snapshot.commit, "prompts").keys() == {
        "prompts/reply.yaml",
        "prompts/deep/er/greet.yaml",
    }


@pytest.mark.parametrize("folder", ["nowhere", "prompts/nowhere", "README.md", "prompt"])
def test_a_folder_that_is_not_there_is_empty(repository: Repository, folder: str) -> None:
    snapshot = repository.look()
    assert snapshot.list_entries(snapshot.commit, folder) == {}


def test_many_files_are_fetched_in_one_request(served: Repository) -> None:
    files = {f"prompts/{number}.yaml": b"%d\n" % number for number in range(3000)}
    commit_files(served.path, "main", files)
    snapshot = served.look()
    entries = snapshot.list_entries(snapshot.commit, "prompts")
    looked = served.fetches()

    contents = snapshot.read_blobs(entry.object_id for entry in entries.values())
    read = served.fetches()
    again = snapshot.read_blobs(entry.object_id for entry in entries.values())

    assert {path: contents[entries[path].object_id] for path in files} == files
    assert (read - looked, served.fetches() - read) == (1, 0)
    assert again == contents


def test_reading_nothing_asks_nobody(served: Repository) -> None:
    snapshot = served.look()
    asked = len(served.faults.requests)
    assert snapshot.read_blobs([]) == {}
    assert len(served.faults.requests) == asked


def test_a_file_is_its_bytes_and_anything_else_is_none(repository: Repository) -> None:
    _lay_traps(repository)
    snapshot = repository.look()
    found = {
        path: snapshot.read_file(snapshot.commit, path)
        for path in ("prompts/reply.yaml", "tool.sh", "prompts", "link", "module", "nowhere")
    }
    assert found == {
        "prompts/reply.yaml": b"name: reply\n",
        "tool.sh": b"#!/bin/sh\n",
        "prompts": None,
        "link": None,
        "module": None,
        "nowhere": None,
    }


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("prompts/reply.yaml", None),
        ("prompts/new.yaml", None),
        ("new/folder/x.yaml", None),
        ("tool.sh", None),
        ("prompts", "prompts is a folder there"),
        ("link", "link is a symlink there"),
        ("module", "module is a submodule there"),
        ("link/x.yaml", "link is a symlink there, not a folder"),
        ("prompts/up/deep/x.yaml", "prompts/up is a symlink there, not a folder"),
        ("module/x.yaml", "module is a submodule there, not a folder"),
        ("README.md/x/y.yaml", "README.md is a file there, not a folder"),
        ("../x.yaml", "“..”"),
        ("/etc/passwd", "empty part"),
        ("a/.GIT/config", "git's own folder"),
        ("a\0b", "NUL"),
    ],
)
def test_what_is_in_the_way_of_a_file_is_told(
    repository: Repository, path: str, why: str | None
) -> None:
    _lay_traps(repository)
    snapshot = repository.look()
    told = snapshot.find_obstacle(snapshot.commit, path)
    assert told is None if why is None else why in (told or "")


def test_the_obstacles_of_many_paths_are_told_at_once(repository: Repository) -> None:
    _lay_traps(repository)
    snapshot = repository.look()
    paths = ["link/x", "module", *(f"prompts/{number}.yaml" for number in range(1200))]
    assert snapshot.find_obstacles(snapshot.commit, paths).keys() == {"link/x", "module"}


def test_the_obstacles_of_many_paths_in_one_folder_are_told_at_once(
    repository: Repository,
) -> None:
    _lay_traps(repository)
    snapshot = repository.look()
    blocked = {"prompts/up/x.yaml", "prompts/deep"}
    paths = [*blocked, *(f"prompts/{number}.yaml" for number in range(1200))]
    assert snapshot.find_obstacles(snapshot.commit, paths).keys() == blocked


def test_a_commit_says_who_made_it_when_and_from_what(repository: Repository) -> None:
    parent = repository.look().commit
    commit = commit_files(
        repository.path,
        "main",
        {"a": b"a"},
        message="Say a\n\nTwo lines.\n",
        author="Zoë <z@x.org>",
    )

    found = repository.look().read_commit(commit)

    assert found.parents == (parent,)
    assert found.tree == git(repository.path, "rev-parse", "main^{tree}")
    assert found.author == found.committer == GitIdentity("Zoë", "z@x.org")
    assert found.authored_at == git(repository.path, "log", "-1", "--format=%aI", "main").replace(
        "Z", "+00:00"
    )
    assert found.message == "Say a\n\nTwo lines.\n"


def test_history_goes_back_to_the_commit_in_question(served: Repository) -> None:
    base = served.look().commit
    branch = f"{PREFIX}reply"
    for number in range(4):
        commit_files(served.path, branch, {"a": b"%d" % number}, message=f"Step {number}")
    snapshot = served.look()
    before = served.fetches()

    line = snapshot.read_history(snapshot.branches[branch], lambda commit: commit.object_id == base)

    assert [commit.message for commit in line] == ["Step 3", "Step 2", "Step 1", "Step 0", "Begin"]
    assert line[-1].object_id == base
    assert served.fetches() - before == 1


def test_history_that_is_at_hand_is_not_fetched(served: Repository) -> None:
    snapshot = served.look()
    commit = snapshot.write_commit(draft(snapshot.commit, {"a": b"a"}))
    before = len(served.faults.requests)

    line = snapshot.read_history(commit, lambda found: found.object_id == snapshot.commit)

    assert [found.object_id for found in line] == [commit, snapshot.commit]
    assert len(served.faults.requests) == before


def test_history_ends_at_its_limit_and_at_the_first_commit(repository: Repository) -> None:
    for number in range(5):
        commit_files(repository.path, "main", {"a": b"%d" % number})
    snapshot = repository.look()

    def never(commit: GitCommit) -> bool:
        return False

    assert len(snapshot.read_history(snapshot.commit, never, limit=3)) == 3
    assert len(snapshot.read_history(snapshot.commit, never)) == 6


def test_a_commit_the_mirror_lost_is_fetched(repository: Repository) -> None:
    old = repository.look().commit
    commit_files(repository.path, "main", {"README.md": None})
    shutil.rmtree(repository.mirror_path)

    snapshot = repository.look()

    assert snapshot.list_entries(old).keys() == FILES.keys()
    assert snapshot.read_file(old, "README.md") == b"# Acme\n"


def test_a_commit_nobody_has_means_to_look_again(repository: Repository) -> None:
    snapshot = repository.look()
    with pytest.raises(StaleStateError, match="moved"):
        snapshot.list_entries("1" * 40)


def _lay_traps(repository: Repository) -> None:
    """Things that are no ordinary files, on main."""
    lines = [
        "commit refs/heads/main\ncommitter Sam <sam@example.com> 1700000000 +0000",
        "data 5\nTraps\nfrom refs/heads/main^0",
        "M 120000 inline link\ndata 7\nprompts",
        "M 120000 inline prompts/up\ndata 2\n..",
        f"M 160000 {'1' * 40} module",
        "M 100755 inline tool.sh\ndata 10\n#!/bin/sh\n\n",
    ]
    git(repository.path, "fast-import", "--quiet", stdin="\n".join(lines).encode())
