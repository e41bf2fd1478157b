"""An operator's request to reconcile one target, as a delivery of the inbox. It may choose the side
whose text holds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from bridge.prompts.planning.publication import AdoptedSide
from bridge.prompts.target import Target
from bridge.storage.inbox import Delivery

SOURCE = "bridge"
RECONCILE_EVENT_TYPE = "bridge:look"


@dataclass(frozen=True)
class OperatorRequest:
    """``name`` and ``branch`` are those of the prompt and its proposal as recorded; either may be
    empty."""

    target: Target
    name: str
    branch: str
    adopt: AdoptedSide | None = None  # None: the reconcile decides as usual


def build_operator_delivery(request: OperatorRequest, by: str, now: datetime) -> Delivery:
    """The delivery of a request; ``by`` names the operator."""
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
            **({"adopt": request.adopt.value} if request.adopt else {}),
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
    """The request in an operator's delivery; None for every other delivery."""
    if delivery.source != SOURCE:
        return None
    fields = json.loads(delivery.payload)
    target = Target(fields["mapping"], fields["prompt_id"], fields["label"])
    adopt = fields.get("adopt")
    return OperatorRequest(
        target, fields["name"], fields["branch"], AdoptedSide(adopt) if adopt else None
    )
