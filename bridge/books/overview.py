"""Overview: what people ask the books. Every answer is quick, however much there is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from bridge.books import charts, deliveries, queue, targets
from bridge.books.charts import Day
from bridge.books.deliveries import DeliveryFilter, DeliveryShown, Listed
from bridge.books.paging import PAGE, Page
from bridge.books.problems import MappingProblem, open_problems
from bridge.books.queue import Queue
from bridge.books.tables import sweeps
from bridge.books.targets import Filter, Order, PullRequestShown, Step, TargetState
from bridge.prompts.state import State
from bridge.storage.budgets import ForgeBudget, budgets_in
from bridge.storage.database import Database
from bridge.storage.inbox import Clock

_ALL, _EVERY = Filter(), DeliveryFilter()


class Overview:
    """Reads the books of one database. Safe for threads.

    Every method raises Unavailable when the database does not answer, and Rejected for an
    ``after`` that no page gave.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def now(self) -> datetime:
        """The time that ages are counted to."""
        return self._clock()

    def states(self, wanted: Filter = _ALL) -> Mapping[State, int]:
        """How many targets are in each state, zeros included; the filter's own state is left
        out."""
        with self._database.reading() as connection:
            return targets.states(connection, wanted)

    def choices(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Every mapping and every label that there is, to choose from."""
        with self._database.reading() as connection:
            return targets.choices(connection)

    def standings(
        self,
        wanted: Filter = _ALL,
        *,
        after: str | None = None,
        limit: int = PAGE,
        order: Order = Order.NAME,
    ) -> Page[TargetState]:
        """Targets and how they stand."""
        with self._database.reading() as connection:
            return targets.standings_page(connection, wanted, after, limit, order)

    def prompt(self, prompt_id: int, mapping: str | None = None) -> tuple[TargetState, ...]:
        """All targets of one prompt, of one mapping or of all; empty where there are none."""
        with self._database.reading() as connection:
            return targets.prompt(connection, prompt_id, mapping)

    def timeline(
        self, mapping: str, prompt_id: int, *, after: str | None = None, limit: int = PAGE
    ) -> Page[Step]:
        """The way of one prompt, the newest step first."""
        with self._database.reading() as connection:
            return targets.timeline(connection, mapping, prompt_id, after, limit)

    def pull_request(self, mapping: str, number: int) -> PullRequestShown | None:
        """One pull request: what it carries, its steps, the newest first, and the deliveries that
        made it. None where the books know of none."""
        with self._database.reading() as connection:
            return targets.pull_request(connection, mapping, number)

    def deliveries(
        self,
        wanted: DeliveryFilter = _EVERY,
        *,
        after: str | None = None,
        limit: int = PAGE,
    ) -> Page[Listed]:
        """Deliveries without their payload, the last received first."""
        with self._database.reading() as connection:
            return deliveries.deliveries_page(connection, wanted, after, limit)

    def delivery(self, id: str) -> DeliveryShown | None:
        """One delivery with its payload and the looks that it asked for; ``id`` is all of it."""
        with self._database.reading() as connection:
            return deliveries.delivery(connection, id)

    def queue(self, *, after: str | None = None, limit: int = PAGE) -> Queue:
        """What waits, why, and until when; the longest wait first."""
        with self._database.reading() as connection:
            return queue.queue(connection, self._clock(), after, limit)

    def problems(self) -> list[MappingProblem]:
        """What is wrong with mappings as a whole and lasts, the newest first."""
        with self._database.reading() as connection:
            return open_problems(connection)

    def not_followed(self) -> dict[str, tuple[int, int]]:
        """How many prompts stay as they are though their mapping follows them no longer, and how
        many open pull requests of theirs, by mapping."""
        with self._database.reading() as connection:
            return targets.not_followed(connection)

    def swept(self) -> dict[str, datetime]:
        """When each mapping was compared last."""
        with self._database.reading() as connection:
            rows = connection.execute(select(sweeps.c.mapping, sweeps.c.at))
            return {row.mapping: row.at for row in rows}

    def budgets(self) -> tuple[ForgeBudget, ...]:
        """What each forge has left of its requests, by the forge's name."""
        with self._database.reading() as connection:
            return budgets_in(connection)

    def days(self, count: int = 30) -> tuple[Day, ...]:
        """The sums of the newest days, today included, the oldest first; days without any are
        there with zeros."""
        with self._database.reading() as connection:
            return charts.days(connection, self._clock(), count)
