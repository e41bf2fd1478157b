"""What is left of each forge's budget of requests, as its last answers said."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Column, Connection, String, Table, select

from bridge.errors import BridgeError, RateLimited
from bridge.forge.base import Budget
from bridge.storage.database import Database, Instant, metadata
from bridge.storage.inbox import Clock

log = logging.getLogger("bridge.budgets")

budgets = Table(
    "budgets",
    metadata,
    Column("forge", String, primary_key=True),
    Column("allowed", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Column("resets_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)

LOW = 0.05  # of what is allowed; below it, what can wait does
_EVERY = timedelta(seconds=10)  # a forge answers much more often than anybody looks
_EVERY_WHEN_LOW = timedelta(seconds=1)


@dataclass(frozen=True)
class ForgeBudget:
    """``budget`` as ``forge`` told it at ``seen_at``; after ``resets_at`` it is whole again."""

    forge: str
    budget: Budget
    seen_at: datetime


class Budgets:
    """The newest word of each forge, for all processes of one database. Safe for threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._turn = threading.Lock()
        self._noted: dict[str, datetime] = {}

    def note(self, forge: str, budget: Budget) -> None:
        """Remember what a forge said, but not each time. Never raises: no work may fail because
        of it."""
        now = self._clock()
        if not self._is_due(forge, _EVERY_WHEN_LOW if is_low(budget) else _EVERY, now):
            return
        values = {
            "allowed": budget.limit,
            "remaining": budget.remaining,
            "resets_at": budget.resets_at,
            "seen_at": now,
        }
        insert = self._database.insert(budgets).values(forge=forge, **values)
        upsert = insert.on_conflict_do_update(index_elements=["forge"], set_=values)
        try:
            with self._database.transaction() as connection:
                connection.execute(upsert)
        except BridgeError as error:
            log.warning("the budget of %s is not noted: %s", forge, error)

    def all(self) -> tuple[ForgeBudget, ...]:
        """By the forge's name."""
        with self._database.reading() as connection:
            return budgets_in(connection)

    def spare(self, forge: str) -> None:
        """Raise RateLimited when what is left of a forge's budget is for urgent work only."""
        now = self._clock()
        for known in self.all():
            left = known.budget.resets_at - now
            if known.forge == forge and is_low(known.budget) and left > timedelta(0):
                raise RateLimited(
                    f"{forge} answers only {known.budget.remaining} more requests before"
                    f" {known.budget.resets_at:%H:%M:%S} UTC; they are kept for new edits.",
                    retry_after=left.total_seconds(),
                )

    def _is_due(self, forge: str, every: timedelta, now: datetime) -> bool:
        with self._turn:
            before = self._noted.get(forge)
            if before is not None and now - before < every:
                return False
            self._noted[forge] = now
            return True


def budgets_in(connection: Connection) -> tuple[ForgeBudget, ...]:
    """Every forge's, by name, in a transaction that is open already."""
    rows = connection.execute(select(budgets).order_by(budgets.c.forge))
    return tuple(
        ForgeBudget(row.forge, Budget(row.allowed, row.remaining, row.resets_at), row.seen_at)
        for row in rows
    )


def is_low(budget: Budget) -> bool:
    """Whether so little is left that it should be kept for what is urgent."""
    return budget.remaining < budget.limit * LOW
