"""The inbox: every delivery PromptLayer or a forge made, durable before it is acknowledged.

A delivery's identity is the digest of its content, so one that comes twice is one row. It is *new*
until the dispatcher has turned it into targets; a crash in between only means doing that again.
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

from bridge.errors import NotFound, Rejected
from bridge.promptlayer.events import Event, PromptEvent, UnknownEvent, acts, digest, parse
from bridge.promptlayer.workspace import PROMPTLAYER
from bridge.prompts.prompt import JsonObject
from bridge.storage.database import Database, Instant, Words, metadata
from bridge.storage.delivery_state import (
    DeliveryState as DeliveryState,
)  # part of what a Delivery is
from bridge.storage.group_commit import GroupCommit

Clock = Callable[[], datetime]  # the time now, aware

_LABEL_EVENTS = "prompt_template_label_"
_IDS_PER_STATEMENT = 500


deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace_id", BigInteger),
    Column("event_type", String, nullable=False),
    Column("prompt_id", BigInteger),
    Column("prompt_name", String),
    Column("label", String),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("payload", String, nullable=False),
    Column("state", String, nullable=False),
    Column("outcome", Words),
    Column("seen", Integer, nullable=False),
    Column("source", String, nullable=False),
)
_OLDEST_FIRST = (deliveries.c.received_at, deliveries.c.id)
_NEWEST_FIRST = (deliveries.c.received_at.desc(), deliveries.c.id.desc())


@dataclass(frozen=True)
class Delivery:
    """One delivery. ``payload`` is the truth; the fields taken from it are for finding it."""

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
    outcome: str | None = None  # for a person: what came of it
    seen: int = 1  # how many times it was delivered
    source: str = PROMPTLAYER  # or ``promptlayer:<workspace>``; that of a forge: ``forge:<name>``
    changed_at: datetime | None = None  # when state or outcome last changed; None until stored

    @classmethod
    def of(
        cls,
        event: Event | UnknownEvent,
        payload: JsonObject,
        received_at: datetime,
        source: str = PROMPTLAYER,
    ) -> Delivery:
        """The delivery of a verified payload and the event it parses to, by the workspace that
        ``source`` names. Events nobody acts on are born ignored."""
        known = event if isinstance(event, Event) else None
        prompt = event if isinstance(event, PromptEvent) else None
        return cls(
            id=digest(payload if source == PROMPTLAYER else {source: payload}),
            event_type=_storable(event.type),
            workspace_id=known.workspace_id if known else None,
            prompt_id=prompt.prompt_id if prompt else None,
            prompt_name=_storable(prompt.prompt_name) if prompt else None,
            label=_storable(prompt.label) if prompt and prompt.label else None,
            occurred_at=known.timestamp if known else received_at,
            received_at=received_at,
            payload=json.dumps(payload),
            state=DeliveryState.NEW if acts(event) else DeliveryState.IGNORED,
            source=source,
        )

    def event(self) -> Event | UnknownEvent:
        """The event, read from the payload again."""
        return parse(json.loads(self.payload))


@dataclass(frozen=True)
class PutResult:
    id: str
    duplicate: bool  # the same content was delivered before


class Inbox:
    """The deliveries of one database. Safe for threads; several processes may share the file.

    Every method raises Unavailable when the database does not answer.
    """

    def __init__(self, database: Database, clock: Clock, *, backlog: int = 4096) -> None:
        self._database = database
        self._clock = clock
        self._storing = database.storing(deliveries, key="id", counted="seen")
        self._something_new = threading.Event()
        self._writer = GroupCommit(self._write, backlog=backlog)

    def put(self, delivery: Delivery) -> PutResult:
        """Store a delivery: on disk when this returns. Many callers at once share one commit.
        Raises Unavailable when it could not be stored, or when too many are waiting."""
        return self._writer.put(delivery)

    async def put_async(self, delivery: Delivery) -> PutResult:
        """``put`` for asyncio."""
        return await self._writer.put_async(delivery)

    def fresh(self, limit: int) -> list[Delivery]:
        """The deliveries that wait for the dispatcher, oldest first."""
        waiting = select(deliveries).where(deliveries.c.state == DeliveryState.NEW)
        return self._select(waiting.order_by(*_OLDEST_FIRST).limit(limit))

    def passed_over(self, since: datetime) -> list[Delivery]:
        """Those received since then that nobody followed, as far as whoever dispatched them knew;
        oldest first."""
        ignored = select(deliveries).where(
            deliveries.c.state == DeliveryState.IGNORED,
            deliveries.c.received_at >= since,
            deliveries.c.outcome.is_not(None),  # all others were nobody's from the beginning
        )
        return self._select(ignored.order_by(*_OLDEST_FIRST))

    def wait_for_fresh(self, timeout: float) -> bool:
        """Wait until this process put something new, ``timeout`` seconds at most; False says that
        the time is up. What other processes put is noticed by asking ``fresh`` even then. For one
        waiting thread."""
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
        """Record what became of deliveries; returns how many changed. Those that are in none of
        the states ``only_from`` are left alone: the dispatcher must not overtake the worker."""
        with self._database.transaction() as connection:
            return sum(
                connection.execute(
                    update(deliveries)
                    .where(deliveries.c.id.in_(some), deliveries.c.state.in_(list(only_from)))
                    .values(state=state, outcome=outcome, changed_at=self._clock())
                ).rowcount
                for some in _slices(sorted(ids))
            )

    def redeliver(self, delivery_id: str) -> None:
        """Make a delivery new again. Raises NotFound when there is none with this id."""
        if not self.set_state([delivery_id], DeliveryState.NEW):
            raise NotFound("There is no delivery with this id. It may have been too old to keep.")
        self._something_new.set()

    def find(self, id_prefix: str) -> Delivery | None:
        """The delivery whose id starts so. Raises Rejected when there are several."""
        if not re.fullmatch(r"[0-9a-f]{1,64}", id_prefix):
            return None
        # A range, for the index; "g" is behind every hexadecimal digit.
        in_range = deliveries.c.id.between(id_prefix, id_prefix + "g")
        found = self._select(select(deliveries).where(in_range).limit(2))
        if len(found) > 1:
            raise Rejected(f"Several deliveries start with {id_prefix!r}. Give more digits.")
        return found[0] if found else None

    def several(self, ids: Collection[str]) -> list[Delivery]:
        """The deliveries with these ids, in no particular order."""
        return [
            delivery
            for some in _slices(sorted(ids))
            for delivery in self._select(select(deliveries).where(deliveries.c.id.in_(some)))
        ]

    def recent(
        self,
        limit: int,
        *,
        before: str | None = None,
        state: DeliveryState | None = None,
        prompt: int | str | None = None,
    ) -> list[Delivery]:
        """Deliveries, the last received first. ``before`` is the id of the last one of the page
        before; ``prompt`` an id (int) or a name (str)."""
        query = select(deliveries).order_by(*_NEWEST_FIRST).limit(limit)
        if before is not None:
            query = query.where(_received_before(before))
        if state is not None:
            query = query.where(deliveries.c.state == state)
        if prompt is not None:
            query = query.where(_about(prompt))
        return self._select(query)

    def label_events(
        self, workspace_id: int, prompt_id: int, label: str, source: str = PROMPTLAYER
    ) -> list[Delivery]:
        """All that a workspace told about one label of one prompt (created, moved, deleted, a
        change requested, approved, denied), the last to happen first."""
        query = select(deliveries).where(
            deliveries.c.source == source,
            deliveries.c.workspace_id == workspace_id,
            deliveries.c.prompt_id == prompt_id,
            deliveries.c.label == _storable(label),
            deliveries.c.event_type.startswith(_LABEL_EVENTS, autoescape=True),
        )
        return self._select(query.order_by(deliveries.c.occurred_at.desc(), *_NEWEST_FIRST))

    def check(self) -> None:
        """Raise Unavailable when deliveries cannot be read."""
        with self._database.reading() as connection:
            connection.execute(select(deliveries.c.id).limit(1))

    def close(self) -> None:
        """Store what is waiting and turn further deliveries away. The database stays open."""
        self._writer.close()
        self._something_new.set()

    def _select(self, query: Select[Any]) -> list[Delivery]:
        with self._database.reading() as connection:
            return [from_row(row) for row in connection.execute(query)]

    def _write(self, batch: Sequence[Delivery]) -> list[PutResult]:
        times = Counter(delivery.id for delivery in batch)
        rows = {delivery.id: self._row(delivery, times[delivery.id]) for delivery in batch}
        # Always in one order, or two processes that store the same would wait for each other.
        with self._database.transaction() as connection:
            stored = self._storing.store(connection, [rows[id] for id in sorted(rows)])
            unknown = {id for id, seen in stored if seen == times[id]}
        if any(rows[each]["state"] == DeliveryState.NEW for each in unknown):
            self._something_new.set()
        return list(_put_results(batch, unknown))

    def _row(self, delivery: Delivery, times: int) -> dict[str, Any]:
        return vars(delivery) | {"seen": times, "changed_at": self._clock()}


def _put_results(batch: Sequence[Delivery], unknown: set[str]) -> Iterator[PutResult]:
    for delivery in batch:
        yield PutResult(delivery.id, duplicate=delivery.id not in unknown)
        unknown.discard(delivery.id)  # its twin in the same batch is a duplicate


def from_row(row: Row[Any]) -> Delivery:
    """A delivery of a row of the table."""
    columns = row._asdict()
    return Delivery(**columns | {"state": DeliveryState(columns["state"])})


def _about(prompt: int | str) -> ColumnElement[bool]:
    if isinstance(prompt, int):
        return deliveries.c.prompt_id == prompt
    return deliveries.c.prompt_name == _storable(prompt)


def _received_before(delivery_id: str) -> ColumnElement[bool]:
    received_at = (
        select(deliveries.c.received_at).where(deliveries.c.id == delivery_id).scalar_subquery()
    )
    return or_(
        deliveries.c.received_at < received_at,
        and_(deliveries.c.received_at == received_at, deliveries.c.id < delivery_id),
    )


def _slices(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        yield ids[start : start + _IDS_PER_STATEMENT]


def _storable(text: str) -> str:
    """Names are any text; PostgreSQL keeps no NUL."""
    return text.replace("\0", "\\x00")
