"""Rows of requested reconciles: the statement that settles one, and the query for parked ones that
are due again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, select, update

from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.reconcile_tables import (
    IS_OF_PROPOSAL,
    proposals_table,
    reconcile_requests_table,
)

_SHORTEST_PARKED, _LONGEST_PARKED = 60.0, 3600.0  # seconds


@dataclass(frozen=True)
class PendingReconcile:
    """A requested reconcile that is not settled. ``requested_at`` distinguishes it from a request for
    the same target that came in while it was running."""

    target: Target
    delivery_id: str  # "" without a delivery
    requested_at: datetime


SETTLE_REQUEST = (
    update(reconcile_requests_table)
    .where(
        reconcile_requests_table.c.mapping == bindparam("of_mapping"),
        reconcile_requests_table.c.branch == bindparam("of_branch"),
        reconcile_requests_table.c.prompt_id == bindparam("of_prompt"),
        reconcile_requests_table.c.label == bindparam("of_label"),
        reconcile_requests_table.c.delivery_id == bindparam("of_delivery"),
        reconcile_requests_table.c.asked_at == bindparam("of_asked_at"),
    )
    .values(settled_at=bindparam("now"), kind=bindparam("to_kind"), reason=bindparam("to_reason"))
)


def build_settled_row(
    proposal: Proposal, pending: PendingReconcile, outcome: ReconcileOutcome
) -> dict[str, object]:
    """The parameters of ``SETTLE_REQUEST`` for one pending reconcile."""
    refused = dict(outcome.refusals).get(pending.target)
    return {
        "of_mapping": proposal.mapping,
        "of_branch": proposal.branch,
        "of_prompt": pending.target.prompt_id,
        "of_label": pending.target.label,
        "of_delivery": pending.delivery_id,
        "of_asked_at": pending.requested_at,
        "to_kind": outcome.kind if refused is None else ReconcileOutcomeKind.PARKED,
        "to_reason": outcome.reason if refused is None else refused,
    }


def calculate_parked_pause(attempts: int) -> float:
    """Seconds until a parked proposal is tried again: doubling from one minute up to one hour."""
    return min(max(15.0 * 2.0 ** min(attempts, 20), _SHORTEST_PARKED), _LONGEST_PARKED)


def select_due_retries(now: datetime) -> Select[Any]:
    """Select the parked reconciles of parked proposals whose pause is over."""
    parked = ReconcileOutcomeKind.PARKED
    return (
        select(
            reconcile_requests_table.c.mapping,
            reconcile_requests_table.c.branch,
            reconcile_requests_table.c.prompt_id,
            reconcile_requests_table.c.label,
        )
        .select_from(reconcile_requests_table.join(proposals_table, IS_OF_PROPOSAL))
        .where(
            reconcile_requests_table.c.kind == parked,
            reconcile_requests_table.c.settled_at.is_not(None),
        )
        .where(proposals_table.c.kind == parked, proposals_table.c.not_before <= now)
        .distinct()
    )
