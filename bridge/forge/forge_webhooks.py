"""The events of forges' webhooks, and the interface of their readers.

An event is never executed: it only names what to reconcile. So only the fields of these values are
stored of one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from bridge.errors import MalformedPayloadError, SignatureMismatchError

Headers = Mapping[str, str]  # names in lower case

_CHECKED_BOX = re.compile(r"^[-*] \[[xX]\] <!-- promptlayer-bridge-box:", re.MULTILINE)


class PullRequestAction(StrEnum):
    OPENED = "opened"
    SYNCHRONIZED = "synchronized"  # its branch points at another commit
    RETARGETED = "retargeted"  # it goes to another base
    DRAFT_CHANGED = "draft changed"  # it became a draft, or ready for review
    UPDATED = "updated"  # one of the three above, in a delivery that an older version stored
    MERGED = "merged"
    CLOSED = "closed"  # without a merge
    REOPENED = "reopened"
    EDITED = "edited"  # the body, in which a check box of the bridge's is checked now


@dataclass(frozen=True)
class PushEvent:
    """A branch points somewhere else now, whoever did that and however."""

    repository: str  # owner/name, as the mapping file spells it behind the colon
    branch: str
    before: str | None  # full object name; None: the branch is new
    after: str | None  # full object name; None: the branch is gone


@dataclass(frozen=True)
class PullRequestEvent:
    """Something happened to a pull request."""

    repository: str  # owner/name of the one it goes to
    number: int
    action: PullRequestAction
    head: str  # branch name, in the fork where it comes from one
    base: str  # branch name
    head_commit: str  # full object name; empty where it has no commit
    from_fork: bool
    author: str  # login of who opened it; empty where the event does not say


ForgeEvent = PushEvent | PullRequestEvent


class ForgeWebhooks(Protocol):
    """The interface of the modules ``bridge.forge.…_webhooks``: each verifies and parses the
    webhooks of one type of forge, without a repository or a credential."""

    def verify_webhook(self, headers: Headers, body: bytes, secrets: Sequence[str]) -> None:
        """Raises SignatureMismatchError unless somebody with one of ``secrets`` sent this. A blank
        secret is none."""

    def parse_webhook(self, headers: Headers, body: bytes) -> ForgeEvent | None:
        """The event of a verified delivery; None for one of no interest, such as a ping. Raises
        MalformedPayloadError for what the forge never sends."""

    def find_delivery_name(self, headers: Headers) -> str:
        """Find the forge's name of this delivery, the same when it is sent again; may be empty."""


@dataclass(frozen=True)
class ForgeEndpoint:
    """The webhook endpoint of one configured forge."""

    webhooks: ForgeWebhooks
    secrets: tuple[str, ...] = field(repr=False)  # any of them will do; none: it stays shut


# Shared by all readers.


def require_matching_signature(matches: Iterable[bool], refusal: str) -> None:
    """Raise SignatureMismatchError unless one signature matches. All are compared, so that the
    time taken does not show which one does."""
    if not any(list(matches)):
        raise SignatureMismatchError(
            f"{refusal} Compare webhook_secret of this forge in bridge.yaml with the secret set "
            "for the webhook there."
        )


def constant_time_equal(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that does not show where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def contains_checked_box(body: object) -> bool:
    """Whether a body may have a checked box of the bridge's. It decides only whether to reconcile:
    which boxes count is decided when the body is read from the forge."""
    return isinstance(body, str) and _CHECKED_BOX.search(body) is not None


def compute_hmac_hex(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


Value = TypeVar("Value", str, int, bool)


class WebhookPayload:
    """A JSON object read with care. Fields are named by their path: ``pull_request.head.ref``."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    @classmethod
    def read(cls, body: bytes | str) -> WebhookPayload:
        """Raises MalformedPayloadError for anything but a JSON object."""
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            raise MalformedPayloadError("The body is not JSON in UTF-8.") from None
        if not isinstance(content, dict):
            raise MalformedPayloadError("The body is JSON, but not an object.")
        return cls(content)

    def find(self, path: str) -> Any:
        """The field; None where it is not there or null."""
        found: Any = self._content
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def get_text(self, path: str) -> str:
        """Get a text. Raises MalformedPayloadError where it is no text, empty, or cannot be
        stored."""
        value = self._expected(path, str)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise MalformedPayloadError(f"The delivery's {path} is not Unicode.") from None
        if not value or "\0" in value:
            raise MalformedPayloadError(f"The delivery's {path} is empty or has a NUL.")
        return value

    def get_text_or(self, path: str, otherwise: str) -> str:
        """Get the text, or ``otherwise`` where it is absent or null. Raises
        MalformedPayloadError as ``get_text`` does."""
        return otherwise if self.find(path) is None else self.get_text(path)

    def get_number(self, path: str) -> int:
        """Raises MalformedPayloadError where it is no positive number."""
        value = self._expected(path, int)
        if isinstance(value, bool) or not 0 < value < 2**63:
            raise MalformedPayloadError(f"The delivery's {path} is not a positive number.")
        return value

    def get_flag(self, path: str) -> bool:
        """Raises MalformedPayloadError where it is neither true nor false."""
        return self._expected(path, bool)

    def get_commit(self, path: str) -> str:
        """A full object name. Raises MalformedPayloadError."""
        value = self.get_text(path).lower()
        if len(value) not in (40, 64) or not set(value) <= set("0123456789abcdef"):
            raise MalformedPayloadError(f"The delivery's {path} is not a commit.")
        return value

    def get_push_end(self, path: str) -> str | None:
        """One end of a push: a commit, or None for the zeros that mean none. Raises
        MalformedPayloadError."""
        value = self.get_commit(path)
        return value if value.strip("0") else None

    def _expected(self, path: str, kind: type[Value]) -> Value:
        value = self.find(path)
        if not isinstance(value, kind):
            raise MalformedPayloadError(
                f"The delivery has no {path}, or it is not a {kind.__name__}."
            )
        return value


def parse_push_event(payload: WebhookPayload, repository: str) -> PushEvent | None:
    """Parse the push of ``ref``, ``before`` and ``after``; None where it is not of a branch."""
    heads = "refs/heads/"
    ref = payload.get_text("ref")
    if not ref.startswith(heads):
        return None
    return PushEvent(
        repository,
        ref.removeprefix(heads),
        payload.get_push_end("before"),
        payload.get_push_end("after"),
    )
