"""The log queue: calls by which applications log at PromptLayer, durable before they are answered.

Each call is a row. Calls about the same thing are delivered in the order they came. A delivered
call is deleted; what PromptLayer calls the thing that it made stays for a month, for later calls.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Row,
    String,
    Table,
    and_,
    delete,
    exists,
    func,
    select,
    update,
)

from bridge.prompts.prompt import Json
from bridge.storage.database import Database, InstantColumn, TextColumn, metadata
from bridge.storage.group_commit import GroupCommitWriter
from bridge.storage.inbox import Clock

IDS_STAY = timedelta(days=30)  # for calls about what was logged earlier
PARKED_STAY = timedelta(days=7)
_MEASURED = 1.0  # seconds between two measurements of the queue
_IDS_PER_STATEMENT = 500


class LogState(StrEnum):
    WAITING = "waiting"
    PARKED = "parked"  # PromptLayer refused it for good, or did not take it in time
    DELIVERED = "delivered"  # never stored: such a row is deleted


queued_logs_table = Table(
    "queued_logs",
    metadata,
    Column("id", String, primary_key=True),
    Column("position", BigInteger, nullable=False),  # grows with the time of arrival
    Column("source", String, nullable=False),
    Column("application", String, nullable=False),
    Column("path", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("body", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("received_at", InstantColumn, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("not_before", InstantColumn, nullable=False),  # of a parked one: when it was parked
    Column("reason", TextColumn),
)

logged_ids_table = Table(
    "logged_ids",
    metadata,
    Column("id", String, primary_key=True),
    Column("source", String, nullable=False),
    Column("platform_id", String, nullable=False),  # JSON
    Column("delivered_at", InstantColumn, nullable=False),
)

_LOG, _ID = queued_logs_table.c, logged_ids_table.c


@dataclass(frozen=True)
class QueuedLog:
    """One call. ``subject`` is what it is about: calls of one subject keep their order."""

    id: str  # what the application was answered, where the call makes something
    source: str  # of the workspace
    application: str
    path: str
    subject: str
    body: str  # JSON, without any key
    received_at: datetime
    attempts: int = 0


@dataclass(frozen=True)
class LogDeliveryResult:
    """What came of an attempt to deliver one call."""

    log: QueuedLog
    state: LogState
    platform_id: Json = None  # what PromptLayer calls the thing that the call made
    retry_after: float = 0.0  # seconds, for one that goes on waiting
    reason: str = ""  # for a person; never what the call holds


@dataclass(frozen=True)
class LogQueueStatus:
    waiting: int = 0
    waiting_bytes: int = 0
    oldest_seconds: float = 0.0
    parked: int = 0
    parked_reasons: tuple[tuple[str, int], ...] = ()  # the most frequent first


class LogQueue:
    """The queue of one database. Safe for threads; several processes may share the database.

    ``limit`` is in bytes. Every method raises UnavailableError when the database does not answer.
    """

    def __init__(
        self, database: Database, clock: Clock, *, limit: int, backlog: int = 4096
    ) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit
        self._bytes = 0
        self._measured_at = -_MEASURED
        self._last_position = 0
        self._something_new = threading.Event()
        self._writer = GroupCommitWriter(self._write, backlog=backlog)

    def is_full(self) -> bool:
        """Whether the waiting calls reach the limit, as measured a moment ago."""
        return self._bytes >= self._limit

    async def put_async(self, log: QueuedLog) -> None:
        """Store a call: on disk when this returns. Raises UnavailableError when it could not be
        stored, or when too many are being stored."""
        await self._writer.put_async(log)

    def put(self, log: QueuedLog) -> None:
        """``put_async`` for threads."""
        self._writer.put(log)

    def wait_for_new(self, timeout: float) -> None:
        """Wait until this process put something, or ``notify_waiting``, for ``timeout`` seconds at most. For
        one waiting thread."""
        self._something_new.wait(timeout)
        self._something_new.clear()

    def notify_waiting(self) -> None:
        """End a ``wait_for_new``."""
        self._something_new.set()

    def claim_due(self, limit: int, lease: timedelta) -> list[QueuedLog]:
        """Take the oldest calls that are due, for no other process to deliver within ``lease``; of
        each subject only the first."""
        earlier = queued_logs_table.alias()
        is_first = ~exists().where(
            earlier.c.subject == _LOG.subject,
            earlier.c.state == LogState.WAITING,
            earlier.c.position < _LOG.position,
        )
        due = and_(_LOG.state == LogState.WAITING, _LOG.not_before <= self._database.now, is_first)
        query = select(queued_logs_table).where(due).order_by(_LOG.position).limit(limit)
        with self._database.open_transaction() as connection:
            self._measure(connection)
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            for ids in _slice([row.id for row in rows]):
                connection.execute(
                    update(queued_logs_table)
                    .where(_LOG.id.in_(ids))
                    .values(not_before=self._database.subtract_from_now(-lease))
                )
        return [_parse_row(row) for row in rows]

    def release_claims(self) -> None:
        """Let every call be due at once: nobody else delivers from a file that is opened anew. On a
        server others may be at it, and what they leave is due when their lease ends."""
        if self._database.dialect == "sqlite":
            with self._database.open_transaction() as connection:
                connection.execute(
                    update(queued_logs_table)
                    .where(_LOG.state == LogState.WAITING)
                    .values(not_before=self._database.now)
                )

    def record_results(self, results: Sequence[LogDeliveryResult]) -> None:
        """Store what came of attempts, in one transaction."""
        delivered = [one for one in results if one.state is LogState.DELIVERED]
        with self._database.open_transaction() as connection:
            for one in delivered:
                if one.platform_id is not None:
                    connection.execute(
                        self._database.build_insert(logged_ids_table)
                        .values(
                            id=one.log.id,
                            source=one.log.source,
                            platform_id=json.dumps(one.platform_id),
                            delivered_at=self._clock(),
                        )
                        .on_conflict_do_nothing(index_elements=["id"])  # it was delivered twice
                    )
            for ids in _slice([one.log.id for one in delivered]):
                connection.execute(delete(queued_logs_table).where(_LOG.id.in_(ids)))
            for one in results:
                if one.state is not LogState.DELIVERED:
                    connection.execute(
                        update(queued_logs_table)
                        .where(_LOG.id == one.log.id)
                        .values(
                            state=one.state,
                            attempts=one.log.attempts + 1,
                            not_before=self._database.subtract_from_now(
                                -timedelta(seconds=one.retry_after)
                            ),
                            reason=one.reason or None,
                        )
                    )

    def find_platform_ids(self, source: str, ids: Collection[str]) -> dict[str, Json]:
        """What PromptLayer calls things that were logged in a workspace, as far as it took them."""
        with self._database.open_read_transaction() as connection:
            return {
                row.id: json.loads(row.platform_id)
                for some in _slice(sorted(ids))
                for row in connection.execute(
                    select(logged_ids_table).where(_ID.id.in_(some), _ID.source == source)
                )
            }

    def find_states(self, source: str, ids: Collection[str]) -> dict[str, LogState]:
        """How the calls of a workspace stand that have these ids and are not delivered."""
        with self._database.open_read_transaction() as connection:
            return {
                row.id: LogState(row.state)
                for some in _slice(sorted(ids))
                for row in connection.execute(
                    select(_LOG.id, _LOG.state).where(_LOG.id.in_(some), _LOG.source == source)
                )
            }

    def delete_old(self) -> None:
        """Delete parked calls and ids that are too old, and parked calls beyond the limit."""
        now = self._clock()
        is_parked = _LOG.state == LogState.PARKED
        with self._database.open_transaction() as connection:
            connection.execute(delete(logged_ids_table).where(_ID.delivered_at < now - IDS_STAY))
            connection.execute(
                delete(queued_logs_table).where(is_parked, _LOG.not_before < now - PARKED_STAY)
            )
            total, beyond = 0, []
            newest_first = select(_LOG.id, _LOG.size).where(is_parked)
            for row in connection.execute(newest_first.order_by(_LOG.position.desc())):
                total += row.size
                beyond += [row.id] if total > self._limit else []
            for ids in _slice(beyond):
                connection.execute(delete(queued_logs_table).where(_LOG.id.in_(ids)))

    def close(self) -> None:
        """Store what is waiting for the disk and turn further calls away."""
        self._writer.close()
        self.notify_waiting()

    def _measure(self, connection: Connection) -> None:
        if time.monotonic() - self._measured_at >= _MEASURED:
            waiting = _LOG.state == LogState.WAITING
            self._bytes = (
                connection.execute(select(func.sum(_LOG.size)).where(waiting)).scalar() or 0
            )
            self._measured_at = time.monotonic()

    def _write(self, batch: Sequence[QueuedLog]) -> Sequence[None]:
        now = self._clock()
        rows = [self._build_row(log, now) for log in batch]
        with self._database.open_transaction() as connection:
            connection.execute(queued_logs_table.insert(), rows)
        self._bytes += sum(row["size"] for row in rows)
        self._something_new.set()
        return [None] * len(batch)

    def _build_row(self, log: QueuedLog, now: datetime) -> dict[str, Any]:
        # Above the last one also where the clock stands or goes back.
        self._last_position = max(self._last_position + 1, round(now.timestamp() * 1_000_000))
        return vars(log) | {
            "position": self._last_position,
            "size": len(log.body),  # of ASCII, as JSON is written here
            "state": LogState.WAITING,
            "not_before": log.received_at,
        }


def read_log_queue_status(connection: Connection, now: datetime) -> LogQueueStatus:
    """How the queue stands, out of the database."""
    query = select(_LOG.state, func.count(), func.sum(_LOG.size), func.min(_LOG.received_at))
    found = {row[0]: row for row in connection.execute(query.group_by(_LOG.state))}
    waiting, parked = found.get(LogState.WAITING), found.get(LogState.PARKED)
    reasons = select(_LOG.reason, func.count()).where(_LOG.state == LogState.PARKED)
    counted = connection.execute(
        reasons.group_by(_LOG.reason).order_by(func.count().desc(), _LOG.reason).limit(5)
    )
    return LogQueueStatus(
        waiting=waiting[1] if waiting else 0,
        waiting_bytes=int(waiting[2]) if waiting else 0,
        oldest_seconds=max(0.0, (now - waiting[3]).total_seconds()) if waiting else 0.0,
        parked=parked[1] if parked else 0,
        parked_reasons=tuple((row[0], row[1]) for row in counted) if parked else (),
    )


def _parse_row(row: Row[Any]) -> QueuedLog:
    return QueuedLog(
        row.id,
        row.source,
        row.application,
        row.path,
        row.subject,
        row.body,
        row.received_at,
        row.attempts,
    )


def _slice(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (
        ids[start : start + _IDS_PER_STATEMENT] for start in range(0, len(ids), _IDS_PER_STATEMENT)
    )
