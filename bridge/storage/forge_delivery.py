"""A forge's event as a delivery of the inbox. Only the event is stored, and nothing else that the
forge sent."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from bridge.errors import MalformedPayloadError
from bridge.forge.forge_webhooks import ForgeEvent, PullRequestAction, PullRequestEvent, PushEvent
from bridge.storage.inbox import Delivery

_SOURCE = "forge:"


def compute_delivery_id(forge: str, name: str, body: bytes) -> str:
    """The id of a delivery: SHA-256 (hex) over the forge's name, its own name for the delivery, and
    the whole body. The forge's name for it alone does not do, as no signature covers it."""
    digest = hashlib.sha256(json.dumps([forge, name]).encode() + b"\0")
    digest.update(body)
    return digest.hexdigest()


def build_forge_delivery(forge: str, id: str, event: ForgeEvent, received_at: datetime) -> Delivery:
    """The delivery of a verified event; ``forge`` is its name in the configuration."""
    return Delivery(
        id=id,
        event_type=f"{_SOURCE}{forge}:{_kind(event)}",
        workspace_id=None,
        prompt_id=None,
        prompt_name=None,
        label=None,
        occurred_at=received_at,
        received_at=received_at,
        payload=json.dumps(asdict(event)),
        source=_SOURCE + forge,
    )


def find_forge_name(delivery: Delivery) -> str | None:
    """The configured name of the forge that sent a delivery; None for every other delivery."""
    is_forge = delivery.source.startswith(_SOURCE)
    return delivery.source.removeprefix(_SOURCE) if is_forge else None


def parse_forge_event(delivery: Delivery) -> ForgeEvent | None:
    """The event in a forge's payload; None for every other delivery. Raises MalformedPayloadError
    for a payload that another version wrote in another format."""
    if find_forge_name(delivery) is None:
        return None
    event = _parse_payload(delivery.payload)
    if event is None:
        raise MalformedPayloadError(f"The delivery {delivery.id[:12]} holds no event of a forge.")
    return event


def find_forge_event(source: str, payload: str) -> ForgeEvent | None:
    """The event of a forge's delivery; None for every other delivery and for a payload of another
    version."""
    return _parse_payload(payload) if source.startswith(_SOURCE) else None


def describe_forge_event(event: ForgeEvent) -> str:
    """The repository of an event, with the pull request or the branch that was pushed."""
    if isinstance(event, PushEvent):
        return f"{event.repository} {event.branch}"
    return f"{event.repository} #{event.number}"


_CHANGES = (
    PullRequestAction.OPENED,
    PullRequestAction.SYNCHRONIZED,
    PullRequestAction.RETARGETED,
    PullRequestAction.DRAFT_CHANGED,
    PullRequestAction.UPDATED,
)


def find_changed_branch(event: ForgeEvent) -> str | None:
    """The branch that was pushed, or from which a pull request was opened or updated; None for a
    decision about a pull request and for a branch of a fork."""
    if isinstance(event, PushEvent):
        return event.branch
    return event.head if event.action in _CHANGES and not event.from_fork else None


def _parse_payload(text: str) -> ForgeEvent | None:
    """The event that ``build_forge_delivery`` stored; None for any other payload."""
    payload: dict[str, Any] = json.loads(text)
    try:
        if payload.keys() == {each.name for each in fields(PushEvent)}:
            return PushEvent(**payload)
        action = PullRequestAction(payload["action"])
        return PullRequestEvent(**payload | {"action": action})
    except (KeyError, TypeError, ValueError):
        return None


def _kind(event: ForgeEvent) -> str:
    return "pushed" if isinstance(event, PushEvent) else f"pull_request_{event.action}"
