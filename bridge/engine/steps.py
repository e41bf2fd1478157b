"""What the steps of the engine are about, for the log and for traces."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from bridge.engine.ledger import WaitingLook
from bridge.prompts.target import Proposal
from bridge.telemetry.trail import step


def looking(proposal: Proposal, waiting: Sequence[WaitingLook]) -> AbstractContextManager[None]:
    """A look. It belongs to the delivery that asked first; where several did, all are named."""
    asked_by = tuple(dict.fromkeys(look.delivery_id for look in waiting if look.delivery_id))
    return step(
        "look",
        mapping=proposal.mapping,
        proposal=proposal.branch,
        delivery=next(iter(asked_by), None),
        deliveries=" ".join(asked_by) if len(asked_by) > 1 else None,
    )
