"""The ledger's rows of looks: how one is settled, and which are to be taken up again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Select, and_, bindparam, select, update

from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.ledger_tables import looks, proposals

_SHORTEST_PARKED, _LONGEST_PARKED = 60.0, 3600.0  # seconds


class AwaitedLook(Protocol):
    """A look that somebody waits for."""

    @property
    def target(self) -> Target: ...

    @property
    def delivery_id(self) -> str: ...

    @property
    def asked_at(self) -> datetime: ...


SETTLE_LOOK = (
    update(looks)
    .where(
        looks.c.mapping == bindparam("of_mapping"),
        looks.c.branch == bindparam("of_branch"),
        looks.c.prompt_id == bindparam("of_prompt"),
        looks.c.label == bindparam("of_label"),
        looks.c.delivery_id == bindparam("of_delivery"),
        looks.c.asked_at == bindparam("of_asked_at"),
    )
    .values(settled_at=bindparam("now"), kind=bindparam("to_kind"), reason=bindparam("to_reason"))
)


def settled_row(proposal: Proposal, look: AwaitedLook, outcome: Outcome) -> dict[str, object]:
    """The parameters of ``SETTLE_LOOK`` for one look."""
    refused = dict(outcome.refusals).get(look.target)
    return {
        "of_mapping": proposal.mapping,
        "of_branch": proposal.branch,
        "of_prompt": look.target.prompt_id,
        "of_label": look.target.label,
        "of_delivery": look.delivery_id,
        "of_asked_at": look.asked_at,
        "to_kind": outcome.kind if refused is None else OutcomeKind.PARKED,
        "to_reason": outcome.reason if refused is None else refused,
    }


def parked_pause(attempts: int) -> float:
    """Seconds until what is parked is tried again: a minute at first, growing to an hour."""
    return min(max(15.0 * 2.0 ** min(attempts, 20), _SHORTEST_PARKED), _LONGEST_PARKED)


def due_retries(now: datetime) -> Select[Any]:
    """The parked looks of parked proposals whose pause is over."""
    same = and_(looks.c.mapping == proposals.c.mapping, looks.c.branch == proposals.c.branch)
    parked = OutcomeKind.PARKED
    return (
        select(looks.c.mapping, looks.c.branch, looks.c.prompt_id, looks.c.label)
        .select_from(looks.join(proposals, same))
        .where(looks.c.kind == parked, looks.c.settled_at.is_not(None))
        .where(proposals.c.kind == parked, proposals.c.not_before <= now)
        .distinct()
    )
