"""The history of a prompt, from the save by an editor to the published version.

The id of an event is computed from its content, so writing it twice changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from bridge.status.tables import history_events_table
from bridge.storage.database import Database

_HASH_BITS = 56
RANK_UNIT = 1 << _HASH_BITS  # the distance between the ids of two kinds
_TEXT_LIMIT = 500  # characters


class HistoryEventKind(StrEnum):
    """The kinds, in the order in which events of one instant are shown."""

    VERSION_SAVED = "saved"
    LABEL_MOVED = "label moved"  # made, moved or removed in PromptLayer
    RENAMED = "renamed"
    DELETED = "deleted"
    APPROVAL_REQUESTED = "approval requested"
    APPROVED = "approved"
    DENIED = "denied"
    OTHER_EVENT = "told"  # any other event about the prompt
    EVENT_RECEIVED = "event arrived"  # shown beside its event, never stored
    MERGED = "merged"
    CLOSED = "closed"
    RECONCILED = "looked at"
    WITHDRAWN = "withdrawn"
    PUBLISHED = "published"
    LABEL_MOVED_BY_BRIDGE = "label moved by the bridge"
    PULL_REQUEST_OPENED = "pull request opened"
    PULL_REQUEST_UPDATED = "pull request updated"
    CONFLICT = "both sides edited"
    NEEDS_PERSON = "needs a person"
    PARKED = "parked"
    EVALUATED = "evaluated"
    WORKFLOW_FINISHED = "workflow finished"


_RANK = {kind: rank for rank, kind in enumerate(HistoryEventKind)}


def get_kind_rank(kind: HistoryEventKind) -> int:
    """A kind's position among events of one instant."""
    return _RANK[kind]


@dataclass(frozen=True)
class HistoryEvent:
    kind: HistoryEventKind
    mapping: str
    prompt_id: int
    label: str | None  # None: all labels of the prompt
    at: datetime  # when it happened; for an event, as PromptLayer says
    text: str = ""
    arrived_at: datetime | None = None  # when the delivery was received, of events elsewhere
    version: int | None = None
    who: str | None = None
    number: int | None = None  # of the pull request
    url: str | None = None
    branch: str | None = None
    delivery_id: str | None = None
    seconds: float | None = None  # OPENED: since the event arrived


def compute_event_id(event: HistoryEvent, *parts: object) -> int:
    """The id of an event, always the same: the kind's rank in the high bits, so that events of one
    instant are in order, and a hash of its content in the low ones."""
    values = [event.mapping, event.prompt_id, event.label, *parts]
    digest = hashlib.blake2b(repr(values).encode(), digest_size=_HASH_BITS // 8).digest()
    return get_kind_rank(event.kind) * RANK_UNIT + int.from_bytes(digest)


HistoryEventsById = Mapping[int, HistoryEvent]  # by identity


def store_history_events(
    connection: Connection, database: Database, events: HistoryEventsById
) -> None:
    """Insert the events that are not stored yet."""
    rows = [_row(id, event) for id, event in sorted(events.items())]
    if rows:
        connection.execute(
            database.build_insert(history_events_table).on_conflict_do_nothing(), rows
        )


def _row(id: int, event: HistoryEvent) -> dict[str, Any]:
    text = event.text if len(event.text) <= _TEXT_LIMIT else event.text[: _TEXT_LIMIT - 1] + "…"
    return {"id": id, **vars(event), "text": text}


def parse_history_event(row: Mapping[str, Any]) -> HistoryEvent:
    named = {field.name: row[field.name] for field in fields(HistoryEvent)}
    return HistoryEvent(**named | {"kind": HistoryEventKind(named["kind"])})


def index_by_event_id(
    events: Iterable[tuple[HistoryEvent, tuple[object, ...]]],
) -> dict[int, HistoryEvent]:
    """Events by their id; each comes with the values that the id is computed from."""
    return {compute_event_id(event, *parts): event for event, parts in events}
