"""Render the message about what needs a person. Pure.

It names prompts, files and reasons, and holds no text of a prompt."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bridge.config.notify_settings import NotifyKind
from bridge.prompts.pull_request.markdown import collapse_to_one_line, shorten
from bridge.status.notification_store import NotificationItem

TYPE = "promptlayer_bridge.needs_person"
MOST_ITEMS = 20  # that one message lists; the others are counted
_LONGEST = 400  # characters of a reason
_SIGNING_PREFIX = "whsec_"

_REMEDIES = {
    NotifyKind.PARKED: "Remove the cause; then `promptlayer-bridge sync`, or “Look again” on the"
    " dashboard.",
    NotifyKind.CONFLICT: "Decide in the pull request: merge it, edit it, close it, or check"
    " “Take the repository's text” there.",
    NotifyKind.PERSON: "Choose a side: `promptlayer-bridge sync --adopt platform` or `--adopt"
    " repository`.",
    NotifyKind.DECLINED: "Nothing, if it was meant so; else reopen the pull request.",
    NotifyKind.FILE: "Correct the file on the base branch.",
    NotifyKind.SWEEP: "Remove the cause; the next sweep compares the mapping.",
}


def compute_message_id(webhook: str, items: Sequence[NotificationItem]) -> str:
    """The id of a message: the same when the same items are sent to a webhook again."""
    named = json.dumps([webhook, sorted(item.id for item in items)])
    return f"msg_{hashlib.sha256(named.encode()).hexdigest()[:32]}"


def render_json(id: str, items: Sequence[NotificationItem], now: datetime) -> bytes:
    """Render the document of a signed webhook."""
    listed = [_describe(item) for item in items[:MOST_ITEMS]]
    document = {
        "type": TYPE,
        "id": id,
        "timestamp": now.isoformat(),
        "data": {"items": listed, "more": max(0, len(items) - MOST_ITEMS)},
    }
    return json.dumps(document, ensure_ascii=False).encode()


def render_slack(items: Sequence[NotificationItem]) -> bytes:
    """Render the text of an incoming webhook.
    https://docs.slack.dev/messaging/formatting-message-text"""
    noun = "thing needs" if len(items) == 1 else "things need"
    lines = [f"promptlayer-bridge: {len(items):,} {noun} a person"]
    lines += [_render_line(item) for item in items[:MOST_ITEMS]]
    if len(items) > MOST_ITEMS:
        lines.append(f"… and {len(items) - MOST_ITEMS:,} more: `promptlayer-bridge status`")
    return json.dumps({"text": "\n".join(lines)}, ensure_ascii=False).encode()


def sign_message(secret: str, id: str, timestamp: str, body: bytes) -> str:
    """Sign a message after the Standard Webhooks; a secret with the prefix ``whsec_`` is base64.
    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    key = secret.encode()
    if secret.startswith(_SIGNING_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_SIGNING_PREFIX), validate=True)
        except ValueError:
            key = secret.encode()
    signed = f"{id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def _describe(item: NotificationItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind,
        "mapping": item.mapping,
        "subject": item.subject,
        "label": item.label,
        "prompt_id": item.prompt_id,
        "reason": _shorten_reason(item),
        "remedy": _REMEDIES[NotifyKind(item.kind)],
        "since": item.since.isoformat(),
        "pull_request": item.pull_request,
    }


def _render_line(item: NotificationItem) -> str:
    label = f" ({_escape(item.label)})" if item.label else ""
    link = item.pull_request or ""
    is_safe = link.startswith(("https://", "http://")) and not set(link) & set("<>|\n")
    more = f" <{link}|Pull request>" if is_safe else ""
    return (
        f"• *{item.kind}* {_escape(item.mapping)}: {_escape(item.subject)}{label}:"
        f" {_escape(_shorten_reason(item))}. {_REMEDIES[NotifyKind(item.kind)]}{more}"
    )


def _shorten_reason(item: NotificationItem) -> str:
    return shorten(collapse_to_one_line(item.reason), _LONGEST).rstrip(".")


def _escape(text: str) -> str:
    """The characters that mean something to Slack, so that no name mentions a channel."""
    line = collapse_to_one_line(text)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
