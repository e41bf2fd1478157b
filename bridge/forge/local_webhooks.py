"""The local forge's webhooks: the event as JSON, signed the way the big ones do it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from bridge.errors import Malformed
from bridge.forge.webhooks import (
    ForgeEvent,
    Headers,
    Payload,
    PullRequestAction,
    PullRequestChanged,
    Pushed,
    equal,
    hex_hmac,
    pushed,
    require_one,
)

SIGNATURE = "x-forge-signature-256"
DELIVERY = "x-forge-delivery"
_PUSHED = "pushed"
_PULL_REQUEST = "pull_request"
_NONE = "0" * 40


def verify_webhook(headers: Headers, body: bytes, secrets: Sequence[str]) -> None:
    claimed = headers.get(SIGNATURE, "")
    require_one(
        (equal(hex_hmac(secret, body), claimed) for secret in secrets if secret),
        f"The delivery's {SIGNATURE} is missing or does not fit.",
    )


def delivery_name(headers: Headers) -> str:
    return headers.get(DELIVERY, "")


def render(event: ForgeEvent) -> bytes:
    """The body that tells ``event``."""
    if isinstance(event, Pushed):
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


def signed(body: bytes, secret: str, name: str) -> dict[str, str]:
    """The headers that go with a body; ``name`` is the delivery's."""
    return {
        "content-type": "application/json",
        DELIVERY: name,
        SIGNATURE: hex_hmac(secret, body),
    }


def parse_webhook(headers: Headers, body: bytes) -> ForgeEvent | None:  # noqa: ARG001 - the body says it all
    payload = Payload.read(body)
    match payload.text("event"):
        case "pushed":
            return pushed(payload, payload.text("repository"))
        case "pull_request":
            return _pull_request(payload)
    return None


def _pull_request(payload: Payload) -> PullRequestChanged:
    try:
        action = PullRequestAction(payload.text("action"))
    except ValueError:
        raise Malformed("The delivery's action is none that there is.") from None
    return PullRequestChanged(
        repository=payload.text("repository"),
        number=payload.number("number"),
        action=action,
        head=payload.text("head"),
        base=payload.text("base"),
        head_commit=payload.commit("head_commit"),
        from_fork=payload.flag("from_fork"),
        author=payload.text("author") if payload.find("author") else "",
    )
