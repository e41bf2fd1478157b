"""Read deliveries for pages and commands. A filter that no index serves is applied to the newest few
thousand only, so a page costs the same with a million deliveries; its cursor continues from there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, select

from bridge.forge.forge_webhooks import ForgeEvent
from bridge.prompts.target import Proposal, Target
from bridge.status.pagination import Page, encode_cursor, select_after_cursor
from bridge.status.search_words import LIKE_ESCAPE, build_like_patterns
from bridge.storage.forge_delivery import describe_forge_event, find_forge_event
from bridge.storage.inbox import Delivery, DeliveryState, deliveries_table, parse_delivery_row
from bridge.storage.reconcile_tables import (
    proposals_table,
    reconcile_requests_table,
    requests_with_proposals,
)

SEARCH_LIMIT = 10_000  # deliveries that one page filters without an index

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
    # Of a forge's events alone, which are short.
    case(
        (deliveries_table.c.source.startswith("forge:"), deliveries_table.c.payload), else_=None
    ).label("forge_payload"),
)
_BEGINNING = re.compile(r"[0-9a-f]{6,64}")
_MOST_RECONCILES = 200  # of one delivery


@dataclass(frozen=True)
class DeliveryFilter:
    """Select deliveries; every given field has to match."""

    state: DeliveryState | None = None
    type: str | None = None  # of the event
    prompt_id: int | None = None
    source: str | None = None
    text: str | None = None  # words of the prompt's name, or the beginning of the id


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
    forge_event: ForgeEvent | None = None

    @property
    def subject(self) -> str:
        """Of a forge's event: the repository, with the pull request or the branch; else ""."""
        return describe_forge_event(self.forge_event) if self.forge_event else ""


@dataclass(frozen=True)
class RequestedReconcile:
    """One reconcile that a delivery asked for."""

    proposal: Proposal
    target: Target
    requested_at: datetime
    settled_at: datetime | None  # None: it is pending
    kind: str | None  # of the outcome; None: it is pending
    reason: str | None
    pull_request: str | None  # web address of the proposal's newest
    number: int | None


@dataclass(frozen=True)
class DeliveryDetails:
    """A delivery with its payload, and the first 200 reconciles that it asked for."""

    delivery: Delivery
    reconciles: tuple[RequestedReconcile, ...]

    @property
    def subject(self) -> str:
        """Of a forge's event: the repository, with the pull request or the branch; else ""."""
        event = find_forge_event(self.delivery.source, self.delivery.payload)
        return describe_forge_event(event) if event else ""


def list_deliveries(
    connection: Connection,
    wanted: DeliveryFilter,
    after: str | None,
    limit: int,
    *,
    reach: int = SEARCH_LIMIT,
) -> Page[DeliverySummary]:
    """Deliveries without payload, the last received first. ``reach`` is how many one page filters
    without an index. Raises InvalidInputError for an ``after`` that no page gave."""
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
    """The delivery with exactly this id; None where there is none."""
    row = connection.execute(select(deliveries_table).where(deliveries_table.c.id == id)).first()
    if row is None:
        return None
    reconciles = read_reconciles_of_delivery(connection, id, limit=_MOST_RECONCILES)
    return DeliveryDetails(parse_delivery_row(row), reconciles)


def read_reconciles_of_delivery(
    connection: Connection, id: str, *, limit: int | None = None
) -> tuple[RequestedReconcile, ...]:
    """The reconciles that a delivery asked for, by mapping, branch and label; None is no limit."""
    query = (
        select(reconcile_requests_table, proposals_table.c.pull_request, proposals_table.c.number)
        .select_from(requests_with_proposals)
        .where(reconcile_requests_table.c.delivery_id == id)
        .order_by(
            reconcile_requests_table.c.mapping,
            reconcile_requests_table.c.branch,
            reconcile_requests_table.c.label,
            reconcile_requests_table.c.prompt_id,
        )
        .limit(limit)
    )
    return tuple(map(_parse_reconcile, connection.execute(query)))


def _indexed(wanted: DeliveryFilter) -> Iterator[ColumnElement[bool]]:
    """The one condition that an index serves: the id, or else the prompt, or else the state."""
    if (begins := _beginning(wanted)) is not None:
        # A range, for the index; "g" is behind every hexadecimal digit.
        yield deliveries_table.c.id.between(begins, begins + "g")
    elif wanted.prompt_id is not None:
        yield deliveries_table.c.prompt_id == wanted.prompt_id
    elif wanted.state is not None:
        yield deliveries_table.c.state == wanted.state


def _scanned(wanted: DeliveryFilter) -> Iterator[ColumnElement[bool]]:
    """The remaining conditions, checked row by row."""
    begins = _beginning(wanted)
    if begins is not None and wanted.prompt_id is not None:
        yield deliveries_table.c.prompt_id == wanted.prompt_id
    if (begins or wanted.prompt_id is not None) and wanted.state is not None:
        yield deliveries_table.c.state == wanted.state
    if wanted.type is not None:
        yield deliveries_table.c.event_type == wanted.type
    if wanted.source is not None:
        yield deliveries_table.c.source == wanted.source
    for pattern in build_like_patterns(wanted.text or "") if begins is None else ():
        yield deliveries_table.c.prompt_name.ilike(pattern, escape=LIKE_ESCAPE)


def _beginning(wanted: DeliveryFilter) -> str | None:
    text = (wanted.text or "").strip()
    return text if _BEGINNING.fullmatch(text) else None


def _end(
    connection: Connection, near: list[ColumnElement[bool]], after: str | None, reach: int
) -> datetime | None:
    """When the last delivery that one page filters was received; None where there are fewer. Read
    from the index alone."""
    query = select_after_cursor(
        select(deliveries_table.c.received_at).where(*near), _KEY, after, down=True
    )
    query = query.order_by(None).order_by(deliveries_table.c.received_at.desc())
    found: datetime | None = connection.execute(query.offset(reach - 1).limit(1)).scalar()
    return found


def _listed(row: Any) -> DeliverySummary:
    columns = row._asdict()
    payload = columns.pop("forge_payload")
    event = find_forge_event(row.source, payload) if payload is not None else None
    return DeliverySummary(**columns | {"state": DeliveryState(row.state), "forge_event": event})


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
