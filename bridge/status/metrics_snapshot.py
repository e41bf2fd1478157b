"""Read the metrics of the whole bridge from the database, so that all processes report the same.

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

SWEEPS_MISSED = 3  # after so many periods a mapping counts as stale


@dataclass(frozen=True)
class BacklogStatistics:
    """``count`` items are pending, the oldest for ``oldest_seconds`` seconds."""

    count: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True)
class LastResync:
    """The newest resync of a mapping."""

    finished_at: datetime
    duration_seconds: float


@dataclass(frozen=True)
class MetricsSnapshot:
    """The metrics of one instant. Times are in seconds."""

    instance_count: int  # live processes
    lifetime_totals: LifetimeTotals
    undispatched_deliveries: BacklogStatistics
    pending_reconciles: Mapping[str, BacklogStatistics]  # by mapping
    proposal_counts: Mapping[tuple[str, str], int]  # by mapping and outcome
    target_counts: Mapping[tuple[str, str], int]  # prompts by mapping and state
    last_resyncs: Mapping[str, LastResync]  # by mapping
    repository_pauses: Mapping[str, float]  # by repository: the remaining seconds
    rate_limits: tuple[ForgeRateLimit, ...]
    problems: Mapping[tuple[str, str], int]  # open ones, by mapping and kind
    exceptions: Mapping[str, int]  # unexpected errors ever, by mapping
    log_queue: LogQueueStatus = field(default_factory=LogQueueStatus)
    releases: ReleaseStatistics = field(default_factory=ReleaseStatistics)


def read_metrics_snapshot(database: Database, clock: Clock) -> MetricsSnapshot:
    """Read all metrics in one transaction. Raises UnavailableError when the database does not
    answer."""
    now = clock()
    with database.open_read_transaction() as connection:
        return MetricsSnapshot(
            instance_count=_count_instances(connection, database),
            lifetime_totals=read_lifetime_totals(connection, now),
            undispatched_deliveries=_undispatched(connection, now),
            pending_reconciles=_read_pending_reconciles(connection, now),
            proposal_counts=_proposals(connection),
            target_counts=_count_targets(connection),
            last_resyncs=_read_last_resyncs(connection),
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
        return _read_last_resyncs(connection)


def find_stale(
    resynced_at: Mapping[str, datetime], mappings: Iterable[str], now: datetime, longest: timedelta
) -> dict[str, timedelta]:
    """The mappings whose last resync is longer ago than ``longest``, with its age. ``resynced_at``
    is the time of each mapping's last resync, or of the start where there is none."""
    ages = {name: now - resynced_at[name] for name in mappings if name in resynced_at}
    return {name: age for name, age in sorted(ages.items()) if age > longest}


def _count_instances(connection: Connection, database: Database) -> int:
    """The instances with a recent heartbeat, by the database's clock."""
    lives = instances_table.c.beaten_at > database.subtract_from_now(DEAD_AFTER)
    query = select(func.count()).select_from(instances_table).where(lives)
    return int(connection.execute(query).scalar() or 0)


def _undispatched(connection: Connection, now: datetime) -> BacklogStatistics:
    query = select(func.count(), func.min(deliveries_table.c.received_at)).where(
        deliveries_table.c.state == DeliveryState.NEW
    )
    count, oldest = connection.execute(query).one()
    return _waiting(count, oldest, now)


def _read_pending_reconciles(connection: Connection, now: datetime) -> dict[str, BacklogStatistics]:
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


def _count_targets(connection: Connection) -> dict[tuple[str, str], int]:
    query = select(
        target_statuses_table.c.mapping, target_statuses_table.c.state, func.count()
    ).group_by(target_statuses_table.c.mapping, target_statuses_table.c.state)
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def _read_last_resyncs(connection: Connection) -> dict[str, LastResync]:
    query = select(resyncs_table.c.mapping, resyncs_table.c.at, resyncs_table.c.seconds)
    return {row[0]: LastResync(row[1], row[2]) for row in connection.execute(query)}


def _pauses(connection: Connection, now: datetime) -> dict[str, float]:
    query = select(repository_pauses_table.c.repository, repository_pauses_table.c.until)
    left = {row[0]: (row[1] - now).total_seconds() for row in connection.execute(query)}
    return {repository: seconds for repository, seconds in left.items() if seconds > 0}


def _waiting(count: int, oldest: datetime | None, now: datetime) -> BacklogStatistics:
    age = 0.0 if oldest is None else (now - oldest).total_seconds()
    return BacklogStatistics(count, max(0.0, age))
