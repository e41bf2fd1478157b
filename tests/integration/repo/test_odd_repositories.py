"""Repositories, servers and gits that cannot be worked with get one clear sentence each; a transfer
that moves goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.errors import ConfigError, ForbiddenError, RequestRefusedError, TransientRefusalError
from bridge.forge.forge import GitRemote
from bridge.repo.mirror import RepositoryMirror
from bridge.repo.version import check_version, require_git
from tests.contract.gitlab_case import gitlab_case
from tests.integration.repo.conftest import FILES, PREFIX, Repository
from tests.standins.fault_injection import slow
from tests.standins.git_http import GitHttp, commit_files, create_repository, git
from tests.standins.serve_app import serve


def test_a_repository_by_sha_256_is_named_as_one(tmp_path: Path) -> None:
    source = tmp_path / "sha256.git"
    git(tmp_path, "init", "--quiet", "--bare", "--object-format=sha256", str(source))
    tree = git(source, "hash-object", "-t", "tree", "-w", "--stdin", stdin=b"")
    commit = git(source, "commit-tree", tree, "-m", "First")
    git(source, "update-ref", "refs/heads/main", commit)

    with pytest.raises(RequestRefusedError, match="SHA-256"):
        RepositoryMirror(tmp_path / "mirror.git").fetch(GitRemote(source.as_uri()), "main", PREFIX)


class OldProtocol:
    """A server that speaks the first protocol of git only."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept = [pair for pair in scope.get("headers", ()) if pair[0] != b"git-protocol"]
        await self._app({**scope, "headers": kept}, receive, send)


def test_a_server_that_gives_no_unadvertised_objects_is_named_as_one(tmp_path: Path) -> None:
    path = create_repository(tmp_path / "forge", "acme/support", FILES)
    git(path, "config", "uploadpack.allowFilter", "true")
    git(path, "config", "uploadpack.allowAnySHA1InWant", "false")
    with serve(OldProtocol(GitHttp(tmp_path / "forge", lambda _: True))) as url:
        remote = GitRemote(f"{url}/acme/support.git")
        snapshot = RepositoryMirror(tmp_path / "mirror.git").fetch(remote, "main", PREFIX)
        with pytest.raises(TransientRefusalError, match="allowAnySHA1InWant"):
            snapshot.read_file(snapshot.commit, "README.md")


def test_a_token_that_may_only_read_is_found_without_pushing(tmp_path: Path) -> None:
    with gitlab_case(tmp_path) as case:
        mirror = RepositoryMirror(tmp_path / "mirror.git")
        for forge, may in ((case.forge, True), (case.read_only_forge, False)):
            remote = forge.create_git_remote()
            snapshot = mirror.fetch(remote, "main", PREFIX)
            if may:
                snapshot.check_push(remote, f"{PREFIX}check")
            else:
                with pytest.raises(ForbiddenError, match="does not let it do this"):
                    snapshot.check_push(remote, f"{PREFIX}check")
        assert git(case.project.directory, "for-each-ref", "refs/heads/promptlayer") == ""


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("git version 2.31.0", "2.31.0"),
        ("git version 2.39.5 (Apple Git-154)", "2.39.5"),
        ("git version 3.0.1", "3.0.1"),
        ("git version 2.45.1.windows.1", "2.45.1.windows.1"),
    ],
)
def test_a_git_that_is_new_enough_is_taken(said: str, version: str) -> None:
    assert check_version(said) == version


@pytest.mark.parametrize("said", ["git version 2.30.9", "git version 1.8.3.1"])
def test_a_git_that_would_ignore_its_credential_is_refused(said: str) -> None:
    with pytest.raises(ConfigError, match=r"too old: before 2\.31"):
        check_version(said)


def test_the_git_of_this_machine_is_new_enough() -> None:
    assert require_git()
    with pytest.raises(ConfigError, match="does not tell its version"):
        check_version("hello")


def test_a_transfer_that_moves_goes_on_for_longer_than_the_limit(served: Repository) -> None:
    commit_files(served.path, "main", {f"big/{n}": os.urandom(20_000) for n in range(150)})
    snapshot = served.look()
    names = [each.object_id for each in snapshot.list_entries(snapshot.commit, "big/").values()]
    hurried = served.with_timeout(1).look()
    served.faults.add("POST /acme", slow(pause=0.1, chunk=100_000, longest=2.5), times=2)

    found = hurried.read_blobs(names)

    assert len(found) == 150
