"""GitHub's webhooks, of a repository, an organization or an App.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs

from bridge.errors import MalformedPayloadError
from bridge.forge.forge_webhooks import (
    ForgeEvent,
    Headers,
    PullRequestAction,
    PullRequestEvent,
    WebhookPayload,
    compute_hmac_hex,
    constant_time_equal,
    contains_checked_box,
    parse_push_event,
    require_matching_signature,
)

EVENT_HEADER = "x-github-event"
DELIVERY_HEADER = "x-github-delivery"
SIGNATURE_HEADER = "x-hub-signature-256"
_FORM = "application/x-www-form-urlencoded"

_ACTIONS = {
    "opened": PullRequestAction.OPENED,
    "reopened": PullRequestAction.REOPENED,
    "synchronize": PullRequestAction.SYNCHRONIZED,
    "ready_for_review": PullRequestAction.DRAFT_CHANGED,
    "converted_to_draft": PullRequestAction.DRAFT_CHANGED,
}


def verify_webhook(headers: Headers, body: bytes, secrets: Sequence[str]) -> None:
    claimed = headers.get(SIGNATURE_HEADER, "")
    require_matching_signature(
        (
            constant_time_equal(compute_signature(body, secret), claimed)
            for secret in secrets
            if secret
        ),
        f"The delivery's {SIGNATURE_HEADER} is missing or does not fit.",
    )


def compute_signature(body: bytes, secret: str) -> str:
    """Compute the header SIGNATURE_HEADER of a delivery.
    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries"""
    return f"sha256={compute_hmac_hex(secret, body)}"


def find_delivery_name(headers: Headers) -> str:
    return headers.get(DELIVERY_HEADER, "")


def parse_webhook(headers: Headers, body: bytes) -> ForgeEvent | None:
    match headers.get(EVENT_HEADER):
        case None:
            raise MalformedPayloadError(f"The delivery has no {EVENT_HEADER} header.")
        case "push":
            payload = _payload(headers, body)
            return parse_push_event(payload, payload.get_text("repository.full_name"))
        case "pull_request":
            return _pull_request(_payload(headers, body))
    return None


def _payload(headers: Headers, body: bytes) -> WebhookPayload:
    """Of either content type that the settings of a webhook offer."""
    if not headers.get("content-type", "").startswith(_FORM):
        return WebhookPayload.read(body)
    try:
        fields = parse_qs(body.decode("ascii"), errors="strict", max_num_fields=10)
    except ValueError:
        raise MalformedPayloadError("The body is not a form.") from None
    return WebhookPayload.read(fields.get("payload", [""])[0])


def _pull_request(payload: WebhookPayload) -> PullRequestEvent | None:
    action = _action(payload)
    if action is None:
        return None
    return PullRequestEvent(
        repository=payload.get_text("repository.full_name"),
        number=payload.get_number("pull_request.number"),
        action=action,
        head=payload.get_text("pull_request.head.ref"),
        base=payload.get_text("pull_request.base.ref"),
        head_commit=payload.get_commit("pull_request.head.sha"),
        from_fork=_is_from_fork(payload),
        author=payload.get_text_or("pull_request.user.login", ""),  # whose account is gone has none
    )


def _action(payload: WebhookPayload) -> PullRequestAction | None:
    action = payload.get_text("action")
    if action == "closed":
        merged = payload.find("pull_request.merged") or payload.find("pull_request.merged_at")
        return PullRequestAction.MERGED if merged else PullRequestAction.CLOSED
    if action == "edited":  # title, body or base
        if payload.find("changes.base"):
            return PullRequestAction.RETARGETED
        checked = contains_checked_box(payload.find("pull_request.body"))
        return PullRequestAction.EDITED if payload.find("changes.body") and checked else None
    return _ACTIONS.get(action)


def _is_from_fork(payload: WebhookPayload) -> bool:
    """A fork that is gone has no repository any more."""
    if payload.find("pull_request.head.repo") is None:
        return True
    home = payload.get_number("pull_request.base.repo.id")
    return bool(payload.find("pull_request.head.repo.id") != home)
