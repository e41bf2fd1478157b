"""Translate GitHub's refusals into errors that say what a person can do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bridge.errors import (
    AlreadyExistsError,
    BridgeError,
    DraftsUnavailableError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RequestRefusedError,
    TransientRefusalError,
    UnauthorizedError,
    UnavailableError,
)
from bridge.network.failures import SPEAKS_TLS, needs_tls

REDIRECTS = (301, 302, 307, 308)
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
SECONDARY_LIMIT_SECONDS = 60.0  # seconds; the pause after a refusal that names no time
MAX_QUOTE_LENGTH = 300  # characters of GitHub's own text
# Parts of refusals that a repetition does not change; GitHub's other refusals read alike.
# https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request
_KNOWN = (
    "is too long",
    "is not a collaborator",
    "from pull request author",
    "cannot be reopened",
    "missing_field",
    "archived",
    "no commit found for",
    "repository rule violations",
    "must not",
    "does not match",
)
_DRAFTS = "draft pull requests are not supported"
_SECONDARY = ("secondary rate limit", "abuse detection", "wait a few minutes before you try again")


@dataclass(frozen=True)
class GitHubRequestAttempt:
    """A request to GitHub, described for its error message."""

    repository: str  # the mapping file's spelling
    what: str  # "open a pull request from a to b"
    needs: str  # the permission this takes, as GitHub's settings page names it
    credential: str  # what to renew when it is not accepted
    after_push: bool = False  # right before: not every server of GitHub's may know it yet
    after_mint: bool = False  # the same of the token


@dataclass(frozen=True)
class GitHubErrorResponse:
    """GitHub's answer to a refused request. Header names are in lower case."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def errors(self) -> list[Mapping[str, object]]:
        errors = self.body.get("errors") if isinstance(self.body, dict) else None
        return [error for error in errors or () if isinstance(error, dict)]

    @property
    def reason(self) -> str:
        """GitHub's reason on one line; empty where the answer is not GitHub's JSON."""
        if not isinstance(self.body, dict):
            return ""
        message = self.body.get("message")
        reasons = [_reason(error) for error in self.errors]
        parts = [message if isinstance(message, str) else "", *reasons]
        line = " ".join("; ".join(part for part in parts if part).split())
        return line if len(line) <= MAX_QUOTE_LENGTH else line[:MAX_QUOTE_LENGTH] + "…"

    @property
    def graphql_kinds(self) -> set[object]:
        return {error.get("type") for error in self.errors}

    @property
    def retry_after(self) -> float | None:
        """Seconds, where the answer names them."""
        value = self.headers.get("retry-after", "").strip()
        return float(value) if value.isdecimal() else None


def build_error(
    answer: GitHubErrorResponse, attempt: GitHubRequestAttempt, now: float
) -> BridgeError:
    """Build the error for a refused attempt; ``now`` is in seconds since the epoch."""
    if _is_rate_limit(answer):
        return _rate_limited(answer, attempt, now)
    if attempt.after_mint and answer.status in (401, 403, 404):
        return TransientRefusalError(
            f"GitHub would not {attempt.what} in {attempt.repository} with the App's present token "
            f"(HTTP {answer.status}){_quoted(answer)}. A new one may do, or it is not known "
            f"everywhere yet; if this lasts, {attempt.credential} needs {attempt.needs}."
        )
    if answer.status == 401:
        return UnauthorizedError(
            f"GitHub does not accept {attempt.credential} (to {attempt.what} in "
            f"{attempt.repository}){_quoted(answer)}. It may be wrong, revoked or expired: renew it."
        )
    if answer.status == 403 or "FORBIDDEN" in answer.graphql_kinds:
        return _forbidden(answer, attempt)
    if answer.status in (404, 410):
        return NotFoundError(
            f"GitHub cannot find what is needed to {attempt.what} in {attempt.repository}. Either "
            f"the name is wrong, or {attempt.credential} cannot see that repository."
        )
    if answer.status == 408 or answer.status >= 500:
        return UnavailableError(
            f"GitHub could not {attempt.what} in {attempt.repository} just now (HTTP "
            f"{answer.status}).",
            retry_after=answer.retry_after,
        )
    if needs_tls(str(answer.body)):
        return build_no_response_error(attempt, SPEAKS_TLS)
    if answer.status in REDIRECTS:
        return build_redirect_error(attempt, answer.headers.get("location", ""))
    return _refused(answer, attempt)


def build_redirect_error(attempt: GitHubRequestAttempt, place: str) -> RequestRefusedError:
    """Build the error for a redirect, to ``place`` where the server names one."""
    parts = urlsplit(place)
    there = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else "elsewhere"
    return RequestRefusedError(
        f"The server sent us to {there}, and did not {attempt.what} in {attempt.repository}. "
        "Requests do not follow, because the token would go along: write the address that the "
        "server's own pages have as the forge's url, and the repository's present name."
    )


def build_other_address_error(attempt: GitHubRequestAttempt, api: str) -> RequestRefusedError:
    """Build the error for links that lead to another address than ``api``."""
    return RequestRefusedError(
        f"The server's answers link to another address than {api}, so the bridge could not "
        f"{attempt.what} in {attempt.repository}. Write the address that the server's own pages "
        "have as the forge's url."
    )


def build_no_response_error(attempt: GitHubRequestAttempt, why: str) -> UnavailableError:
    """Build the error for a request without an answer, or without an answer of GitHub's."""
    return UnavailableError(
        f"The bridge could not {attempt.what} in {attempt.repository} just now: {why}. If "
        "this lasts, check that the forge's address can be reached from here."
    )


def _is_rate_limit(answer: GitHubErrorResponse) -> bool:
    if answer.status == 429 or "RATE_LIMITED" in answer.graphql_kinds:
        return True
    spent = answer.headers.get("x-ratelimit-remaining") == "0"
    return answer.status == 403 and (spent or _is_secondary(answer))


def _is_secondary(answer: GitHubErrorResponse) -> bool:
    words = answer.reason.lower()
    return "retry-after" in answer.headers or any(sign in words for sign in _SECONDARY)


def _rate_limited(
    answer: GitHubErrorResponse, attempt: GitHubRequestAttempt, now: float
) -> RateLimitedError:
    pause = answer.retry_after
    reset = answer.headers.get("x-ratelimit-reset", "")
    spent = answer.headers.get("x-ratelimit-remaining") == "0"
    if pause is None and spent and reset.isdecimal():
        pause = max(1.0, float(reset) - now)
    limit = "rate limit" if spent and not _is_secondary(answer) else "secondary rate limit"
    if pause is None:
        pause = SECONDARY_LIMIT_SECONDS
    return RateLimitedError(
        f"GitHub's {limit} is reached for {attempt.credential}; it would not {attempt.what} in "
        f"{attempt.repository}. The limit ends in {pause:.0f} seconds.",
        retry_after=pause,
    )


def _forbidden(answer: GitHubErrorResponse, attempt: GitHubRequestAttempt) -> ForbiddenError:
    return ForbiddenError(
        f"GitHub does not let {attempt.credential} {attempt.what} in {attempt.repository}"
        f"{_quoted(answer)}. It needs {_accepted(answer) or attempt.needs}."
    )


def _refused(answer: GitHubErrorResponse, attempt: GitHubRequestAttempt) -> BridgeError:
    """Build the error for a refusal. Right after a push, a refusal that is not known as final is
    retried a few times: GitHub answers 422 ``head: invalid``, and nothing else, until it has
    noticed the branch."""
    said = answer.reason.lower()
    text = (
        f"GitHub would not {attempt.what} in {attempt.repository} (HTTP {answer.status})"
        f"{_quoted(answer)}."
    )
    if "already exists for" in said:
        return AlreadyExistsError(text)
    mend = f"{text} Mend that, then let the bridge look again."
    if _DRAFTS in said:
        return DraftsUnavailableError(mend)
    if not attempt.after_push or any(sign in said for sign in _KNOWN):
        return RequestRefusedError(mend)
    return TransientRefusalError(
        f"{text} It may not have noticed the last push yet, or it needs mending."
    )


def _quoted(answer: GitHubErrorResponse) -> str:
    return f": “{answer.reason}”" if answer.reason else ""


def _reason(error: Mapping[str, object]) -> str:
    if isinstance(error.get("message"), str):
        return str(error["message"])
    named = (error.get(part) for part in ("resource", "field", "code"))
    return " ".join(str(part) for part in named if part)


def _accepted(answer: GitHubErrorResponse) -> str:
    """Format the permissions that GitHub names as sufficient: ``pull_requests=write`` is "Pull
    requests: write"."""
    permissions = answer.headers.get("x-accepted-github-permissions", "")
    if permissions:
        return "the permission " + " or ".join(
            " and ".join(_format_accepted(part) for part in choice.split(","))
            for choice in permissions.split(";")
        )
    scopes = answer.headers.get("x-accepted-oauth-scopes", "")
    return f"the scope {scopes.replace(', ', ' or ')}" if scopes else ""


def _format_accepted(permission: str) -> str:
    name, _, level = permission.strip().partition("=")
    return format_permission(name, level)


def format_permission(name: str, level: str) -> str:
    """Format a permission as GitHub's pages name it: ``statuses`` is “Commit statuses”."""
    # https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
    known = {"statuses": "Commit statuses"}
    return f"“{known.get(name, name.replace('_', ' ').capitalize())}: {level}”"
