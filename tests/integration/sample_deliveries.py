"""Deliveries as PromptLayer makes them, for the tests of the engine and the front door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.promptlayer.webhook_events import parse_event
from bridge.storage.inbox import Delivery

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def payload_of(event_type: str, number: int = 1, **details: Any) -> dict[str, Any]:
    """An event about prompt 17, dated ``number`` seconds after noon."""
    return {
        "event_type": event_type,
        "details": {
            "prompt_template_id": 17,
            "prompt_template_name": "support/reply",
            "prompt_template_version_number": number,
            **details,
        },
        "user_id": 1,
        "user_name": "José",
        "user_email": "jose@example.com",
        "workspace_id": 1,
        "timestamp": (NOON + timedelta(seconds=number)).replace(tzinfo=None).isoformat(),
    }


def version_created(number: int = 1, **details: Any) -> dict[str, Any]:
    return payload_of("prompt_template_version_created", number, **details)


def delivery_of(payload: dict[str, Any], received_at: datetime = NOON) -> Delivery:
    return Delivery.from_event(parse_event(payload), payload, received_at)


def version_delivery(number: int = 1) -> Delivery:
    """Received ``number`` seconds after noon."""
    return delivery_of(version_created(number), NOON + timedelta(seconds=number))
