"""The inbox: it stores every delivery of PromptLayer and of the forges before it is acknowledged.

The id of a delivery is the digest of its content, so a repeated delivery is one row. It is *new*
until the dispatcher has requested its reconciles; a crash in between only repeats that.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Row,
    Select,
    String,
    Table,
    and_,
    or_,
    select,
    update,
)

from bridge.errors import InvalidInputError, NotFoundError
from bridge.promptlayer.webhook_events import (
    PromptEvent,
    UnknownWebhookEvent,
    WebhookEvent,
    compute_delivery_id,
    needs_dispatch,
    parse_event,
)
from bridge.promptlayer.workspace_source import PROMPTLAYER_SOURCE
from bridge.prompts.prompt import JsonObject
from bridge.storage.database import Database, InstantColumn, TextColumn, metadata
from bridge.storage.delivery_state import (
    DeliveryState as DeliveryState,
)  # part of what a Delivery is
from bridge.storage.group_commit import GroupCommitWriter

Clock = Callable[[], datetime]  # the time now, aware

_LABEL_EVENTS = "prompt_template_label_"
_IDS_PER_STATEMENT = 500


deliveries_table = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace_id", BigInteger),
    Column("event_type", String, nullable=False),
    Column("prompt_id", BigInteger),
    Column("prompt_name", String),
    Column("label", String),
    Column("occurred_at", InstantColumn, nullable=False),
    Column("received_at", InstantColumn, nullable=False),
    Column("changed_at", InstantColumn, nullable=False),
    Column("payload", String, nullable=False),
    Column("state", String, nullable=False),
    Column("outcome", TextColumn),
    Column("seen", Integer, nullable=False),
    Column("source", String, nullable=False),
)
_OLDEST_FIRST = (deliveries_table.c.received_at, deliveries_table.c.id)
_NEWEST_FIRST = (deliveries_table.c.received_at.desc(), deliveries_table.c.id.desc())


@dataclass(frozen=True)
class Delivery:
    """One delivery. ``payload`` is authoritative; the fields taken from it serve queries."""

    id: str  # SHA-256 (hex) of the content
    event_type: str
    workspace_id: int | None  # None for events that are not documented
    prompt_id: int | None
    prompt_name: str | None
    label: str | None
    occurred_at: datetime  # as the event says; when it arrived, where the event says nothing
    received_at: datetime
    payload: str  # JSON
    state: DeliveryState = DeliveryState.NEW
    outcome: str | None = None  # for a person: the result
    seen: int = 1  # how many times it was delivered
    source: str = (
        PROMPTLAYER_SOURCE  # or ``promptlayer:<workspace>``; that of a forge: ``forge:<name>``
    )
    changed_at: datetime | None = None  # when state or outcome last changed; None until stored

    @classmethod
    def from_event(
        cls,
        event: WebhookEvent | UnknownWebhookEvent,
        payload: JsonObject,
        received_at: datetime,
        source: str = PROMPTLAYER_SOURCE,
    ) -> Delivery:
        """The delivery of a verified payload and its event, from the workspace that ``source``
        names. An event that asks for no reconcile is ignored from the start."""
        known = event if isinstance(event, WebhookEvent) else None
        prompt = event if isinstance(event, PromptEvent) else None
        return cls(
            id=compute_delivery_id(payload if source == PROMPTLAYER_SOURCE else {source: payload}),
            event_type=_storable(event.type),
            workspace_id=known.workspace_id if known else None,
            prompt_id=prompt.prompt_id if prompt else None,
            prompt_name=_storable(prompt.prompt_name) if prompt else None,
            label=_storable(prompt.label) if prompt and prompt.label else None,
            occurred_at=known.timestamp if known else received_at,
            received_at=received_at,
            payload=json.dumps(payload),
            state=DeliveryState.NEW if needs_dispatch(event) else DeliveryState.IGNORED,
            source=source,
        )

    def parse_event(self) -> WebhookEvent | UnknownWebhookEvent:
        """Parse the event again from the payload."""
        return parse_event(json.loads(self.payload))


@dataclass(frozen=True)
class InboxPutResult:
    id: str
    is_duplicate: bool  # the same content was delivered before


class DeliveryInbox:
    """The deliveries of one database. Safe for threads; several processes may share the database.

    Every method raises UnavailableError when the database does not answer.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._storing = database.build_counting_insert(deliveries_table, key="id", counted="seen")
        self._something_new = threading.Event()
        self._writer = GroupCommitWriter(self._write)

    def put(self, delivery: Delivery) -> InboxPutResult:
        """Store a delivery; it is on disk when this returns. Concurrent calls share one commit.
        Raises UnavailableError when it could not be stored, or when too many are waiting."""
        return self._writer.put(delivery)

    async def put_async(self, delivery: Delivery) -> InboxPutResult:
        """``put`` for asyncio."""
        return await self._writer.put_async(delivery)

    def find_new(self, limit: int) -> list[Delivery]:
        """The deliveries that are not dispatched, oldest first."""
        waiting = select(deliveries_table).where(deliveries_table.c.state == DeliveryState.NEW)
        return self._select(waiting.order_by(*_OLDEST_FIRST).limit(limit))

    def find_ignored_since(self, since: datetime) -> list[Delivery]:
        """The deliveries received since then that no mapping of the dispatching process followed,
        oldest first."""
        ignored = select(deliveries_table).where(
            deliveries_table.c.state == DeliveryState.IGNORED,
            deliveries_table.c.received_at >= since,
            deliveries_table.c.outcome.is_not(
                None
            ),  # ignored by the dispatcher, not from the start
        )
        return self._select(ignored.order_by(*_OLDEST_FIRST))

    def wait_for_new(self, timeout: float) -> bool:
        """Wait until this process stores a new delivery; False after ``timeout`` seconds without
        one. Deliveries of other processes are found by ``find_new`` alone. For one waiting
        thread."""
        arrived = self._something_new.wait(timeout)
        self._something_new.clear()
        return arrived

    def set_state(
        self,
        ids: Collection[str],
        state: DeliveryState,
        outcome: str | None = None,
        *,
        only_from: Collection[DeliveryState] = tuple(DeliveryState),
    ) -> int:
        """Set the state of deliveries; returns how many changed. A delivery in none of the states
        ``only_from`` stays, so that a slow dispatcher does not undo a result."""
        with self._database.open_transaction() as connection:
            return sum(
                connection.execute(
                    update(deliveries_table)
                    .where(
                        deliveries_table.c.id.in_(some),
                        deliveries_table.c.state.in_(list(only_from)),
                    )
                    .values(state=state, outcome=outcome, changed_at=self._clock())
                ).rowcount
                for some in _slices(sorted(ids))
            )

    def redeliver(self, delivery_id: str) -> None:
        """Make a delivery new again. Raises NotFoundError when there is none with this id."""
        if not self.set_state([delivery_id], DeliveryState.NEW):
            raise NotFoundError(
                "There is no delivery with this id. It may have been too old to keep."
            )
        self._something_new.set()

    def find(self, id_prefix: str) -> Delivery | None:
        """The delivery whose id starts so. Raises InvalidInputError when there are several."""
        if not re.fullmatch(r"[0-9a-f]{1,64}", id_prefix):
            return None
        # A range, for the index; "g" is behind every hexadecimal digit.
        in_range = deliveries_table.c.id.between(id_prefix, id_prefix + "g")
        found = self._select(select(deliveries_table).where(in_range).limit(2))
        if len(found) > 1:
            raise InvalidInputError(
                f"Several deliveries start with {id_prefix!r}. Give more digits."
            )
        return found[0] if found else None

    def find_by_ids(self, ids: Collection[str]) -> list[Delivery]:
        """The deliveries with these ids, in no particular order."""
        return [
            delivery
            for some in _slices(sorted(ids))
            for delivery in self._select(
                select(deliveries_table).where(deliveries_table.c.id.in_(some))
            )
        ]

    def list_recent(
        self,
        limit: int,
        *,
        before: str | None = None,
        state: DeliveryState | None = None,
        prompt: int | str | None = None,
    ) -> list[Delivery]:
        """Deliveries, the last received first. ``before`` is the id of the last one of the page
        before; ``prompt`` an id (int) or a name (str)."""
        query = select(deliveries_table).order_by(*_NEWEST_FIRST).limit(limit)
        if before is not None:
            query = query.where(_received_before(before))
        if state is not None:
            query = query.where(deliveries_table.c.state == state)
        if prompt is not None:
            query = query.where(_about(prompt))
        return self._select(query)

    def list_label_events(
        self, workspace_id: int, prompt_id: int, label: str, source: str = PROMPTLAYER_SOURCE
    ) -> list[Delivery]:
        """The events of a workspace about one label of one prompt (created, moved, deleted, a
        change requested, approved, denied), the newest first."""
        query = select(deliveries_table).where(
            deliveries_table.c.source == source,
            deliveries_table.c.workspace_id == workspace_id,
            deliveries_table.c.prompt_id == prompt_id,
            deliveries_table.c.label == _storable(label),
            deliveries_table.c.event_type.startswith(_LABEL_EVENTS, autoescape=True),
        )
        return self._select(query.order_by(deliveries_table.c.occurred_at.desc(), *_NEWEST_FIRST))

    def check_readable(self) -> None:
        """Raise UnavailableError when deliveries cannot be read."""
        with self._database.open_read_transaction() as connection:
            connection.execute(select(deliveries_table.c.id).limit(1))

    def close(self) -> None:
        """Store the waiting deliveries; a later ``put`` raises UnavailableError. The database stays
        open."""
        self._writer.close()
        self._something_new.set()

    def _select(self, query: Select[Any]) -> list[Delivery]:
        with self._database.open_read_transaction() as connection:
            return [parse_delivery_row(row) for row in connection.execute(query)]

    def _write(self, batch: Sequence[Delivery]) -> list[InboxPutResult]:
        times = Counter(delivery.id for delivery in batch)
        rows = {delivery.id: self._row(delivery, times[delivery.id]) for delivery in batch}
        # In one order, or two processes that store the same deliveries would deadlock.
        with self._database.open_transaction() as connection:
            stored = self._storing.store(connection, [rows[id] for id in sorted(rows)])
            unknown = {id for id, seen in stored if seen == times[id]}
        if any(rows[each]["state"] == DeliveryState.NEW for each in unknown):
            self._something_new.set()
        return list(_put_results(batch, unknown))

    def _row(self, delivery: Delivery, times: int) -> dict[str, Any]:
        return vars(delivery) | {"seen": times, "changed_at": self._clock()}


def _put_results(batch: Sequence[Delivery], unknown: set[str]) -> Iterator[InboxPutResult]:
    for delivery in batch:
        yield InboxPutResult(delivery.id, is_duplicate=delivery.id not in unknown)
        unknown.discard(delivery.id)  # its twin in the same batch is a duplicate


def parse_delivery_row(row: Row[Any]) -> Delivery:
    """The delivery in a row of the table."""
    columns = row._asdict()
    return Delivery(**columns | {"state": DeliveryState(columns["state"])})


def _about(prompt: int | str) -> ColumnElement[bool]:
    if isinstance(prompt, int):
        return deliveries_table.c.prompt_id == prompt
    return deliveries_table.c.prompt_name == _storable(prompt)


def _received_before(delivery_id: str) -> ColumnElement[bool]:
    received_at = (
        select(deliveries_table.c.received_at)
        .where(deliveries_table.c.id == delivery_id)
        .scalar_subquery()
    )
    return or_(
        deliveries_table.c.received_at < received_at,
        and_(deliveries_table.c.received_at == received_at, deliveries_table.c.id < delivery_id),
    )


def _slices(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        yield ids[start : start + _IDS_PER_STATEMENT]


def _storable(text: str) -> str:
    """The text without NUL characters, which PostgreSQL does not store."""
    return text.replace("\0", "\\x00")
