"""Translate GitLab's refusals into errors of ``bridge.errors``. Uses no SDK but the errors of
requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from bridge import errors
from bridge.forge.forge import RateLimitStatus
from bridge.network.failures import SPEAKS_TLS, explain_connection_failure, needs_tls

REDIRECT_STATUSES = (301, 302, 303, 307, 308)
MAX_QUOTE_LENGTH = 500  # characters of GitLab's own text in a message

# Refusals of a request that is wrong however often it is made.
# https://docs.gitlab.com/api/rest/troubleshooting/ and /api/merge_requests/#create-mr
_KNOWN = (
    "is too long",
    "can't be blank",
    "is missing",
    "does not have a valid value",
    "same project/branch",
    "is not a valid",
    "archived",
    "push rule",
)


def build_refusal_error(
    asked: str, status: int, body: bytes, *, after_push: bool = False
) -> errors.BridgeError:
    """Build the error for an answer of ``status``. ``asked`` begins its message and names the
    request; GitLab's text follows where it answered in JSON, and a proxy's page is never
    quoted. Right after a push, a refusal that is not known as final is retried a few times:
    GitLab may not have noticed the branch."""
    answer = _json(body)
    words = _words(answer)
    says = f" GitLab says: {words}." if words else ""
    if status == 401:
        return errors.UnauthorizedError(
            f"{asked}, because the token is wrong, revoked or expired (401). Make a new one with "
            f"the scope api and set it as the forge's token.{says}"
        )
    if status == 403:
        return errors.ForbiddenError(f"{asked}, because {_missing_permission(answer)} (403).{says}")
    if status == 404:
        return errors.NotFoundError(
            f"{asked}, because it is not there or the token cannot see it (404). Check the name, "
            f"and that the token's user is a member of the project.{says}"
        )
    if needs_tls(body.decode("utf-8", "replace")):
        return errors.UnavailableError(f"{asked}, because {SPEAKS_TLS}.")
    if status >= 500 or status == 408:
        return errors.UnavailableError(
            f"{asked}, because GitLab has a problem of its own ({status})."
        )
    if status == 409 and "already exists" in words:
        return errors.AlreadyExistsError(f"{asked}, because there is one already (409).{says}")
    said = words.lower()
    if "resource lock" in said or (after_push and not any(sign in said for sign in _KNOWN)):
        return errors.TransientRefusalError(
            f"{asked}, because GitLab refused it ({status}).{says} It may not have noticed the last "
            "push yet, or it needs mending."
        )
    return errors.RequestRefusedError(f"{asked}, because GitLab refused it ({status}).{says}")


def build_interruption_error(
    repository: str, status: int, headers: Mapping[str, str], now: float
) -> errors.BridgeError | None:
    """Build the error for a redirect, which would carry the token to its address, and for a 429,
    whose headers name the pause (``now``: seconds since the epoch). None for any other
    answer."""
    if status == 429:
        return errors.RateLimitedError(
            f"GitLab asks to slow down (429) for {repository}.",
            retry_after=_pause(headers, now),
        )
    if status in REDIRECT_STATUSES:
        moved_to = urlsplit(headers.get("location", ""))._replace(query="", fragment="").geturl()
        return errors.RequestRefusedError(
            f"GitLab says that {repository} has moved ({status}), to {moved_to}. Correct the "
            "forge's url or the mapping's repository; requests do not follow, because the token "
            "would go along."
        )
    return None


def parse_rate_limit(headers: Mapping[str, str]) -> RateLimitStatus | None:
    """Parse the rate limit in an answer's headers; None where they have none."""
    try:
        limit, remaining, reset = (
            int(headers[f"RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset")
        )
        return RateLimitStatus(limit, remaining, datetime.fromtimestamp(reset, UTC))
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def describe_failure(error: requests.RequestException, ca_setting: str) -> str:
    """Describe an error of requests; its own text holds addresses and object names."""
    if isinstance(error, requests.ReadTimeout):
        return "did not answer in time"
    return f"could not be reached: {explain_connection_failure(error, ca_setting)}"


def _pause(headers: Mapping[str, str], now: float) -> float | None:
    try:
        if "Retry-After" in headers:
            return max(0.0, float(headers["Retry-After"]))
        return max(0.0, float(headers["RateLimit-Reset"]) - now)
    except (KeyError, ValueError):
        return None


def _missing_permission(answer: Mapping[str, Any]) -> str:
    if answer.get("error") == "insufficient_scope":
        return f"the token lacks the scope {answer.get('scope') or 'api'}"
    return "the token's user needs the role Developer or higher in the project"


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _words(answer: Mapping[str, Any]) -> str:
    said = answer.get("message") or answer.get("error_description") or answer.get("error")
    return " ".join(_leaves(said))[:MAX_QUOTE_LENGTH].rstrip(".")


def _leaves(said: object) -> Iterator[str]:
    """GitLab's message is a sentence, a list of them, or lists of them by field name."""
    if isinstance(said, Mapping):
        for name, inner in said.items():
            yield f"{name}:"
            yield from _leaves(inner)
    elif isinstance(said, list):
        for inner in said:
            yield from _leaves(inner)
    elif said:
        yield str(said)
