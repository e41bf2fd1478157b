"""What a person asked of the bridge, as a delivery of the inbox: look at one target again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from bridge.prompts.target import Target
from bridge.storage.inbox import Delivery

SOURCE = "bridge"
RECONCILE_EVENT_TYPE = "bridge:look"


@dataclass(frozen=True)
class OperatorRequest:
    """``name`` and ``branch`` are the prompt's and its proposal's, as the books knew them; either
    may be empty."""

    target: Target
    name: str
    branch: str


def build_operator_delivery(request: OperatorRequest, by: str, now: datetime) -> Delivery:
    """The delivery of a request; ``by`` is who asks."""
    target = request.target
    payload = json.dumps(
        {
            "mapping": target.mapping,
            "prompt_id": target.prompt_id,
            "label": target.label,
            "name": request.name,
            "branch": request.branch,
            "asked_by": by,
            "asked_at": now.isoformat(),
        }
    )
    return Delivery(
        id=hashlib.sha256(f"{RECONCILE_EVENT_TYPE}\0{payload}".encode()).hexdigest(),
        event_type=RECONCILE_EVENT_TYPE,
        workspace_id=None,
        prompt_id=target.prompt_id,
        prompt_name=request.name or None,
        label=target.label,
        occurred_at=now,
        received_at=now,
        payload=payload,
        source=SOURCE,
    )


def parse_operator_request(delivery: Delivery) -> OperatorRequest | None:
    """What a person asked for with a delivery; None for all others."""
    if delivery.source != SOURCE:
        return None
    told = json.loads(delivery.payload)
    target = Target(told["mapping"], told["prompt_id"], told["label"])
    return OperatorRequest(target, told["name"], told["branch"])
