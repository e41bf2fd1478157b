"""GitLab's webhooks, of a project, a group or the system, with a secret or a signing token.

As in ``bridge.forge.gitlab``, GitLab's words for a pull request and its number stay in here.
https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Sequence

from bridge.errors import MalformedPayloadError
from bridge.forge.forge_webhooks import (
    ForgeEvent,
    Headers,
    PullRequestAction,
    PullRequestEvent,
    WebhookPayload,
    constant_time_equal,
    contains_checked_box,
    parse_push_event,
    require_matching_signature,
)

TOKEN_HEADER = "x-gitlab-token"
SIGNATURE_HEADER = "webhook-signature"
MESSAGE_ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
_NAMES = (MESSAGE_ID_HEADER, "idempotency-key", "x-gitlab-event-uuid")
_SIGNING_PREFIX = "whsec_"

_ACTIONS = {
    "open": PullRequestAction.OPENED,
    "reopen": PullRequestAction.REOPENED,
    "merge": PullRequestAction.MERGED,
    "close": PullRequestAction.CLOSED,
}
# One update may have several of these. The base and the draft state come first: only a person
# changes them, and new commits may be the bridge's.
_CHANGES = {
    "changes.target_branch": PullRequestAction.RETARGETED,
    "changes.draft": PullRequestAction.DRAFT_CHANGED,
    "object_attributes.oldrev": PullRequestAction.SYNCHRONIZED,
}


def verify_webhook(headers: Headers, body: bytes, secrets: Sequence[str]) -> None:
    usable = [secret for secret in secrets if secret]
    if SIGNATURE_HEADER in headers:
        require_matching_signature(
            _signatures_that_fit(headers, body, usable),
            f"The delivery's {SIGNATURE_HEADER} does not fit.",
        )
        return
    token = headers.get(TOKEN_HEADER, "")
    require_matching_signature(
        (constant_time_equal(secret, token) for secret in usable),
        f"The delivery's {TOKEN_HEADER} is missing or another one.",
    )


def _signatures_that_fit(headers: Headers, body: bytes, secrets: Sequence[str]) -> Iterator[bool]:
    claimed = headers[SIGNATURE_HEADER].split()
    for secret in secrets:
        for key in _keys(secret):
            expected = compute_signature(
                headers.get(MESSAGE_ID_HEADER, ""), headers.get(TIMESTAMP_HEADER, ""), body, key
            )
            yield from [constant_time_equal(expected, one) for one in claimed]


def compute_signature(message_id: str, timestamp: str, body: bytes, key: bytes) -> str:
    """Compute the header SIGNATURE_HEADER of a delivery, after the Standard Webhooks.
    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def _keys(secret: str) -> Iterator[bytes]:
    """A signing token is written in base64 behind its prefix; one that is not, is taken as text."""
    yield secret.encode()
    if secret.startswith(_SIGNING_PREFIX):
        try:
            yield base64.b64decode(secret.removeprefix(_SIGNING_PREFIX), validate=True)
        except binascii.Error:
            return


def find_delivery_name(headers: Headers) -> str:
    return next((headers[name] for name in _NAMES if headers.get(name)), "")


def parse_webhook(headers: Headers, body: bytes) -> ForgeEvent | None:  # noqa: ARG001 - the body says it all
    payload = WebhookPayload.read(body)
    # A system hook has no kind for some of its events, only a name.
    match payload.find("object_kind") or payload.find("event_name"):
        case "push":
            return parse_push_event(payload, payload.get_text("project.path_with_namespace"))
        case "merge_request":
            return _merge_request(payload)
        case str():
            return None
    raise MalformedPayloadError("The delivery has neither object_kind nor event_name.")


def _merge_request(payload: WebhookPayload) -> PullRequestEvent | None:
    action = _action(payload)
    if action is None:
        return None
    of = "object_attributes"
    home = payload.get_number(f"{of}.target_project_id")
    return PullRequestEvent(
        repository=payload.get_text("project.path_with_namespace"),
        number=payload.get_number(f"{of}.iid"),
        action=action,
        head=payload.get_text(f"{of}.source_branch"),
        base=payload.get_text(f"{of}.target_branch"),
        head_commit=_head_commit(payload),
        from_fork=payload.find(f"{of}.source_project_id") != home,
        author=_author(payload),
    )


def _action(payload: WebhookPayload) -> PullRequestAction | None:
    action = payload.find("object_attributes.action")  # none where only a system hook sends it
    if action == "update":
        for sign, change in _CHANGES.items():
            if payload.find(sign):
                return change
        checked = contains_checked_box(payload.find("object_attributes.description"))
        return PullRequestAction.EDITED if payload.find("changes.description") and checked else None
    return _ACTIONS.get(action) if isinstance(action, str) else None


def _author(payload: WebhookPayload) -> str:
    """GitLab names who acted, and of the author only a number."""
    acted, author = payload.find("user.id"), payload.find("object_attributes.author_id")
    ours = acted is not None and acted == author
    return payload.get_text_or("user.username", "") if ours else ""


def _head_commit(payload: WebhookPayload) -> str:
    """None where its branch has nothing yet."""
    path = "object_attributes.last_commit.id"
    return "" if payload.find(path) is None else payload.get_commit(path)
