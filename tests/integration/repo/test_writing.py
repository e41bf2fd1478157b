"""Commits without a working tree."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from bridge.errors import ConfigError, UnsafePathError
from bridge.repo.commit import CommitSigning, GitIdentity
from bridge.repo.merge_file import merge_file
from tests.integration.repo.conftest import FILES, PREFIX, Repository
from tests.integration.repo.sample_commits import ANN, BRIDGE, draft
from tests.standins.git_http import git, read_file


def test_a_commit_changes_the_wanted_paths_and_nothing_else(repository: Repository) -> None:
    snapshot = repository.look()
    changes = {"prompts/reply.yaml": b"new\n", "prompts/deep/er/greet.yaml": None, "new/x": b""}

    commit = snapshot.write_commit(draft(snapshot.commit, changes))
    snapshot.push_branch(snapshot.remote, f"{PREFIX}reply", commit, None)

    assert git(repository.path, "diff", "--name-status", "main", commit).splitlines() == [
        "A\tnew/x",
        "D\tprompts/deep/er/greet.yaml",
        "M\tprompts/reply.yaml",
    ]
    assert read_file(repository.path, commit, "prompts/reply.yaml") == b"new\n"


def test_a_commit_says_who_edited_and_who_recorded_it(repository: Repository) -> None:
    snapshot = repository.look()
    far = datetime(2026, 5, 4, 23, 30, 15, 999_999, timezone(timedelta(hours=-9, minutes=-30)))
    wanted = dataclasses.replace(draft(snapshot.commit, {"a": b"a"}), date=far)

    commit = snapshot.read_commit(snapshot.write_commit(wanted))

    assert (commit.author, commit.committer) == (ANN, BRIDGE)
    assert commit.authored_at == commit.committed_at == "2026-05-04T23:30:15-09:30"
    assert commit.message == "Update reply\n\nWhy not.\n"
    assert commit.parents == (snapshot.commit,)


def test_the_same_draft_is_the_same_commit_in_every_mirror(repository: Repository) -> None:
    snapshot = repository.look()
    first = snapshot.write_commit(draft(snapshot.commit, {"b": b"b", "a": b"a"}))
    shutil.rmtree(repository.mirror_path)
    second = repository.look().write_commit(draft(snapshot.commit, {"a": b"a", "b": b"b"}))
    assert first == second


def test_writing_leaves_no_ref(repository: Repository) -> None:
    snapshot = repository.look()
    before = git(repository.mirror_path, "for-each-ref")
    snapshot.write_commit(draft(snapshot.commit, {"a": b"a"}))
    assert git(repository.mirror_path, "for-each-ref") == before


@pytest.mark.parametrize(
    "path",
    [
        "with blank/and more .yaml",
        'quote".yaml',
        '"quoted"',
        "new\nline",
        "tab\t",
        "back\\slash\\n",
        "-rf",
        ":(top)x",
        "*",
        "[a-z]?",
        "grüße/日本語.yaml",
        b"latin-\xe9-\xff".decode("utf-8", "surrogateescape"),
        "a" * 200 + "/" + "b" * 200,
    ],
)
def test_a_hostile_path_is_written_as_it_is(repository: Repository, path: str) -> None:
    snapshot = repository.look()

    commit = snapshot.write_commit(draft(snapshot.commit, {path: b"here\n"}))
    gone = snapshot.write_commit(draft(commit, {path: None}))

    assert snapshot.list_entries(commit).keys() == FILES.keys() | {path}
    assert snapshot.read_file(commit, path) == b"here\n"
    assert snapshot.list_entries(gone).keys() == FILES.keys()


@pytest.mark.parametrize(
    "path", ["../up", "/root", "a//b", "a/./b", ".git/config", "x/.Git/y", "a\0"]
)
def test_a_path_that_git_cannot_hold_is_refused(repository: Repository, path: str) -> None:
    snapshot = repository.look()
    with pytest.raises(UnsafePathError, match="No file can be written"):
        snapshot.write_commit(draft(snapshot.commit, {path: b"here"}))


def test_a_file_never_replaces_a_folder_nor_a_folder_a_file(repository: Repository) -> None:
    snapshot = repository.look()
    for changes in ({"prompts": b""}, {"prompts": None}, {"README.md/x": b""}):
        with pytest.raises(UnsafePathError):
            snapshot.write_commit(draft(snapshot.commit, changes))


def test_a_file_may_give_way_to_a_folder(repository: Repository) -> None:
    snapshot = repository.look()
    changes = {"README.md/new.md": b"new", "README.md": None}
    commit = snapshot.write_commit(draft(snapshot.commit, changes))
    assert snapshot.list_entries(commit, "README.md").keys() == {"README.md/new.md"}


def test_removing_what_is_not_there_is_fine(repository: Repository) -> None:
    snapshot = repository.look()
    changes = {"nowhere/x": None, "README.md/x": None, "nothing": None}
    commit = snapshot.write_commit(draft(snapshot.commit, changes))
    assert snapshot.list_entries(commit) == snapshot.list_entries(snapshot.commit)


def test_an_executable_stays_one(repository: Repository) -> None:
    command = (
        b"commit refs/heads/main\ncommitter a <a@b> 1 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
    )
    git(repository.path, "fast-import", stdin=command + b"M 755 inline run\ndata 1\na\n")
    snapshot = repository.look()
    entries = snapshot.list_entries(
        snapshot.write_commit(draft(snapshot.commit, {"run": b"b", "new": b"c"}))
    )
    assert (entries["run"].mode, entries["new"].mode) == ("100755", "100644")


def test_names_cannot_forge_a_header(repository: Repository) -> None:
    snapshot = repository.look()
    evil = GitIdentity("Eve <eve@x>\ncommitter Root", "e>\n<\0@x")
    wanted = dataclasses.replace(draft(snapshot.commit, {"a": b"a"}), author=evil)

    commit = snapshot.read_commit(snapshot.write_commit(wanted))

    assert commit.author == GitIdentity("Eve eve@xcommitter Root", "e@x")
    assert commit.committer == BRIDGE
    nobody = dataclasses.replace(wanted, author=GitIdentity("", ""))
    assert snapshot.read_commit(snapshot.write_commit(nobody)).author == GitIdentity(
        "unknown", "unknown"
    )


def test_ten_thousand_files_are_one_commit_and_one_push(served: Repository) -> None:
    snapshot = served.look()
    files = {f"prompts/all/{n // 100}/{n}.yaml": b"name: %d\n" % n for n in range(10_000)}

    commit = snapshot.write_commit(draft(snapshot.commit, files))
    snapshot.push_branch(served.remote, f"{PREFIX}all", commit, None)

    changed = git(served.path, "diff", "--name-only", "main", commit).splitlines()
    assert set(changed) == set(files)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
@pytest.mark.parametrize("path", ["prompts/reply.yaml", "prompts/new.yaml"])
def test_a_commit_signed_with_an_ssh_key_is_verified_by_git(
    repository: Repository, tmp_path: Path, path: str
) -> None:
    key = _ssh_key(tmp_path)
    snapshot = repository.look()
    wanted = draft(snapshot.commit, {path: b"new\n"}, signing=CommitSigning("ssh", str(key)))

    commit = snapshot.write_commit(wanted)
    unsigned = snapshot.write_commit(dataclasses.replace(wanted, signing=None))
    snapshot.push_branch(snapshot.remote, f"{PREFIX}reply", commit, None)

    allowed = f"gpg.ssh.allowedSignersFile={tmp_path / 'signers'}"
    git(repository.path, "-c", allowed, "verify-commit", commit)
    with pytest.raises(subprocess.CalledProcessError):
        git(repository.mirror_path, "-c", allowed, "verify-commit", unsigned)
    signed, plain = snapshot.read_commit(commit), snapshot.read_commit(unsigned)
    assert dataclasses.replace(signed, object_id=unsigned) == plain
    assert snapshot.write_commit(wanted) == commit


@pytest.mark.parametrize("kind", ["ssh", "openpgp"])
def test_a_key_that_cannot_sign_is_named(repository: Repository, kind: str) -> None:
    snapshot = repository.look()
    signing = CommitSigning("ssh" if kind == "ssh" else "openpgp", "/no/such/key")
    with pytest.raises(ConfigError, match=r"could not be signed with .* /no/such/key"):
        snapshot.write_commit(draft(snapshot.commit, {"a": b"a"}, signing=signing))


def test_changes_of_both_sides_are_merged() -> None:
    ancestor = b"one\ntwo\nthree\nfour\nfive\n"
    ours, theirs = ancestor.replace(b"one", b"1"), ancestor.replace(b"five", b"5")
    assert merge_file(ancestor, ours, theirs) == b"1\ntwo\nthree\nfour\n5\n"


def test_changes_of_the_same_line_conflict() -> None:
    assert merge_file(b"one\n", b"1\n", b"eins\n") is None


def test_files_that_are_not_text_conflict() -> None:
    assert merge_file(b"\0a", b"\0b", b"\0c") is None


def test_changes_that_are_the_same_are_no_conflict() -> None:
    assert merge_file(b"one\n", b"1\n", b"1\n") == b"1\n"


def _ssh_key(folder: Path) -> Path:
    key = folder / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bridge", "-f", str(key)], check=True
    )
    (folder / "signers").write_text(f"{BRIDGE.email} {key.with_suffix('.pub').read_text()}")
    return key
