"""Read deliveries, a million of them as quickly as a hundred: what no index finds is looked for
among the newest few thousand, and the page says how to go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select

from bridge.prompts.target import Proposal, Target
from bridge.status.pagination import Page, encode_cursor, select_after_cursor
from bridge.storage.inbox import Delivery, DeliveryState, deliveries_table, parse_delivery_row
from bridge.storage.reconcile_tables import proposals_table, reconcile_requests_table

SEARCH_LIMIT = 10_000  # deliveries that one page looks through

_KEY = (deliveries_table.c.received_at, deliveries_table.c.id)
_LISTED = (
    deliveries_table.c.id,
    deliveries_table.c.source,
    deliveries_table.c.event_type,
    deliveries_table.c.prompt_id,
    deliveries_table.c.prompt_name,
    deliveries_table.c.label,
    deliveries_table.c.received_at,
    deliveries_table.c.state,
    deliveries_table.c.outcome,
    deliveries_table.c.seen,
)
_BEGINNING = re.compile(r"[0-9a-f]{6,64}")
_MOST_RECONCILES = 200  # of one delivery


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries; everything that is given has to hold."""

    state: DeliveryState | None = None
    type: str | None = None  # of the event
    prompt_id: int | None = None
    source: str | None = None
    text: str | None = None  # a part of the prompt's name, or the beginning of the id


@dataclass(frozen=True)
class DeliverySummary:
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
class RequestedReconcile:
    """One look that a delivery asked for."""

    proposal: Proposal
    target: Target
    requested_at: datetime
    settled_at: datetime | None  # None: it waits
    kind: str | None
    reason: str | None
    pull_request: str | None  # address of the proposal's newest
    number: int | None


@dataclass(frozen=True)
class DeliveryDetails:
    delivery: Delivery
    reconciles: tuple[RequestedReconcile, ...]


def list_deliveries(
    connection: Connection,
    wanted: DeliveryFilter,
    after: str | None,
    limit: int,
    *,
    reach: int = SEARCH_LIMIT,
) -> Page[DeliverySummary]:
    near, rest = list(_indexed(wanted)), list(_scanned(wanted))
    query = select_after_cursor(select(*_LISTED).where(*near), _KEY, after, down=True)
    end = _end(connection, near, after, reach) if rest else None
    if end is not None:
        query = query.where(deliveries_table.c.received_at >= end)
    rows = connection.execute(query.where(*rest).limit(limit + 1)).all()
    shown = tuple(_listed(row) for row in rows[:limit])
    if len(rows) > limit:
        return Page(shown, encode_cursor([shown[-1].received_at, shown[-1].id]))
    return Page(shown, encode_cursor([end, ""]) if end is not None else None)


def find_delivery(connection: Connection, id: str) -> DeliveryDetails | None:
    row = connection.execute(select(deliveries_table).where(deliveries_table.c.id == id)).first()
    if row is None:
        return None
    joined = reconcile_requests_table.outerjoin(
        proposals_table,
        and_(
            reconcile_requests_table.c.mapping == proposals_table.c.mapping,
            reconcile_requests_table.c.branch == proposals_table.c.branch,
        ),
    )
    query = (
        select(reconcile_requests_table, proposals_table.c.pull_request, proposals_table.c.number)
        .select_from(joined)
        .where(reconcile_requests_table.c.delivery_id == id)
        .order_by(
            reconcile_requests_table.c.mapping,
            reconcile_requests_table.c.branch,
            reconcile_requests_table.c.label,
            reconcile_requests_table.c.prompt_id,
        )
        .limit(_MOST_RECONCILES)
    )
    return DeliveryDetails(
        parse_delivery_row(row), tuple(map(_parse_reconcile, connection.execute(query)))
    )


def _indexed(wanted: DeliveryFilter) -> Iterator[ColumnElement[bool]]:
    """What an index finds: the id, or else the prompt, or else the state."""
    if (begins := _beginning(wanted)) is not None:
        # A range, for the index; "g" is behind every hexadecimal digit.
        yield deliveries_table.c.id.between(begins, begins + "g")
    elif wanted.prompt_id is not None:
        yield deliveries_table.c.prompt_id == wanted.prompt_id
    elif wanted.state is not None:
        yield deliveries_table.c.state == wanted.state


def _scanned(wanted: DeliveryFilter) -> Iterator[ColumnElement[bool]]:
    begins = _beginning(wanted)
    if begins is not None and wanted.prompt_id is not None:
        yield deliveries_table.c.prompt_id == wanted.prompt_id
    if (begins or wanted.prompt_id is not None) and wanted.state is not None:
        yield deliveries_table.c.state == wanted.state
    if wanted.type is not None:
        yield deliveries_table.c.event_type == wanted.type
    if wanted.source is not None:
        yield deliveries_table.c.source == wanted.source
    if begins is None and wanted.text and wanted.text.strip():
        yield deliveries_table.c.prompt_name.icontains(wanted.text.strip(), autoescape=True)


def _beginning(wanted: DeliveryFilter) -> str | None:
    text = (wanted.text or "").strip()
    return text if _BEGINNING.fullmatch(text) else None


def _end(
    connection: Connection, near: list[ColumnElement[bool]], after: str | None, reach: int
) -> datetime | None:
    """How far back one page looks; None where there are no more than that. Out of the index
    alone, so that it costs little."""
    query = select_after_cursor(
        select(deliveries_table.c.received_at).where(*near), _KEY, after, down=True
    )
    query = query.order_by(None).order_by(deliveries_table.c.received_at.desc())
    found: datetime | None = connection.execute(query.offset(reach - 1).limit(1)).scalar()
    return found


def _listed(row: Any) -> DeliverySummary:
    return DeliverySummary(**row._asdict() | {"state": DeliveryState(row.state)})


def _parse_reconcile(row: Any) -> RequestedReconcile:
    return RequestedReconcile(
        Proposal(row.mapping, row.branch),
        Target(row.mapping, row.prompt_id, row.label),
        row.asked_at,
        row.settled_at,
        row.kind,
        row.reason,
        row.pull_request,
        row.number,
    )
