"""Numbers about the whole bridge, out of the database: all processes that share it agree on them.

Each query reads an index or a small table, whatever the number of deliveries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from bridge.books.problems import count_exceptions, count_problems
from bridge.books.tables import standings, sweeps
from bridge.books.totals import Totals, totals
from bridge.storage.budgets import ForgeBudget, budgets_in
from bridge.storage.database import Database
from bridge.storage.inbox import Clock, DeliveryState, deliveries
from bridge.storage.ledger_tables import looks, proposals
from bridge.storage.members import SILENCE, members
from bridge.storage.restraint import pauses

SWEEPS_MISSED = 3  # after so many a mapping counts as not compared


@dataclass(frozen=True)
class Waiting:
    """``count`` things wait; the oldest does so for ``oldest`` seconds."""

    count: int = 0
    oldest: float = 0.0


@dataclass(frozen=True)
class Sweep:
    at: datetime
    took: float


@dataclass(frozen=True)
class Measures:
    """How things stand at one moment. Times are in seconds."""

    members: int  # processes that live
    totals: Totals
    undispatched: Waiting
    looks: Mapping[str, Waiting]  # by mapping
    proposals: Mapping[tuple[str, str], int]  # by mapping and outcome
    standings: Mapping[tuple[str, str], int]  # prompts by mapping and state
    sweeps: Mapping[str, Sweep]  # the newest, by mapping
    pauses: Mapping[str, float]  # by repository: for how much longer
    budgets: tuple[ForgeBudget, ...]
    problems: Mapping[tuple[str, str], int]  # that last, by mapping and kind
    exceptions: Mapping[str, int]  # errors that nobody expected, ever, by mapping


def measure(database: Database, clock: Clock) -> Measures:
    """Read them all, as of one moment. Raises Unavailable when the database does not answer."""
    now = clock()
    with database.reading() as connection:
        return Measures(
            members=_members(connection, database),
            totals=totals(connection, now),
            undispatched=_undispatched(connection, now),
            looks=_looks(connection, now),
            proposals=_proposals(connection),
            standings=_standings(connection),
            sweeps=_sweeps(connection),
            problems=count_problems(connection),
            exceptions=count_exceptions(connection),
            pauses=_pauses(connection, now),
            budgets=budgets_in(connection),
        )


def find_stale(
    swept: Mapping[str, datetime], mappings: Iterable[str], now: datetime, longest: timedelta
) -> dict[str, timedelta]:
    """The mappings that nobody compared for longer than ``longest``, and for how long. ``swept``
    is when each was compared last, or since when it could have been."""
    ages = {name: now - swept[name] for name in mappings if name in swept}
    return {name: age for name, age in sorted(ages.items()) if age > longest}


def _members(connection: Connection, database: Database) -> int:
    """Those that beat, by the database's clock."""
    lives = members.c.beaten_at > database.ago(SILENCE)
    query = select(func.count()).select_from(members).where(lives)
    return int(connection.execute(query).scalar() or 0)


def _undispatched(connection: Connection, now: datetime) -> Waiting:
    query = select(func.count(), func.min(deliveries.c.received_at)).where(
        deliveries.c.state == DeliveryState.NEW
    )
    count, oldest = connection.execute(query).one()
    return _waiting(count, oldest, now)


def _looks(connection: Connection, now: datetime) -> dict[str, Waiting]:
    query = (
        select(looks.c.mapping, func.count(), func.min(looks.c.asked_at))
        .where(looks.c.settled_at.is_(None))
        .group_by(looks.c.mapping)
    )
    return {row[0]: _waiting(row[1], row[2], now) for row in connection.execute(query)}


def _proposals(connection: Connection) -> dict[tuple[str, str], int]:
    query = select(proposals.c.mapping, proposals.c.kind, func.count()).group_by(
        proposals.c.mapping, proposals.c.kind
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def _standings(connection: Connection) -> dict[tuple[str, str], int]:
    query = select(standings.c.mapping, standings.c.state, func.count()).group_by(
        standings.c.mapping, standings.c.state
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def _sweeps(connection: Connection) -> dict[str, Sweep]:
    query = select(sweeps.c.mapping, sweeps.c.at, sweeps.c.seconds)
    return {row[0]: Sweep(row[1], row[2]) for row in connection.execute(query)}


def _pauses(connection: Connection, now: datetime) -> dict[str, float]:
    query = select(pauses.c.repository, pauses.c.until)
    left = {row[0]: (row[1] - now).total_seconds() for row in connection.execute(query)}
    return {repository: seconds for repository, seconds in left.items() if seconds > 0}


def _waiting(count: int, oldest: datetime | None, now: datetime) -> Waiting:
    age = 0.0 if oldest is None else (now - oldest).total_seconds()
    return Waiting(count, max(0.0, age))
