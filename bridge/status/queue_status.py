"""Read the pending work, with its reasons and retry times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Subquery, and_, func, select

from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.target import Proposal
from bridge.status.pagination import Page, encode_cursor, select_after_cursor
from bridge.storage.backoff import repository_pauses_table
from bridge.storage.inbox import DeliveryState, deliveries_table
from bridge.storage.reconcile_tables import proposals_table, reconcile_requests_table


@dataclass(frozen=True)
class PendingProposal:
    """A proposal with pending reconciles."""

    proposal: Proposal
    targets: int
    waiting_since: datetime  # when the oldest of its reconciles was requested
    reason: str | None  # why it was postponed; None: it is due
    retry_at: datetime | None
    attempts: int


@dataclass(frozen=True)
class PauseStatus:
    """A pause of a repository, or of a mapping's new pull requests."""

    subject: str
    ends_at: datetime
    failures: int
    reason: str


@dataclass(frozen=True)
class QueueStatus:
    """The pending work of the whole bridge; ``proposals_page`` is one page of it."""

    new_deliveries: int  # not dispatched yet
    oldest_delivery_at: datetime | None
    pending_reconciles: int  # requested and not settled
    pending_proposals: int  # with pending reconciles
    oldest_reconcile_at: datetime | None
    proposals_page: Page[PendingProposal]
    pauses: tuple[PauseStatus, ...]


def read_queue_status(
    connection: Connection, now: datetime, after: str | None, limit: int
) -> QueueStatus:
    """Read the pending work as of ``now``, the longest wait first."""
    fresh = deliveries_table.c.state == DeliveryState.NEW
    new, oldest_new = connection.execute(
        select(func.count(), func.min(deliveries_table.c.received_at)).where(fresh)
    ).one()
    proposals_waiting = _waiting_proposals()
    count, total, oldest = connection.execute(
        select(
            func.count(),
            func.coalesce(func.sum(proposals_waiting.c.looks), 0),
            func.min(proposals_waiting.c.since),
        )
    ).one()
    paused = (
        select(repository_pauses_table)
        .where(repository_pauses_table.c.until > now)
        .order_by(repository_pauses_table.c.until)
    )
    return QueueStatus(
        new_deliveries=new,
        oldest_delivery_at=oldest_new,
        pending_reconciles=int(total),
        pending_proposals=count,
        oldest_reconcile_at=oldest,
        proposals_page=_page(connection, now, after, limit),
        pauses=tuple(
            PauseStatus(row.repository, row.until, row.failures, row.reason)
            for row in connection.execute(paused)
        ),
    )


def _waiting_proposals() -> Subquery:
    return (
        select(
            reconcile_requests_table.c.mapping,
            reconcile_requests_table.c.branch,
            func.count().label("looks"),
            func.min(reconcile_requests_table.c.asked_at).label("since"),
        )
        .where(reconcile_requests_table.c.settled_at.is_(None))
        .group_by(reconcile_requests_table.c.mapping, reconcile_requests_table.c.branch)
        .subquery("waiting")
    )


def _page(
    connection: Connection, now: datetime, after: str | None, limit: int
) -> Page[PendingProposal]:
    waiting = _waiting_proposals()
    key = (waiting.c.since, waiting.c.mapping, waiting.c.branch)
    same = and_(
        waiting.c.mapping == proposals_table.c.mapping, waiting.c.branch == proposals_table.c.branch
    )
    columns = (
        proposals_table.c.kind,
        proposals_table.c.reason,
        proposals_table.c.not_before,
        proposals_table.c.attempts,
    )
    query = select(waiting, *columns).select_from(waiting.outerjoin(proposals_table, same))
    rows = connection.execute(select_after_cursor(query, key, after).limit(limit + 1)).all()
    shown = tuple(_waiting(row, now) for row in rows[:limit])
    if len(rows) <= limit:
        return Page(shown)
    last = shown[-1]
    return Page(
        shown, encode_cursor([last.waiting_since, last.proposal.mapping, last.proposal.branch])
    )


def _waiting(row: Any, now: datetime) -> PendingProposal:
    is_postponed = row.kind == ReconcileOutcomeKind.WAITING
    until = row.not_before if is_postponed and row.not_before and row.not_before > now else None
    return PendingProposal(
        Proposal(row.mapping, row.branch),
        row.looks,
        row.since,
        row.reason if is_postponed else None,
        until,
        row.attempts if is_postponed else 0,
    )
