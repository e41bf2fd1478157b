"""Talking to a server: the credential reaches it and nobody else, and its bad days are told."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from bridge.errors import (
    BridgeError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    TransientError,
    UnauthorizedError,
    UnavailableError,
)
from bridge.forge.forge import GitRemote
from bridge.repo.file_lock import FileLock
from bridge.repo.state_ref import STATE_NAMESPACE, StateReference
from tests.integration.repo.conftest import FILES, PREFIX, Repository
from tests.integration.repo.sample_commits import BRIDGE, NOON, TOKEN, draft, eventually
from tests.standins.fault_injection import Fault, after_the_work, cut, dead, slow, status, time_out
from tests.standins.git_http import GitHttp
from tests.standins.serve_app import serve

UPLOAD = "POST /acme/support.git/git-upload-pack"
FAILURES: dict[str, tuple[Fault, type[BridgeError]]] = {
    "403": (status(403), ForbiddenError),
    "404": (status(404), NotFoundError),
    "429": (status(429), RateLimitedError),
    "500": (status(500), UnavailableError),
    "502": (status(502, "<html>Bad gateway</html>"), UnavailableError),
    "cut": (cut(), UnavailableError),
    "dead": (dead(), UnavailableError),
    "nonsense": (status(200, "<html>\n<body>Sign in</body>\n</html>\n"), UnavailableError),
}


def test_the_credential_opens_the_repository(served: Repository) -> None:
    snapshot = served.look()
    assert snapshot.read_file(snapshot.commit, "README.md") == FILES["README.md"]


@pytest.mark.parametrize("password", [None, "wrong-and-secret"], ids=["missing", "wrong"])
def test_a_credential_that_is_not_accepted_is_said_to_be(
    served: Repository, password: str | None
) -> None:
    refused = replace(served, remote=GitRemote(served.remote.url, "bridge", password))
    with pytest.raises(UnauthorizedError, match="did not accept the credential") as told:
        refused.look()
    assert served.remote.url in str(told.value)
    assert "wrong-and-secret" not in str(told.value)


def test_a_push_with_a_credential_that_expired_is_unauthorized(served: Repository) -> None:
    snapshot = served.look()
    commit = snapshot.write_commit(draft(snapshot.commit, {"a": b"a"}))
    expired = GitRemote(served.remote.url, "bridge", "expired")
    with pytest.raises(UnauthorizedError):
        snapshot.push_branch(expired, f"{PREFIX}reply", commit, None)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_server_is_told_apart_while_looking(served: Repository, failure: str) -> None:
    fault, kind = FAILURES[failure]
    served.faults.add("GET /acme", fault, times=9)
    with pytest.raises(kind) as told:
        served.look()
    assert type(told.value) is kind
    served.faults.clear()
    assert served.look().branches == {}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_server_is_told_apart_while_pushing(served: Repository, failure: str) -> None:
    fault, kind = FAILURES[failure]
    snapshot = served.look()
    commit = snapshot.write_commit(draft(snapshot.commit, {"a": b"a"}))
    served.faults.add("GET /acme", fault, times=9)
    with pytest.raises(kind) as told:
        snapshot.push_branch(served.remote, f"{PREFIX}reply", commit, None)
    assert type(told.value) is kind


def test_a_connection_cut_while_files_arrive_leaves_the_mirror_whole(served: Repository) -> None:
    snapshot = served.look()
    name = snapshot.list_entries(snapshot.commit)["README.md"].object_id
    served.faults.add(UPLOAD, cut(), times=9)
    with pytest.raises(UnavailableError):
        snapshot.read_blobs([name])
    served.faults.clear()
    assert snapshot.read_blobs([name]) == {name: FILES["README.md"]}


def test_a_push_whose_answer_is_lost_is_found_to_have_happened(served: Repository) -> None:
    snapshot = served.look()
    commit = snapshot.write_commit(draft(snapshot.commit, {"a": b"a"}))
    served.faults.add("POST /acme/support.git/git-receive-pack", after_the_work(dead()))
    with pytest.raises(TransientError):
        snapshot.push_branch(served.remote, f"{PREFIX}reply", commit, None)

    again = served.look()

    assert again.branches == {f"{PREFIX}reply": commit}
    again.push_branch(served.remote, f"{PREFIX}reply", commit, again.branches[f"{PREFIX}reply"])


def test_a_slow_server_is_waited_for(served: Repository) -> None:
    served.faults.add("/acme", slow(), times=9)
    snapshot = served.look()
    assert snapshot.list_entries(snapshot.commit).keys() == FILES.keys()


def test_a_credential_is_not_sent_to_another_host(served: Repository, tmp_path: Path) -> None:
    seen: list[Headers] = []

    def anybody(headers: Headers) -> bool:
        seen.append(headers)
        return "authorization" in headers

    with serve(GitHttp(tmp_path / "forge", anybody)) as elsewhere:
        place = f"{elsewhere}/acme/support.git/info/refs?service=git-upload-pack"
        served.faults.add("GET /acme", status(301, headers={"Location": place}), times=9)
        with pytest.raises(UnauthorizedError):
            served.look()

    assert seen
    assert not any("authorization" in headers for headers in seen)


def test_a_renamed_repository_is_still_found(served: Repository) -> None:
    moved = served.path.with_name("renamed.git")
    served.path.rename(moved)
    place = "/acme/renamed.git/info/refs?service=git-upload-pack"
    served.faults.add("GET /acme/support", status(301, headers={"Location": place}), times=9)
    snapshot = served.look()
    assert snapshot.list_entries(snapshot.commit).keys() == FILES.keys()


def test_the_token_is_nowhere_on_disk_nor_in_a_log_or_message(
    served: Repository, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    snapshot = served.look()
    commit = snapshot.write_commit(draft(snapshot.commit, {"a": b"a"}))
    snapshot.read_file(snapshot.commit, "README.md")
    snapshot.push_branch(served.remote, f"{PREFIX}reply", commit, None)
    hook = served.path / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho 'you sent {TOKEN}' >&2; exit 1\n")
    hook.chmod(0o755)
    with pytest.raises(BridgeError) as told:
        snapshot.push_branch(served.remote, f"{PREFIX}other", commit, None)

    written = [file for file in served.mirror_path.parent.rglob("*") if file.is_file()]
    assert len(written) > 5
    assert not [file for file in written if TOKEN.encode() in file.read_bytes()]
    assert "you sent ***" in str(told.value)
    assert TOKEN not in repr(told.value) + repr(snapshot) + caplog.text + "".join(
        capfd.readouterr()
    )


def test_a_credential_in_the_url_is_not_repeated_in_a_message(served: Repository) -> None:
    url = served.remote.url.replace("http://", f"http://bridge:{TOKEN}x@")
    with pytest.raises(UnauthorizedError) as told:
        replace(served, remote=GitRemote(url)).look()
    assert TOKEN not in str(told.value)


def test_the_token_is_no_argument_and_a_time_out_ends_all_of_git(served: Repository) -> None:
    served.look()
    hurried = served.with_timeout(3)
    served.faults.add(UPLOAD, time_out(), times=9)
    with ThreadPoolExecutor(1) as thread:
        looking = thread.submit(hurried.look)
        eventually(lambda: len(_git_processes(served.mirror_path)) >= 2)
        arguments = [
            _read(Path("/proc", pid, "cmdline")) for pid in _git_processes(served.mirror_path)
        ]
        with pytest.raises(UnavailableError, match="not done after 3 seconds"):
            looking.result()

    assert any(b"ls-remote" in line for line in arguments)
    assert not any(TOKEN.encode() in line for line in arguments)
    eventually(lambda: not _git_processes(served.mirror_path))
    served.faults.clear()
    assert served.look().branches == {}


def test_a_mirror_in_use_for_too_long_is_unavailable(repository: Repository) -> None:
    repository.look()
    with (
        FileLock(repository.mirror_path.with_name("support.git.lock")).hold(1),
        pytest.raises(
            UnavailableError, match=r"support\.git was in use by others for 0\.2 seconds"
        ),
    ):
        repository.with_timeout(0.2).look()


@pytest.mark.kill
def test_killed_in_the_middle_of_a_fetch_it_goes_on_afterwards(served: Repository) -> None:
    posts = itertools.count(1)  # for the branches, for the bridge's own refs, for the objects
    served.faults.add(lambda method, _: method == "POST" and next(posts) == 3, time_out())
    script = (
        "import sys; from pathlib import Path; from bridge.forge.forge import GitRemote;"
        "from bridge.repo.mirror import RepositoryMirror;"
        "path, url, secret = sys.argv[1:];"
        "RepositoryMirror(Path(path), timeout=1).fetch(GitRemote(url, 'bridge', secret), 'main', 'x/')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, served.mirror_path, served.remote.url, TOKEN]
    )
    eventually(lambda: served.fetches() == 1)
    process.kill()
    process.wait()

    snapshot = served.with_timeout(20).look()

    assert snapshot.read_file(snapshot.commit, "README.md") == FILES["README.md"]


def _git_processes(mirror: Path) -> list[str]:
    """The processes that git works in for this mirror."""
    wanted = f"GIT_DIR={mirror}".encode()
    return [pid for pid in _pids() if wanted in _read(Path("/proc", pid, "environ"))]


def _pids() -> Iterator[str]:
    return (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it ended meanwhile, or is not ours


def test_a_record_that_nobody_has_written_yet_is_no_damage(served: Repository) -> None:
    snapshot = served.look()
    record = StateReference(snapshot, f"{STATE_NAMESPACE}agreements/support")
    record.fetch()
    assert record.read(["a"]) == {}
    record.write({"a": b"1"}, BRIDGE, NOON, "Record\n")
    record.fetch()
    assert record.read(["a"]) == {"a": b"1"}
    assert served.look().commit == snapshot.commit


def test_a_record_that_somebody_removed_is_begun_anew(served: Repository) -> None:
    record = StateReference(served.look(), f"{STATE_NAMESPACE}agreements/support")
    record.write({"a": b"1"}, BRIDGE, NOON, "Record\n")
    git_in = ["git", "-C", str(served.path), "update-ref", "-d", record.name]
    subprocess.run(git_in, check=True)
    record.fetch()
    assert record.read(["a"]) == {}
    record.write({"b": b"2"}, BRIDGE, NOON, "Record\n")
    assert record.read(["a", "b"]) == {"b": b"2"}
