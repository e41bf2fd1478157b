"""What git complains about when it talks to a remote, in the words of ``bridge.errors``."""

from __future__ import annotations

import re

from bridge.errors import (
    BridgeError,
    Forbidden,
    NotFound,
    RateLimited,
    Refused,
    Stale,
    Unauthorized,
    Unavailable,
)
from bridge.forge.base import GitRemote
from bridge.forge.push_rules import remedy_for
from bridge.repo.credentials import shown, without_secrets

_LONGEST = 600  # characters of the other side's words in a message

# The first that matches decides; {url} is the repository, {words} what git or the server said.
_MEANINGS: tuple[tuple[str, type[BridgeError], str], ...] = (
    (
        r"returned error: 401|authentication failed|could not read (username|password)"
        r"|permission denied \(|access denied",
        Unauthorized,
        "{url} did not accept the credential for git: it is missing, wrong or expired. "
        "Put a valid one into the configuration.",
    ),
    (
        r"returned error: 403|permission to \S+ denied|you are not allowed|write access to",
        Forbidden,
        "{url} knows the credential and does not let it do this with git ({words}). "
        "Give it permission to read and write the repository's contents.",
    ),
    (
        r"returned error: 404|repository '[^']*' not found|repository not found"
        r"|does not appear to be a git repository|could not be found",
        NotFound,
        "{url} is not there, or hidden from this credential. Check the repository's name and "
        "that the credential may see it.",
    ),
    (
        r"returned error: 429",
        RateLimited,
        "{url} asked us to slow down with git. It is tried again later.",
    ),
    (
        r"not our ref",
        Stale,
        "{url} has moved while we were looking. It is looked at again.",
    ),
    (
        r"unable to access|could ?n[o']t (resolve|connect)|connection|early eof|hung up|disconnect"
        r"|rpc failed|returned error: 5\d\d|timed out|empty reply|ssl|certificate|the remote end"
        r"|expected .*packet|bad line length|unexpected|not valid: is this a git",
        Unavailable,
        "{url} could not be reached with git ({words}). It is tried again later.",
    ),
)

_MOVED = re.compile(
    r"stale info|fetch first|non-fast-forward|cannot lock ref|failed to update ref"
    r"|already exists|incorrect old value|but expected",
    re.IGNORECASE,
)
# git cannot have both a branch and others below its name; no second look changes that.
_NAME_TAKEN = re.compile(r"'refs/heads/([^']+)' exists; cannot create", re.IGNORECASE)
_UNSENT = re.compile(r"unable to read [0-9a-f]{40}|missing blob|bad object", re.IGNORECASE)


def understood(complaint: str, remote: GitRemote) -> BridgeError | None:
    """The error that git's complaint about ``remote`` stands for, or None where it is not about
    the remote."""
    for pattern, kind, sentence in _MEANINGS:
        if re.search(pattern, complaint, re.IGNORECASE):
            return kind(sentence.format(url=shown(remote.url), words=_words(complaint, remote)))
    return None


def push_refused(output: str, complaint: str, branch: str, remote: GitRemote) -> BridgeError:
    """The error that a failed ``git push --porcelain`` stands for."""
    reason = "".join(line.partition("[")[2] for line in output.splitlines() if line[:1] == "!")
    if taken := _NAME_TAKEN.search(f"{reason}\n{complaint}"):
        return Refused(
            f"{shown(remote.url)} cannot have a branch {branch} beside its branch {taken[1]}. "
            "Delete that one, or change the mapping's `branch`."
        )
    if _MOVED.search(reason):
        return Stale(
            f"The branch {branch} of {shown(remote.url)} moved while we were looking. "
            "It is looked at again."
        )
    if "remote rejected" in reason and "unpacker error" not in reason:
        words = _words(f"{complaint}\n{reason.partition('] ')[2]}", remote)
        remedy = remedy_for(words) or "check its branch protection and push rules"
        return Refused(
            f"{shown(remote.url)} refused our push to the branch {branch}: {words}."
            f" {remedy[0].upper()}{remedy[1:]}."
        )
    return understood(complaint, remote) or Unavailable(
        f"The push to {branch} of {shown(remote.url)} failed ({_words(complaint, remote)}). "
        "It is tried again later."
    )


def parent_unknown_there(complaint: str) -> bool:
    """Whether a push failed because git did not see that the other side has our parent commit
    and tried to send all of it, which a blobless mirror cannot."""
    return _UNSENT.search(complaint) is not None


def _words(complaint: str, remote: GitRemote) -> str:
    """The server's own lines where there are any, otherwise git's, on one line."""
    lines = [_printable(line) for line in complaint.splitlines() if line.strip()]
    server = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    said = " ".join(line for line in (server or lines) if line)
    return without_secrets(said, remote)[:_LONGEST].rstrip(" .") or "git gave no reason"


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else " " for character in line).strip()
