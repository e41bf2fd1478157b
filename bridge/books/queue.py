"""Read what waits, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Subquery, and_, func, select

from bridge.books.paging import Page, behind, cursor
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.target import Proposal
from bridge.storage.inbox import DeliveryState, deliveries
from bridge.storage.ledger_tables import looks, proposals
from bridge.storage.restraint import pauses


@dataclass(frozen=True)
class Waiting:
    """A proposal that waits for a look."""

    proposal: Proposal
    targets: int
    since: datetime  # when the oldest of its looks was asked for
    reason: str | None  # why it was put off; None: it is due
    until: datetime | None
    attempts: int


@dataclass(frozen=True)
class Pause:
    """A repository, or a mapping's new pull requests, that is left alone for now."""

    what: str
    until: datetime
    failures: int
    reason: str


@dataclass(frozen=True)
class Queue:
    new: int  # deliveries that nobody has dispatched
    oldest_new: datetime | None
    looks: int  # that are asked for and not settled
    proposals: int  # that these are about
    oldest_look: datetime | None
    waiting: Page[Waiting]
    pauses: tuple[Pause, ...]


def queue(connection: Connection, now: datetime, after: str | None, limit: int) -> Queue:
    fresh = deliveries.c.state == DeliveryState.NEW
    new, oldest_new = connection.execute(
        select(func.count(), func.min(deliveries.c.received_at)).where(fresh)
    ).one()
    proposals_waiting = _waiting_proposals()
    count, total, oldest = connection.execute(
        select(
            func.count(),
            func.coalesce(func.sum(proposals_waiting.c.looks), 0),
            func.min(proposals_waiting.c.since),
        )
    ).one()
    paused = select(pauses).where(pauses.c.until > now).order_by(pauses.c.until)
    return Queue(
        new=new,
        oldest_new=oldest_new,
        looks=int(total),
        proposals=count,
        oldest_look=oldest,
        waiting=_page(connection, now, after, limit),
        pauses=tuple(
            Pause(row.repository, row.until, row.failures, row.reason)
            for row in connection.execute(paused)
        ),
    )


def _waiting_proposals() -> Subquery:
    return (
        select(
            looks.c.mapping,
            looks.c.branch,
            func.count().label("looks"),
            func.min(looks.c.asked_at).label("since"),
        )
        .where(looks.c.settled_at.is_(None))
        .group_by(looks.c.mapping, looks.c.branch)
        .subquery("waiting")
    )


def _page(connection: Connection, now: datetime, after: str | None, limit: int) -> Page[Waiting]:
    waiting = _waiting_proposals()
    key = (waiting.c.since, waiting.c.mapping, waiting.c.branch)
    same = and_(waiting.c.mapping == proposals.c.mapping, waiting.c.branch == proposals.c.branch)
    told = (proposals.c.kind, proposals.c.reason, proposals.c.not_before, proposals.c.attempts)
    query = select(waiting, *told).select_from(waiting.outerjoin(proposals, same))
    rows = connection.execute(behind(query, key, after).limit(limit + 1)).all()
    shown = tuple(_waiting(row, now) for row in rows[:limit])
    if len(rows) <= limit:
        return Page(shown)
    last = shown[-1]
    return Page(shown, cursor([last.since, last.proposal.mapping, last.proposal.branch]))


def _waiting(row: Any, now: datetime) -> Waiting:
    put_off = row.kind == OutcomeKind.WAITING
    until = row.not_before if put_off and row.not_before and row.not_before > now else None
    return Waiting(
        Proposal(row.mapping, row.branch),
        row.looks,
        row.since,
        row.reason if put_off else None,
        until,
        row.attempts if put_off else 0,
    )
