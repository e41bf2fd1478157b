"""Numbers about the whole bridge, out of the database: all processes that share it agree on them.

Each query reads an index or a small table, whatever the number of deliveries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from bridge.serve.release_store import ReleaseStatistics, read_release_statistics
from bridge.status.lifetime_totals import LifetimeTotals, read_lifetime_totals
from bridge.status.problems import count_exceptions, count_problems
from bridge.status.tables import resyncs_table, target_statuses_table
from bridge.storage.backoff import repository_pauses_table
from bridge.storage.database import Database
from bridge.storage.inbox import Clock, DeliveryState, deliveries_table
from bridge.storage.instances import DEAD_AFTER, instances_table
from bridge.storage.log_queue import LogQueueStatus, read_log_queue_status
from bridge.storage.rate_limits import ForgeRateLimit, list_rate_limits
from bridge.storage.reconcile_tables import proposals_table, reconcile_requests_table

SWEEPS_MISSED = 3  # after so many a mapping counts as not compared


@dataclass(frozen=True)
class BacklogStatistics:
    """``count`` things wait; the oldest does so for ``oldest_seconds`` seconds."""

    count: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True)
class LastResync:
    finished_at: datetime
    duration_seconds: float


@dataclass(frozen=True)
class MetricsSnapshot:
    """How things stand at one moment. Times are in seconds."""

    instance_count: int  # processes that live
    lifetime_totals: LifetimeTotals
    undispatched_deliveries: BacklogStatistics
    pending_reconciles: Mapping[str, BacklogStatistics]  # by mapping
    proposal_counts: Mapping[tuple[str, str], int]  # by mapping and outcome
    target_counts: Mapping[tuple[str, str], int]  # prompts by mapping and state
    last_resyncs: Mapping[str, LastResync]  # the newest, by mapping
    repository_pauses: Mapping[str, float]  # by repository: for how much longer
    rate_limits: tuple[ForgeRateLimit, ...]
    problems: Mapping[tuple[str, str], int]  # that last, by mapping and kind
    exceptions: Mapping[str, int]  # errors that nobody expected, ever, by mapping
    log_queue: LogQueueStatus = field(default_factory=LogQueueStatus)
    releases: ReleaseStatistics = field(default_factory=ReleaseStatistics)


def read_metrics_snapshot(database: Database, clock: Clock) -> MetricsSnapshot:
    """Read them all, as of one moment. Raises UnavailableError when the database does not
    answer."""
    now = clock()
    with database.open_read_transaction() as connection:
        return MetricsSnapshot(
            instance_count=_members(connection, database),
            lifetime_totals=read_lifetime_totals(connection, now),
            undispatched_deliveries=_undispatched(connection, now),
            pending_reconciles=_looks(connection, now),
            proposal_counts=_proposals(connection),
            target_counts=_standings(connection),
            last_resyncs=_sweeps(connection),
            problems=count_problems(connection),
            exceptions=count_exceptions(connection),
            repository_pauses=_pauses(connection, now),
            rate_limits=list_rate_limits(connection),
            log_queue=read_log_queue_status(connection, now),
            releases=read_release_statistics(connection),
        )


def read_last_resyncs(database: Database) -> Mapping[str, LastResync]:
    """The newest resync of each mapping. Raises UnavailableError when the database does not
    answer."""
    with database.open_read_transaction() as connection:
        return _sweeps(connection)


def find_stale(
    swept: Mapping[str, datetime], mappings: Iterable[str], now: datetime, longest: timedelta
) -> dict[str, timedelta]:
    """The mappings that nobody compared for longer than ``longest``, and for how long. ``swept``
    is when each was compared last, or since when it could have been."""
    ages = {name: now - swept[name] for name in mappings if name in swept}
    return {name: age for name, age in sorted(ages.items()) if age > longest}


def _members(connection: Connection, database: Database) -> int:
    """Those that beat, by the database's clock."""
    lives = instances_table.c.beaten_at > database.subtract_from_now(DEAD_AFTER)
    query = select(func.count()).select_from(instances_table).where(lives)
    return int(connection.execute(query).scalar() or 0)


def _undispatched(connection: Connection, now: datetime) -> BacklogStatistics:
    query = select(func.count(), func.min(deliveries_table.c.received_at)).where(
        deliveries_table.c.state == DeliveryState.NEW
    )
    count, oldest = connection.execute(query).one()
    return _waiting(count, oldest, now)


def _looks(connection: Connection, now: datetime) -> dict[str, BacklogStatistics]:
    query = (
        select(
            reconcile_requests_table.c.mapping,
            func.count(),
            func.min(reconcile_requests_table.c.asked_at),
        )
        .where(reconcile_requests_table.c.settled_at.is_(None))
        .group_by(reconcile_requests_table.c.mapping)
    )
    return {row[0]: _waiting(row[1], row[2], now) for row in connection.execute(query)}


def _proposals(connection: Connection) -> dict[tuple[str, str], int]:
    query = select(proposals_table.c.mapping, proposals_table.c.kind, func.count()).group_by(
        proposals_table.c.mapping, proposals_table.c.kind
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def _standings(connection: Connection) -> dict[tuple[str, str], int]:
    query = select(
        target_statuses_table.c.mapping, target_statuses_table.c.state, func.count()
    ).group_by(target_statuses_table.c.mapping, target_statuses_table.c.state)
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def _sweeps(connection: Connection) -> dict[str, LastResync]:
    query = select(resyncs_table.c.mapping, resyncs_table.c.at, resyncs_table.c.seconds)
    return {row[0]: LastResync(row[1], row[2]) for row in connection.execute(query)}


def _pauses(connection: Connection, now: datetime) -> dict[str, float]:
    query = select(repository_pauses_table.c.repository, repository_pauses_table.c.until)
    left = {row[0]: (row[1] - now).total_seconds() for row in connection.execute(query)}
    return {repository: seconds for repository, seconds in left.items() if seconds > 0}


def _waiting(count: int, oldest: datetime | None, now: datetime) -> BacklogStatistics:
    age = 0.0 if oldest is None else (now - oldest).total_seconds()
    return BacklogStatistics(count, max(0.0, age))
