"""Store the remaining request budget of each forge, as its last responses stated."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Column, Connection, String, Table, select

from bridge.errors import BridgeError, RateLimitedError
from bridge.forge.forge import RateLimitStatus
from bridge.storage.database import Database, InstantColumn, metadata
from bridge.storage.inbox import Clock

log = logging.getLogger("bridge.budgets")

rate_limits_table = Table(
    "budgets",
    metadata,
    Column("forge", String, primary_key=True),
    Column("allowed", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Column("resets_at", InstantColumn, nullable=False),
    Column("seen_at", InstantColumn, nullable=False),
)

LOW_FRACTION = 0.05  # of the limit; below it, work that can wait does
_EVERY = timedelta(seconds=10)  # between two writes
_EVERY_WHEN_LOW = timedelta(seconds=1)


@dataclass(frozen=True)
class ForgeRateLimit:
    """``rate_limit`` of ``forge``, as stated at ``observed_at``; after its ``resets_at`` the budget
    is full again."""

    forge: str
    rate_limit: RateLimitStatus
    observed_at: datetime


class RateLimitStore:
    """The newest budget of each forge, for all processes of one database. Safe for threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._recorded_at: dict[str, datetime] = {}

    def record(self, forge: str, rate_limit: RateLimitStatus) -> None:
        """Record a forge's budget, every ten seconds at most. Never raises, as no request may fail
        because of it."""
        now = self._clock()
        if not self._is_due(
            forge, _EVERY_WHEN_LOW if is_nearly_exhausted(rate_limit) else _EVERY, now
        ):
            return
        values = {
            "allowed": rate_limit.limit,
            "remaining": rate_limit.remaining,
            "resets_at": rate_limit.resets_at,
            "seen_at": now,
        }
        insert = self._database.build_insert(rate_limits_table).values(forge=forge, **values)
        upsert = insert.on_conflict_do_update(index_elements=["forge"], set_=values)
        try:
            with self._database.open_transaction() as connection:
                connection.execute(upsert)
        except BridgeError as error:
            log.warning("the budget of %s is not noted: %s", forge, error)

    def list_all(self) -> tuple[ForgeRateLimit, ...]:
        """All budgets, by the forge's name."""
        with self._database.open_read_transaction() as connection:
            return list_rate_limits(connection)

    def require_spare(self, forge: str) -> None:
        """Raise RateLimitedError when the rest of a forge's budget is reserved for new edits."""
        now = self._clock()
        for known in self.list_all():
            left = known.rate_limit.resets_at - now
            if (
                known.forge == forge
                and is_nearly_exhausted(known.rate_limit)
                and left > timedelta(0)
            ):
                raise RateLimitedError(
                    f"{forge} answers only {known.rate_limit.remaining} more requests before"
                    f" {known.rate_limit.resets_at:%H:%M:%S} UTC; they are kept for new edits.",
                    retry_after=left.total_seconds(),
                )

    def _is_due(self, forge: str, every: timedelta, now: datetime) -> bool:
        with self._lock:
            before = self._recorded_at.get(forge)
            if before is not None and now - before < every:
                return False
            self._recorded_at[forge] = now
            return True


def list_rate_limits(connection: Connection) -> tuple[ForgeRateLimit, ...]:
    """All budgets by the forge's name, read in an open transaction."""
    rows = connection.execute(select(rate_limits_table).order_by(rate_limits_table.c.forge))
    return tuple(
        ForgeRateLimit(
            row.forge, RateLimitStatus(row.allowed, row.remaining, row.resets_at), row.seen_at
        )
        for row in rows
    )


def is_nearly_exhausted(rate_limit: RateLimitStatus) -> bool:
    """Whether so little is left that only urgent work should use it."""
    return rate_limit.remaining < rate_limit.limit * LOW_FRACTION
