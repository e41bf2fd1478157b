"""Bare git repositories, served over smart HTTP by git itself (``git http-backend``)."""

from __future__ import annotations

import asyncio
import os
import subprocess
from asyncio.subprocess import PIPE, Process
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

Files = Mapping[str, bytes | None]
"""Paths and their contents; None removes the file."""

MAIN = "main"
SOMEBODY = "Sam Person <sam@example.com>"
CHUNK = 1 << 16

GIT_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Sam Person",
    "GIT_AUTHOR_EMAIL": "sam@example.com",
    "GIT_COMMITTER_NAME": "Sam Person",
    "GIT_COMMITTER_EMAIL": "sam@example.com",
    "LC_ALL": "C",
}

SETTINGS = {
    "http.receivepack": "true",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "gc.auto": "0",
    "receive.autogc": "false",
}


class MergeConflict(Exception):  # noqa: N818 - it is an answer more than an error
    """The two sides changed the same lines."""


def git(repository: Path, *arguments: str, stdin: bytes | None = None) -> str:
    """What git prints, without the newline at its end; git failing is a CalledProcessError."""
    finished = subprocess.run(
        ["git", "-C", str(repository), *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        check=True,
        env=GIT_ENVIRONMENT,
    )
    return finished.stdout.decode().removesuffix("\n")


def git_says(repository: Path, *arguments: str) -> str | None:
    """What git prints; None where it fails."""
    try:
        return git(repository, *arguments)
    except subprocess.CalledProcessError:
        return None


def create_repository(root: Path, name: str, files: Files) -> Path:
    """The bare repository ``root/name.git`` with one commit of ``files`` on main."""
    repository = root / f"{name}.git"
    repository.mkdir(parents=True)
    git(repository, "init", "--quiet", "--bare", f"--initial-branch={MAIN}")
    with (repository / "config").open("a") as config:
        for setting, value in SETTINGS.items():
            section, key = setting.split(".")
            config.write(f"[{section}]\n\t{key} = {value}\n")
    commit_files(repository, MAIN, files, message="Begin")
    return repository


def commit_files(
    repository: Path,
    branch: str,
    files: Files,
    *,
    message: str = "Change by a person",
    author: str = SOMEBODY,
) -> str:
    """Commit ``files`` on top of ``branch``, or of main where the branch is new; the commit's
    object name. It is there at once, as if somebody had pushed it."""
    parent = find_commit(repository, branch) or find_commit(repository, MAIN)
    text = message.encode()
    lines = [
        f"commit refs/heads/{branch}\nauthor {author} now\ncommitter {author} now\n".encode(),
        b"data %d\n%b\n" % (len(text), text),
        f"from {parent}\n".encode() if parent else b"",
        *(_file_change(path, content) for path, content in files.items()),
        b"\ndone\n",
    ]
    git(repository, "fast-import", "--quiet", "--done", "--date-format=now", stdin=b"".join(lines))
    return git(repository, "rev-parse", f"refs/heads/{branch}")


def find_commit(repository: Path, branch: str) -> str | None:
    """The branch's newest commit; None where there is no such branch."""
    try:
        return git(
            repository, "rev-parse", "--quiet", "--verify", f"refs/heads/{branch}^{{commit}}"
        )
    except subprocess.CalledProcessError:
        return None


def delete_branch(repository: Path, branch: str) -> None:
    git(repository, "update-ref", "-d", f"refs/heads/{branch}")


def read_file(repository: Path, revision: str, path: str) -> bytes:
    """A file's bytes as a commit or branch holds it."""
    command = ["git", "-C", str(repository), "cat-file", "blob", f"{revision}:{path}"]
    return subprocess.run(command, capture_output=True, check=True, env=GIT_ENVIRONMENT).stdout


def merge_branches(repository: Path, head: str, base: str, how: str, message: str) -> str:
    """Merge ``head`` into ``base`` as a forge's button does (``merge``, ``squash`` or
    ``rebase``); the base's new commit. Raises MergeConflict and then changes nothing."""
    theirs = git(repository, "rev-parse", f"refs/heads/{head}")
    ours = git(repository, "rev-parse", f"refs/heads/{base}")
    if how == "rebase":
        merged = _rebased(repository, theirs, ours)
    else:
        parents = (ours, theirs) if how == "merge" else (ours,)
        merged = _commit_tree(repository, _merged_tree(repository, ours, theirs), parents, message)
    git(repository, "update-ref", f"refs/heads/{base}", merged, ours)
    return merged


class GitHttp:
    """ASGI app for the repositories below ``root``; every request runs ``git http-backend``.

    ``authorize`` sees the request's headers and says whether it may go on; a refused one gets
    401, and git asks its credential helpers then."""

    def __init__(self, root: Path, authorize: Callable[[Headers], bool]) -> None:
        self.root = root
        self.authorize = authorize

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(raw=list(scope["headers"]))
        if not self.authorize(headers):
            refusal = PlainTextResponse(
                "Authentication required.", 401, {"WWW-Authenticate": 'Basic realm="git"'}
            )
            await refusal(scope, receive, send)
            return
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            stdin=PIPE,
            stdout=PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=GIT_ENVIRONMENT | self._cgi(scope, headers),
        )
        feeding = asyncio.create_task(_feed(process, receive))
        try:
            await _answer(process, send)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            await _end(process)

    def _cgi(self, scope: Scope, headers: Headers) -> dict[str, str]:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "REMOTE_USER": basic_credential(headers)[0] or "somebody",
            "REQUEST_METHOD": scope["method"],
            "PATH_INFO": path,
            "QUERY_STRING": scope["query_string"].decode(),
            "CONTENT_TYPE": headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        } | ({"CONTENT_LENGTH": headers["content-length"]} if "content-length" in headers else {})


def basic_credential(headers: Headers) -> tuple[str, str]:
    """User name and password of HTTP Basic; two empty strings where there are none."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = b64decode(encoded).decode().partition(":")
    except (NotBase64, UnicodeDecodeError):
        return "", ""
    return user, password


async def _feed(process: Process, receive: Receive) -> None:
    assert process.stdin is not None
    more = True
    try:
        while more:
            message = await receive()
            more = message.get("more_body", False)
            process.stdin.write(message.get("body", b""))
            await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # git has read all it wanted
    finally:
        process.stdin.close()


async def _answer(process: Process, send: Send) -> None:
    assert process.stdout is not None
    head = Headers(raw=[item async for item in _cgi_headers(process.stdout)])
    status = int(head.get("status", "200").split()[0])
    headers = [item for item in head.raw if item[0] != b"status"]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    while chunk := await process.stdout.read(CHUNK):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _cgi_headers(stdout: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, bytes]]:
    while (line := (await stdout.readline()).strip()) != b"":
        name, _, value = line.partition(b":")
        yield name.lower(), value.strip()


async def _end(process: Process) -> None:
    if process.returncode is None and process.stdout is not None and not process.stdout.at_eof():
        process.kill()
    await process.wait()


def _file_change(path: str, content: bytes | None) -> bytes:
    if content is None:
        return f"D {path}\n".encode()
    return f"M 100644 inline {path}\n".encode() + b"data %d\n%b\n" % (len(content), content)


def _merged_tree(repository: Path, ours: str, theirs: str) -> str:
    try:
        return git(repository, "merge-tree", "--write-tree", ours, theirs).splitlines()[0]
    except subprocess.CalledProcessError as conflict:
        raise MergeConflict from conflict


def _commit_tree(repository: Path, tree: str, parents: tuple[str, ...], message: str) -> str:
    flags = [flag for parent in parents for flag in ("-p", parent)]
    return git(repository, "commit-tree", tree, *flags, "-m", message)


def _rebased(repository: Path, theirs: str, ours: str) -> str:
    tip = ours
    for commit in git(repository, "rev-list", "--reverse", f"{ours}..{theirs}").split():
        # merge-tree finds its own merge base: a stand-in for our side whose parent is the
        # commit's parent makes that one the base, which is what picking a commit means.
        side = _commit_tree(repository, f"{tip}^{{tree}}", (f"{commit}^",), "our side")
        tree = _merged_tree(repository, side, commit)
        message = git(repository, "log", "-1", "--format=%B", commit)
        tip = _commit_tree(repository, tree, (tip,), message)
    return tip
