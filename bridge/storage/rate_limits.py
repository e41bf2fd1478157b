"""What is left of each forge's budget of requests, as its last answers said."""

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

LOW_FRACTION = 0.05  # of what is allowed; below it, what can wait does
_EVERY = timedelta(seconds=10)  # a forge answers much more often than anybody looks
_EVERY_WHEN_LOW = timedelta(seconds=1)


@dataclass(frozen=True)
class ForgeRateLimit:
    """``rate_limit`` as ``forge`` told it at ``observed_at``; after ``resets_at`` it is whole again."""

    forge: str
    rate_limit: RateLimitStatus
    observed_at: datetime


class RateLimitStore:
    """The newest word of each forge, for all processes of one database. Safe for threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._turn = threading.Lock()
        self._noted: dict[str, datetime] = {}

    def record(self, forge: str, rate_limit: RateLimitStatus) -> None:
        """Remember what a forge said, but not each time. Never raises: no work may fail because
        of it."""
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
        """By the forge's name."""
        with self._database.open_read_transaction() as connection:
            return list_rate_limits(connection)

    def require_spare(self, forge: str) -> None:
        """Raise RateLimitedError when what is left of a forge's budget is for urgent work only."""
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
        with self._turn:
            before = self._noted.get(forge)
            if before is not None and now - before < every:
                return False
            self._noted[forge] = now
            return True


def list_rate_limits(connection: Connection) -> tuple[ForgeRateLimit, ...]:
    """Every forge's, by name, in a transaction that is open already."""
    rows = connection.execute(select(rate_limits_table).order_by(rate_limits_table.c.forge))
    return tuple(
        ForgeRateLimit(
            row.forge, RateLimitStatus(row.allowed, row.remaining, row.resets_at), row.seen_at
        )
        for row in rows
    )


def is_nearly_exhausted(rate_limit: RateLimitStatus) -> bool:
    """Whether so little is left that it should be kept for what is urgent."""
    return rate_limit.remaining < rate_limit.limit * LOW_FRACTION
