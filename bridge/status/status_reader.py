"""Overview: what people ask the books. Every answer is quick, however much there is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from bridge.prompts.planning.target_state import TargetState
from bridge.serve.release_store import (
    ReleaseDoubt,
    ReleaseStatistics,
    list_doubts,
    read_release_statistics,
)
from bridge.status import daily_statistics, delivery_queries, queue_status, target_queries
from bridge.status.daily_statistics import DailyStatistics
from bridge.status.delivery_queries import DeliveryDetails, DeliveryFilter, DeliverySummary
from bridge.status.pagination import DEFAULT_PAGE_SIZE, Page
from bridge.status.problems import MappingProblem, open_problems
from bridge.status.queue_status import QueueStatus
from bridge.status.tables import resyncs_table
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
    """Reads the books of one database. Safe for threads.

    Every method raises UnavailableError when the database does not answer, and InvalidInputError
    for an ``after`` that no page gave.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get_current_time(self) -> datetime:
        """The time that ages are counted to."""
        return self._clock()

    def count_states(self, wanted: TargetFilter = _ALL) -> Mapping[TargetState, int]:
        """How many targets are in each state, zeros included; the filter's own state is left
        out."""
        with self._database.open_read_transaction() as connection:
            return target_queries.count_states(connection, wanted)

    def list_filter_choices(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Every mapping and every label that there is, to choose from."""
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
        """Targets and how they stand."""
        with self._database.open_read_transaction() as connection:
            return target_queries.list_targets(connection, wanted, after, limit, order)

    def find_targets_of_prompt(
        self, prompt_id: int, mapping: str | None = None
    ) -> tuple[TargetView, ...]:
        """All targets of one prompt, of one mapping or of all; empty where there are none."""
        with self._database.open_read_transaction() as connection:
            return target_queries.find_targets_of_prompt(connection, prompt_id, mapping)

    def list_timeline(
        self,
        mapping: str,
        prompt_id: int,
        *,
        after: str | None = None,
        limit: int = DEFAULT_PAGE_SIZE,
    ) -> Page[TimelineStep]:
        """The way of one prompt, the newest step first."""
        with self._database.open_read_transaction() as connection:
            return target_queries.list_timeline(connection, mapping, prompt_id, after, limit)

    def find_pull_request(self, mapping: str, number: int) -> PullRequestDetails | None:
        """One pull request: what it carries, its steps, the newest first, and the deliveries that
        made it. None where the books know of none."""
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
        """One delivery with its payload and the looks that it asked for; ``id`` is all of it."""
        with self._database.open_read_transaction() as connection:
            return delivery_queries.find_delivery(connection, id)

    def read_queue_status(
        self, *, after: str | None = None, limit: int = DEFAULT_PAGE_SIZE
    ) -> QueueStatus:
        """What waits, why, and until when; the longest wait first."""
        with self._database.open_read_transaction() as connection:
            return queue_status.read_queue_status(connection, self._clock(), after, limit)

    def problems(self) -> list[MappingProblem]:
        """What is wrong with mappings as a whole and lasts, the newest first."""
        with self._database.open_read_transaction() as connection:
            return open_problems(connection)

    def not_followed(self) -> dict[str, tuple[int, int]]:
        """How many prompts stay as they are though their mapping follows them no longer, and how
        many open pull requests of theirs, by mapping."""
        with self._database.open_read_transaction() as connection:
            return target_queries.not_followed(connection)

    def swept(self) -> dict[str, datetime]:
        """When each mapping was compared last."""
        with self._database.open_read_transaction() as connection:
            rows = connection.execute(select(resyncs_table.c.mapping, resyncs_table.c.at))
            return {row.mapping: row.at for row in rows}

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
        """What each forge has left of its requests, by the forge's name."""
        with self._database.open_read_transaction() as connection:
            return list_rate_limits(connection)

    def list_daily_statistics(self, count: int = 30) -> tuple[DailyStatistics, ...]:
        """The sums of the newest days, today included, the oldest first; days without any are
        there with zeros."""
        with self._database.open_read_transaction() as connection:
            return daily_statistics.list_daily_statistics(connection, self._clock(), count)
