"""Read what the pages and ``status`` show. Every query costs about the same however many rows there
are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bridge.prompts.planning.target_state import TargetState
from bridge.serve.release_store import (
    ReleaseDoubt,
    ReleaseStatistics,
    list_doubts,
    read_release_statistics,
)
from bridge.status import (
    audit_log,
    daily_statistics,
    delivery_queries,
    queue_status,
    target_queries,
)
from bridge.status.audit_log import AuditAction, AuditEntry
from bridge.status.daily_statistics import DailyStatistics
from bridge.status.delivery_queries import DeliveryDetails, DeliveryFilter, DeliverySummary
from bridge.status.metrics_snapshot import LastResync, read_last_resyncs
from bridge.status.pagination import DEFAULT_PAGE_SIZE, Page
from bridge.status.problems import MappingProblem, list_open_problems
from bridge.status.queue_status import QueueStatus
from bridge.status.target_differences import StoredDifference, read_differences
from bridge.status.target_queries import (
    PullRequestDetails,
    TargetFilter,
    TargetOrder,
    TargetView,
    TimelineStep,
)
from bridge.storage.database import Database
from bridge.storage.inbox import Clock
from bridge.storage.log_queue import LogQueueStatus, read_log_queue_status
from bridge.storage.rate_limits import ForgeRateLimit, list_rate_limits

_ALL, _EVERY = TargetFilter(), DeliveryFilter()


class StatusReader:
    """The queries over one database. Safe for threads.

    Every method raises UnavailableError when the database does not answer, and InvalidInputError
    for an ``after`` that no page gave.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get_current_time(self) -> datetime:
        """The time up to which ages are computed."""
        return self._clock()

    def count_states(self, wanted: TargetFilter = _ALL) -> Mapping[TargetState, int]:
        """The number of targets in each state, zeros included. The filter's own ``state`` is
        ignored."""
        with self._database.open_read_transaction() as connection:
            return target_queries.count_states(connection, wanted)

    def list_filter_choices(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Every recorded mapping, and every recorded label."""
        with self._database.open_read_transaction() as connection:
            return target_queries.list_filter_choices(connection)

    def list_targets(
        self,
        wanted: TargetFilter = _ALL,
        *,
        after: str | None = None,
        limit: int = DEFAULT_PAGE_SIZE,
        order: TargetOrder = TargetOrder.NAME,
    ) -> Page[TargetView]:
        """The targets with their status."""
        with self._database.open_read_transaction() as connection:
            return target_queries.list_targets(connection, wanted, after, limit, order)

    def find_targets_of_prompt(
        self, prompt_id: int, mapping: str | None = None
    ) -> tuple[TargetView, ...]:
        """All targets of one prompt, of one mapping or of all; empty where there are none."""
        with self._database.open_read_transaction() as connection:
            return target_queries.find_targets_of_prompt(connection, prompt_id, mapping)

    def read_differences(self, mapping: str, prompt_id: int) -> Mapping[str, StoredDifference]:
        """The differences between both sides of one prompt, by label; none for equal sides."""
        with self._database.open_read_transaction() as connection:
            return read_differences(connection, mapping, prompt_id)

    def list_audit_entries(
        self,
        action: AuditAction | None = None,
        *,
        after: str | None = None,
        limit: int = DEFAULT_PAGE_SIZE,
    ) -> Page[AuditEntry]:
        """The recorded actions of people, the newest first."""
        with self._database.open_read_transaction() as connection:
            return audit_log.list_audit_entries(connection, action, after, limit)

    def list_timeline(
        self,
        mapping: str,
        prompt_id: int,
        *,
        after: str | None = None,
        limit: int = DEFAULT_PAGE_SIZE,
    ) -> Page[TimelineStep]:
        """The history of one prompt, the newest step first."""
        with self._database.open_read_transaction() as connection:
            return target_queries.list_timeline(connection, mapping, prompt_id, after, limit)

    def find_pull_request(self, mapping: str, number: int) -> PullRequestDetails | None:
        """One pull request: its targets, its steps, the newest first, and the deliveries that led
        to it. None where none is recorded."""
        with self._database.open_read_transaction() as connection:
            return target_queries.find_pull_request(connection, mapping, number)

    def list_deliveries(
        self,
        wanted: DeliveryFilter = _EVERY,
        *,
        after: str | None = None,
        limit: int = DEFAULT_PAGE_SIZE,
    ) -> Page[DeliverySummary]:
        """Deliveries without their payload, the last received first."""
        with self._database.open_read_transaction() as connection:
            return delivery_queries.list_deliveries(connection, wanted, after, limit)

    def find_delivery(self, id: str) -> DeliveryDetails | None:
        """The delivery with exactly this id, with its payload and the reconciles that it asked
        for."""
        with self._database.open_read_transaction() as connection:
            return delivery_queries.find_delivery(connection, id)

    def read_queue_status(
        self, *, after: str | None = None, limit: int = DEFAULT_PAGE_SIZE
    ) -> QueueStatus:
        """The pending work with its reasons and retry times, the longest wait first."""
        with self._database.open_read_transaction() as connection:
            return queue_status.read_queue_status(connection, self._clock(), after, limit)

    def list_problems(self) -> list[MappingProblem]:
        """The open problems of mappings, the newest first."""
        with self._database.open_read_transaction() as connection:
            return list_open_problems(connection)

    def count_unfollowed(self) -> dict[str, tuple[int, int]]:
        """By mapping: the prompts that it no longer follows, and their open pull requests."""
        with self._database.open_read_transaction() as connection:
            return target_queries.count_unfollowed(connection)

    def read_last_resyncs(self) -> Mapping[str, LastResync]:
        """The newest resync of each mapping."""
        return read_last_resyncs(self._database)

    def read_log_queue_status(self) -> LogQueueStatus:
        """How many logs of applications wait for PromptLayer, or were not taken."""
        with self._database.open_read_transaction() as connection:
            return read_log_queue_status(connection, self._clock())

    def read_release_statistics(self) -> ReleaseStatistics:
        """How many prompts are served to applications, and since when that is unconfirmed."""
        with self._database.open_read_transaction() as connection:
            return read_release_statistics(connection)

    def list_release_doubts(self) -> tuple[ReleaseDoubt, ...]:
        """Every prompt whose newest merged content is not served, by mapping and name."""
        with self._database.open_read_transaction() as connection:
            return list_doubts(connection)

    def list_rate_limits(self) -> tuple[ForgeRateLimit, ...]:
        """The remaining request budget of each forge, by the forge's name."""
        with self._database.open_read_transaction() as connection:
            return list_rate_limits(connection)

    def list_daily_statistics(self, count: int = 30) -> tuple[DailyStatistics, ...]:
        """The sums of the newest days, today included, the oldest first; a day without events has
        zeros."""
        with self._database.open_read_transaction() as connection:
            return daily_statistics.list_daily_statistics(connection, self._clock(), count)
