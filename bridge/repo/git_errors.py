"""Translate git's messages about a remote into the errors of ``bridge.errors``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridge.errors import (
    BridgeError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RequestRefusedError,
    StaleStateError,
    TransientRefusalError,
    UnauthorizedError,
    UnavailableError,
)
from bridge.forge.forge import GitRemote
from bridge.forge.push_rules import find_remedy
from bridge.network import failures
from bridge.repo.git_environment import mask_password, mask_url_credentials

_LONGEST = 600  # characters of the server's text in a message

_UNREACHABLE = "{url} could not be reached with git: %s."

# curl's messages in git's output, with OpenSSL and GnuTLS: https://curl.se/libcurl/c/libcurl-errors.html
_CONNECTION: tuple[tuple[str, str], ...] = (
    (
        r"no alternative certificate subject name|does not match target host"
        r"|certificate owner does not match hostname",
        failures.WRONG_NAME,
    ),
    (r"certificate (has|is) expired|certificate is not yet valid", failures.EXPIRED),
    (
        r"ssl certificate problem|self.signed certificate|unable to get local issuer",
        failures.describe_untrusted("ca_file"),
    ),
    (  # git's whole message where it is built with GnuTLS
        r"server certificate verification failed",
        f"{failures.describe_untrusted('ca_file')}; or it has expired",
    ),
    (
        r"wrong version number|unexpected tls packet|packet length too long"
        r"|an unexpected tls|unknown protocol",
        failures.SPEAKS_PLAIN_HTTP,
    ),
    (r"http/0\.9 when not allowed|unsupported http version", failures.SPEAKS_TLS),
    (r"could ?n[o']t resolve (host|proxy)|unknown host", failures.UNKNOWN_HOST),
    (r"connection refused", failures.REFUSED),
    (r"connection timed out|operation timed out|operation too slow", failures.NO_ANSWER),
    # curl before 8.12 has no reason for these two.
    (r"failed to connect to|could ?n[o']t connect to", failures.REFUSED),
    (r"empty reply from server|connection reset", failures.CLOSED),
)

# The first match decides; {url} is the repository, {words} the message of git or the server.
_MEANINGS: tuple[tuple[str, type[BridgeError], str], ...] = (
    (
        r"mismatched algorithms|unsupported object format|unknown object format"
        r"|object.format.*sha256",
        RequestRefusedError,
        "{url} names its objects by SHA-256, and the bridge works with SHA-1 repositories only. "
        "Name another repository in the mapping.",
    ),
    (
        r"unadvertised object|want [0-9a-f]{40} not valid",
        TransientRefusalError,
        "{url} gives no objects but the newest of a branch, and the bridge needs single files. "
        "Allow it there: uploadpack.allowAnySHA1InWant and uploadpack.allowFilter.",
    ),
    *((pattern, UnavailableError, _UNREACHABLE % cause) for pattern, cause in _CONNECTION),
    (
        r"returned error: 401|authentication failed|could not read (username|password)"
        r"|permission denied \(|access denied",
        UnauthorizedError,
        "{url} did not accept the credential for git: it is missing, wrong or expired. "
        "Put a valid one into the configuration.",
    ),
    (
        r"returned error: 403|permission to \S+ denied|you are not allowed|write access to",
        ForbiddenError,
        "{url} knows the credential and does not let it do this with git ({words}). "
        "Give it permission to read and write the repository's contents.",
    ),
    (
        r"returned error: (404|410)|repository '[^']*' not found|repository not found"
        r"|does not appear to be a git repository|could not be found",
        NotFoundError,
        "{url} is not there, or hidden from this credential. Check the repository's name and "
        "that the credential may see it.",
    ),
    (
        r"returned error: 429",
        RateLimitedError,
        "{url} asked us to slow down with git.",
    ),
    (
        r"not our ref",
        StaleStateError,
        "{url} has moved while the bridge compared it.",
    ),
    (
        r"unable to access|could ?n[o']t (resolve|connect)|connection|early eof|hung up|disconnect"
        r"|rpc failed|returned error: (408|5\d\d)|timed out|empty reply|ssl|certificate"
        r"|the remote end|expected .*packet|bad line length|unexpected|not valid: is this a git"
        r"|internal server error|internal api unreachable|deadline exceeded|service unavailable"
        r"|remote error",
        UnavailableError,
        "{url} could not be reached with git ({words}).",
    ),
)
# The HTTP status that each of these stands for; a credential that was just made may not be known.
_STATUS: Mapping[type[BridgeError], int] = {
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
}

# Answers of a server that is failing; those of a push rule or a hook read otherwise.
_PASSING = re.compile(
    r"\(failure\)|\[?failure\]?$|internal server error|internal api unreachable|deadline exceeded"
    r"|fatal error in commit_refs|failed to (?:update|lock) ref|service unavailable|try again"
    r"|temporarily|maintenance|read-only (?:\w+ )?instance|is currently read-only"
    r"|in read-only mode|unexpected disconnect|timed? ?out|unable to (?:create|write|migrate)"
    r"|disk quota|no space left|5\d\d (?:bad gateway|error)",
    re.IGNORECASE,
)
_ARCHIVED = re.compile(r"archived", re.IGNORECASE)
# Answers because of a rule that stays until a person changes the rule or the commit.
# https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository
# https://docs.gitlab.com/user/project/repository/push_rules/
_RULE = re.compile(
    r"GH0\d\d|protected branch|branch protection|push rule|repository rule|not allowed"
    r"|does not follow the pattern|must match|committer|author|declined|hook|denied|prohibited"
    r"|archived|deny(?:ing|current)|exceeds|too large|secret|quota exceeded|cannot update"
    r"|refusing",
    re.IGNORECASE,
)

_MOVED = re.compile(
    r"stale info|fetch first|non-fast-forward|cannot lock ref|failed to update ref"
    r"|already exists|incorrect old value|but expected",
    re.IGNORECASE,
)
# git cannot have both a branch and others below its name; a retry does not change that.
_NAME_TAKEN = re.compile(r"'refs/heads/([^']+)' exists; cannot create", re.IGNORECASE)
_UNSENT = re.compile(r"unable to read [0-9a-f]{40}|missing blob|bad object", re.IGNORECASE)


def translate_git_error(complaint: str, remote: GitRemote) -> BridgeError | None:
    """The error that git's complaint about ``remote`` stands for, or None where it is not about
    the remote."""
    for pattern, kind, sentence in _MEANINGS:
        if re.search(pattern, complaint, re.IGNORECASE):
            message = sentence.format(
                url=mask_url_credentials(remote.url), words=_words(complaint, remote)
            )
            if kind in _STATUS and remote.renew(_STATUS[kind]):
                return TransientRefusalError(f"{message} A new credential is made.")
            return kind(message)
    return None


def translate_push_error(
    output: str, complaint: str, branch: str, remote: GitRemote
) -> BridgeError:
    """The error that a failed ``git push --porcelain`` stands for."""
    reason = "".join(line.partition("[")[2] for line in output.splitlines() if line[:1] == "!")
    if taken := _NAME_TAKEN.search(f"{reason}\n{complaint}"):
        return RequestRefusedError(
            f"{mask_url_credentials(remote.url)} cannot have a branch {branch} beside its branch {taken[1]}. "
            "Delete that one, or change the mapping's `branch`."
        )
    if _MOVED.search(reason):
        return StaleStateError(
            f"The branch {branch} of {mask_url_credentials(remote.url)} moved while the bridge compared it."
        )
    if "remote rejected" in reason and "unpacker error" not in reason:
        return _rejected(complaint, reason.partition("] ")[2], branch, remote)
    return translate_git_error(complaint, remote) or UnavailableError(
        f"The push to {branch} of {mask_url_credentials(remote.url)} failed ({_words(complaint, remote)})."
    )


def _rejected(complaint: str, reason: str, branch: str, remote: GitRemote) -> BridgeError:
    """Build the error for a push that the server rejected: because it is failing, because of a
    rule, or for an unknown reason, which is retried a few times."""
    words = _words(f"{complaint}\n{reason}", remote)
    message = (
        f"{mask_url_credentials(remote.url)} refused our push to the branch {branch}: {words}."
    )
    said = "\n".join([*(line for line in complaint.splitlines() if "remote:" in line), reason])
    if _PASSING.search(said) and not _ARCHIVED.search(said):
        return UnavailableError(message)
    remedy = find_remedy(words)
    if remedy or _RULE.search(said):
        remedy = remedy or "check its branch protection and push rules"
        return RequestRefusedError(f"{message} {remedy[0].upper()}{remedy[1:]}.")
    return TransientRefusalError(
        f"{message} That may pass; if it lasts, check its branch protection and push rules."
    )


def is_parent_missing_on_remote(complaint: str) -> bool:
    """Whether a push failed because git did not see that the other side has our parent commit
    and tried to send all of it, which a blobless mirror cannot."""
    return _UNSENT.search(complaint) is not None


def _words(complaint: str, remote: GitRemote) -> str:
    """The server's own lines where there are any, otherwise git's, on one line."""
    lines = [_printable(line) for line in complaint.splitlines() if line.strip()]
    server = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    said = " ".join(line for line in (server or lines) if line)
    return mask_password(said, remote)[:_LONGEST].rstrip(" .") or "git gave no reason"


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else " " for character in line).strip()
