"""A commit, as values: one that is there, one that is to be written, and git's spelling of both.

Pure: no process, no disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

REGULAR_FILE_MODE, EXECUTABLE_FILE_MODE = "100644", "100755"
_UNUSUAL = re.compile(rb"[^ !#-\[\]-~]")  # all but printable ASCII without quote and backslash
ZERO_OBJECT_ID = "0" * 40  # the object name that stands for "no object"


@dataclass(frozen=True)
class GitIdentity:
    """Who wrote or recorded a commit."""

    name: str
    email: str


@dataclass(frozen=True)
class CommitSigning:
    """How commits are signed: ``key`` is the path of a private key file without passphrase
    (ssh), or a key id of the user's key ring (openpgp)."""

    format: Literal["ssh", "openpgp"]
    key: str


@dataclass(frozen=True)
class GitCommit:
    """A commit as it is recorded; ``parents`` are those it names, whether the mirror has them
    or not."""

    object_id: str
    tree: str
    parents: tuple[str, ...]
    author: GitIdentity
    committer: GitIdentity
    authored_at: str  # ISO 8601 with the author's offset
    committed_at: str  # the same, the committer's
    message: str


@dataclass(frozen=True)
class CommitDraft:
    """A commit to be written. The same draft always becomes the same object name, unless it is
    signed by a method that is not deterministic."""

    parent: str | None  # None: the first commit of a line
    changes: Mapping[str, bytes | None]  # path → whole content; None removes
    message: str
    author: GitIdentity
    committer: GitIdentity
    date: datetime  # aware; the author's and the committer's date
    signing: CommitSigning | None = None


def parse_commit(object_name: str, content: bytes) -> GitCommit:
    """Read a commit object, as ``git cat-file`` prints it."""
    head, _, message = content.decode("utf-8", "replace").partition("\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.split("\n"):
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)  # lines that continue a signature have no key
    author, authored_at = _parse_ident(fields["author"][0])
    committer, committed_at = _parse_ident(fields["committer"][0])
    return GitCommit(
        object_id=object_name,
        tree=fields["tree"][0],
        parents=tuple(fields.get("parent", ())),
        author=author,
        committer=committer,
        authored_at=authored_at,
        committed_at=committed_at,
        message=message,
    )


def build_fast_import_stream(
    draft: CommitDraft, ref: str, modes: Mapping[str, str]
) -> Iterator[bytes]:
    """Build the input of ``git fast-import`` that writes the draft, prints its object name, and
    leaves no ref. ``modes`` has the mode of each changed file that exists in the parent.
    https://git-scm.com/docs/git-fast-import"""
    yield f"commit {ref}\nmark :1\n".encode()
    yield f"author {format_identity(draft.author, draft.date)}\n".encode()
    yield f"committer {format_identity(draft.committer, draft.date)}\n".encode()
    yield _counted(encode_message(draft.message))
    if draft.parent is not None:
        yield f"from {draft.parent}\n".encode()
    yield from _changes(draft.changes, modes)
    yield f"get-mark :1\nreset {ref}\nfrom {ZERO_OBJECT_ID}\n\n".encode()


def format_identity(who: GitIdentity, when: datetime) -> str:
    """An author or committer line's value: name, address, seconds since 1970, offset."""
    return f"{_plain(who.name)} <{_plain(who.email)}> {int(when.timestamp())} {when:%z}"


def build_commit_environment(draft: CommitDraft) -> dict[str, str]:
    """Build the variables for ``git commit-tree``, which takes people and date by environment."""
    date = f"@{int(draft.date.timestamp())} {draft.date:%z}"
    return {
        "GIT_AUTHOR_NAME": _plain(draft.author.name),
        "GIT_AUTHOR_EMAIL": _plain(draft.author.email),
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": _plain(draft.committer.name),
        "GIT_COMMITTER_EMAIL": _plain(draft.committer.email),
        "GIT_COMMITTER_DATE": date,
    }


def encode_message(message: str) -> bytes:
    """A message as git keeps it: no NUL, one newline at the end."""
    return message.replace("\0", "").rstrip("\n").encode("utf-8", "replace") + b"\n"


def encode_path(path: str) -> bytes:
    """A path as git has it. Bytes that are not UTF-8 are surrogates in our strings."""
    return path.encode("utf-8", "surrogateescape")


def list_parent_folders(path: str) -> Iterator[str]:
    """The folders above a path, the topmost first."""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def _changes(changes: Mapping[str, bytes | None], modes: Mapping[str, str]) -> Iterator[bytes]:
    # Removals first: a file may give way to a folder of the same name.
    for path, content in changes.items():
        if content is None and path in modes:
            yield b"D " + _quoted(path) + b"\n"
    for path, content in changes.items():
        if content is not None:
            mode = (
                EXECUTABLE_FILE_MODE
                if modes.get(path) == EXECUTABLE_FILE_MODE
                else REGULAR_FILE_MODE
            )
            yield f"M {mode} inline ".encode() + _quoted(path) + b"\n" + _counted(content)


def _counted(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"


def _quoted(path: str) -> bytes:
    return b'"' + _UNUSUAL.sub(_escaped, encode_path(path)) + b'"'


def _escaped(byte: re.Match[bytes]) -> bytes:
    return b"\\%03o" % ord(byte[0])


def _plain(text: str) -> str:
    """Remove the characters that would end the field; git strips or accepts all others."""
    return "".join(c for c in text if c not in "<>" and c.isprintable()).strip() or "unknown"


def _parse_ident(value: str) -> tuple[GitIdentity, str]:
    name, _, rest = value.partition(" <")
    email, _, when = rest.rpartition("> ")
    seconds, _, offset = when.partition(" ")
    moment = datetime.fromtimestamp(int(seconds), UTC).astimezone(_zone(offset))
    return GitIdentity(name, email), moment.isoformat()


def _zone(offset: str) -> timezone:
    hours, minutes = int(offset[1:3]), int(offset[3:5])
    ahead = timedelta(hours=hours, minutes=minutes)
    return timezone(-ahead if offset.startswith("-") else ahead)
