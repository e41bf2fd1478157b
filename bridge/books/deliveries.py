"""Read deliveries, a million of them as quickly as a hundred: what no index finds is looked for
among the newest few thousand, and the page says how to go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select

from bridge.books.paging import Page, behind, cursor
from bridge.prompts.target import Proposal, Target
from bridge.storage.inbox import Delivery, DeliveryState, deliveries, from_row
from bridge.storage.ledger_tables import looks, proposals

REACH = 10_000  # deliveries that one page looks through

_KEY = (deliveries.c.received_at, deliveries.c.id)
_LISTED = (
    deliveries.c.id,
    deliveries.c.source,
    deliveries.c.event_type,
    deliveries.c.prompt_id,
    deliveries.c.prompt_name,
    deliveries.c.label,
    deliveries.c.received_at,
    deliveries.c.state,
    deliveries.c.outcome,
    deliveries.c.seen,
)
_BEGINNING = re.compile(r"[0-9a-f]{6,64}")
_MOST_LOOKS = 200  # of one delivery


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries; everything that is given has to hold."""

    state: DeliveryState | None = None
    type: str | None = None  # of the event
    prompt_id: int | None = None
    source: str | None = None
    text: str | None = None  # a part of the prompt's name, or the beginning of the id


@dataclass(frozen=True)
class Listed:
    """A delivery without its payload."""

    id: str
    source: str
    event_type: str
    prompt_id: int | None
    prompt_name: str | None
    label: str | None
    received_at: datetime
    state: DeliveryState
    outcome: str | None
    seen: int


@dataclass(frozen=True)
class Look:
    """One look that a delivery asked for."""

    proposal: Proposal
    target: Target
    asked_at: datetime
    settled_at: datetime | None  # None: it waits
    kind: str | None
    reason: str | None
    pull_request: str | None  # address of the proposal's newest
    number: int | None


@dataclass(frozen=True)
class DeliveryShown:
    delivery: Delivery
    looks: tuple[Look, ...]


def deliveries_page(
    connection: Connection,
    wanted: DeliveryFilter,
    after: str | None,
    limit: int,
    *,
    reach: int = REACH,
) -> Page[Listed]:
    near, rest = list(_indexed(wanted)), list(_looked_for(wanted))
    query = behind(select(*_LISTED).where(*near), _KEY, after, down=True)
    end = _end(connection, near, after, reach) if rest else None
    if end is not None:
        query = query.where(deliveries.c.received_at >= end)
    rows = connection.execute(query.where(*rest).limit(limit + 1)).all()
    shown = tuple(_listed(row) for row in rows[:limit])
    if len(rows) > limit:
        return Page(shown, cursor([shown[-1].received_at, shown[-1].id]))
    return Page(shown, cursor([end, ""]) if end is not None else None)


def delivery(connection: Connection, id: str) -> DeliveryShown | None:
    row = connection.execute(select(deliveries).where(deliveries.c.id == id)).first()
    if row is None:
        return None
    joined = looks.outerjoin(
        proposals,
        and_(looks.c.mapping == proposals.c.mapping, looks.c.branch == proposals.c.branch),
    )
    query = (
        select(looks, proposals.c.pull_request, proposals.c.number)
        .select_from(joined)
        .where(looks.c.delivery_id == id)
        .order_by(looks.c.mapping, looks.c.branch, looks.c.label, looks.c.prompt_id)
        .limit(_MOST_LOOKS)
    )
    return DeliveryShown(from_row(row), tuple(map(_look, connection.execute(query))))


def _indexed(wanted: DeliveryFilter) -> Iterator[ColumnElement[bool]]:
    """What an index finds: the id, or else the prompt, or else the state."""
    if (begins := _beginning(wanted)) is not None:
        # A range, for the index; "g" is behind every hexadecimal digit.
        yield deliveries.c.id.between(begins, begins + "g")
    elif wanted.prompt_id is not None:
        yield deliveries.c.prompt_id == wanted.prompt_id
    elif wanted.state is not None:
        yield deliveries.c.state == wanted.state


def _looked_for(wanted: DeliveryFilter) -> Iterator[ColumnElement[bool]]:
    begins = _beginning(wanted)
    if begins is not None and wanted.prompt_id is not None:
        yield deliveries.c.prompt_id == wanted.prompt_id
    if (begins or wanted.prompt_id is not None) and wanted.state is not None:
        yield deliveries.c.state == wanted.state
    if wanted.type is not None:
        yield deliveries.c.event_type == wanted.type
    if wanted.source is not None:
        yield deliveries.c.source == wanted.source
    if begins is None and wanted.text and wanted.text.strip():
        yield deliveries.c.prompt_name.icontains(wanted.text.strip(), autoescape=True)


def _beginning(wanted: DeliveryFilter) -> str | None:
    text = (wanted.text or "").strip()
    return text if _BEGINNING.fullmatch(text) else None


def _end(
    connection: Connection, near: list[ColumnElement[bool]], after: str | None, reach: int
) -> datetime | None:
    """How far back one page looks; None where there are no more than that. Out of the index
    alone, so that it costs little."""
    query = behind(select(deliveries.c.received_at).where(*near), _KEY, after, down=True)
    query = query.order_by(None).order_by(deliveries.c.received_at.desc())
    found: datetime | None = connection.execute(query.offset(reach - 1).limit(1)).scalar()
    return found


def _listed(row: Any) -> Listed:
    return Listed(**row._asdict() | {"state": DeliveryState(row.state)})


def _look(row: Any) -> Look:
    return Look(
        Proposal(row.mapping, row.branch),
        Target(row.mapping, row.prompt_id, row.label),
        row.asked_at,
        row.settled_at,
        row.kind,
        row.reason,
        row.pull_request,
        row.number,
    )
