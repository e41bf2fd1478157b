"""The local forge's webhooks: the event as JSON, signed the way the big ones do it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from bridge.errors import MalformedPayloadError
from bridge.forge.forge_webhooks import (
    ForgeEvent,
    Headers,
    PullRequestAction,
    PullRequestEvent,
    PushEvent,
    WebhookPayload,
    compute_hmac_hex,
    constant_time_equal,
    parse_push_event,
    require_matching_signature,
)

SIGNATURE_HEADER = "x-forge-signature-256"
DELIVERY_HEADER = "x-forge-delivery"
_PUSHED = "pushed"
_PULL_REQUEST = "pull_request"
_NONE = "0" * 40


def verify_webhook(headers: Headers, body: bytes, secrets: Sequence[str]) -> None:
    claimed = headers.get(SIGNATURE_HEADER, "")
    require_matching_signature(
        (
            constant_time_equal(compute_hmac_hex(secret, body), claimed)
            for secret in secrets
            if secret
        ),
        f"The delivery's {SIGNATURE_HEADER} is missing or does not fit.",
    )


def find_delivery_name(headers: Headers) -> str:
    return headers.get(DELIVERY_HEADER, "")


def render_webhook_body(event: ForgeEvent) -> bytes:
    """Render the body of the webhook for ``event``."""
    if isinstance(event, PushEvent):
        fields = {
            "event": _PUSHED,
            "repository": event.repository,
            "ref": f"refs/heads/{event.branch}",
            "before": event.before or _NONE,
            "after": event.after or _NONE,
        }
    else:
        fields = {"event": _PULL_REQUEST, **asdict(event)}
    return json.dumps(fields).encode()


def build_signed_headers(body: bytes, secret: str, name: str) -> dict[str, str]:
    """The headers that go with a body; ``name`` is the delivery's."""
    return {
        "content-type": "application/json",
        DELIVERY_HEADER: name,
        SIGNATURE_HEADER: compute_hmac_hex(secret, body),
    }


def parse_webhook(headers: Headers, body: bytes) -> ForgeEvent | None:  # noqa: ARG001 - the body says it all
    payload = WebhookPayload.read(body)
    match payload.get_text("event"):
        case "pushed":
            return parse_push_event(payload, payload.get_text("repository"))
        case "pull_request":
            return _pull_request(payload)
    return None


def _pull_request(payload: WebhookPayload) -> PullRequestEvent:
    try:
        action = PullRequestAction(payload.get_text("action"))
    except ValueError:
        raise MalformedPayloadError("The delivery's action is none that there is.") from None
    return PullRequestEvent(
        repository=payload.get_text("repository"),
        number=payload.get_number("number"),
        action=action,
        head=payload.get_text("head"),
        base=payload.get_text("base"),
        head_commit=payload.get_commit("head_commit"),
        from_fork=payload.get_flag("from_fork"),
        author=payload.get_text("author") if payload.find("author") else "",
    )
