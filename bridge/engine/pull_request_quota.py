"""Room for pull requests: how many more a mapping, and its forge, may have."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Select, String, Table, delete, func, select, update

from bridge.errors import RateLimitedError
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.target import Proposal
from bridge.storage.backoff import RepositoryBackoff
from bridge.storage.database import Database, InstantColumn, metadata
from bridge.storage.inbox import Clock
from bridge.storage.reconcile_tables import proposals_table

if TYPE_CHECKING:
    from bridge.reconcile.mapping_context import MappingContext

pull_request_reservations_table = Table(
    "reservations",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("branch", String, primary_key=True),
    Column("taken_at", InstantColumn, nullable=False),
)

_FULL_PAUSE = 60.0  # seconds; a decision that is heard of ends it
_LONGEST_RECONCILE = timedelta(minutes=5)  # whoever has not said by then what came of it is gone
_OPEN = (
    ReconcileOutcomeKind.PROPOSED,
    ReconcileOutcomeKind.UPDATED,
    ReconcileOutcomeKind.UNCHANGED,
    ReconcileOutcomeKind.CONFLICT,
    ReconcileOutcomeKind.WAITING,  # for the next change of a pull request that is open
)


class PullRequestLimitError(RateLimitedError):
    """One of the bridge's own limits; the forge itself is well."""


class MappingFullError(PullRequestLimitError):
    """As many pull requests of a mapping are open as its settings allow."""


class PullRequestQuota:
    """Counts over one database. Safe for threads and for several processes: who is given room
    keeps it until the ledger notes what came of the proposal."""

    def __init__(self, database: Database, backoff: RepositoryBackoff, clock: Clock) -> None:
        self._database = database
        self._backoff = backoff
        self._clock = clock

    def acquire(self, context: MappingContext, proposal: Proposal | None = None) -> None:
        """Raise PullRequestLimitError when no pull request may be created for a mapping now.
        ``proposal`` is what it will be for; without one nothing is reserved."""
        limit = context.mapping.pull_request.limit
        taker = proposal or Proposal(context.mapping.name, "")
        if not self.reserve(taker, limit):
            # By the books it is full. Where no webhook tells of a merge, the forge knows.
            self.refresh_from_forge(context)
            if not self.reserve(taker, limit):
                raise MappingFullError(
                    f"Mapping {context.mapping.name} has {limit} open pull requests, its limit"
                    " (pull_request.limit). Merge or close some.",
                    retry_after=_FULL_PAUSE,
                )
        wait = self._backoff.take_pull_request_creation(
            context.mapping.forge_name, context.forge.creation_limits
        )
        if wait is not None:
            raise PullRequestLimitError(
                f"{context.mapping.forge_name} allows no more new pull requests for {wait:.0f} seconds.",
                retry_after=wait,
            )

    def refresh_from_forge(self, context: MappingContext) -> None:
        """Bring the books in step with what is open on the forge."""
        asked_at = self._clock()
        open_ = context.forge.list_open_pull_requests(context.branch_prefix)
        self.update_open_branches(
            context.mapping.name, {pull.head_branch for pull in open_}, asked_at
        )

    def pause(self, mapping: str, error: PullRequestLimitError) -> None:
        """Leave what would need another pull request of a mapping alone for a while."""
        what = (
            _limit_key(mapping) if isinstance(error, MappingFullError) else _creation_key(mapping)
        )
        self._backoff.pause_repository(what, str(error), error.retry_after)

    def find_pause(self, mapping: str) -> tuple[float, str] | None:
        """For how many more seconds nothing is opened for a mapping, and why."""
        paused = self._backoff.find_pause
        return paused(_limit_key(mapping)) or paused(_creation_key(mapping))

    def resume(self, mapping: str) -> None:
        """One was opened, so the next pause is a short one."""
        self._backoff.resume_repository(_limit_key(mapping))
        self._backoff.resume_repository(_creation_key(mapping))

    def release_waiting_proposals(
        self, context: MappingContext, *, refresh: bool = False
    ) -> tuple[Proposal, ...]:
        """The proposals to look at now because others of their mapping were decided: those that
        wait longest, as many as may be opened instead. By the books, or as the forge says where
        it is to be asked."""
        mapping = context.mapping.name
        if self._backoff.find_pause(_limit_key(mapping)) is None:
            return ()
        if refresh:
            self.refresh_from_forge(context)
        with self._database.open_read_transaction() as connection:
            taken = self._taken(connection, Proposal(mapping, ""))
            free = context.mapping.pull_request.limit - taken
            if free < 1:
                return ()
            query = _waiting_branches(mapping).limit(free)
            waiting = tuple(Proposal(mapping, row.branch) for row in connection.execute(query))
        self._backoff.end_pause(_limit_key(mapping))
        return waiting

    def reserve(self, proposal: Proposal, limit: int) -> bool:
        """Whether a proposal may have a pull request: fewer than ``limit`` others of its mapping
        are open, or about to be."""
        with self._database.open_transaction() as connection:
            self._database.lock_until_commit(connection, f"room of {proposal.mapping}")
            if self._taken(connection, proposal) >= limit:
                return False
            if proposal.branch:
                now = {"taken_at": self._clock()}
                insert = self._database.build_insert(pull_request_reservations_table).values(
                    mapping=proposal.mapping, branch=proposal.branch, **now
                )
                connection.execute(
                    insert.on_conflict_do_update(index_elements=["mapping", "branch"], set_=now)
                )
            return True

    def _taken(self, connection: Connection, proposal: Proposal) -> int:
        open_ = _open_branches(proposal.mapping)
        coming = select(pull_request_reservations_table.c.branch).where(
            pull_request_reservations_table.c.mapping == proposal.mapping,
            pull_request_reservations_table.c.branch != proposal.branch,
            pull_request_reservations_table.c.taken_at > self._clock() - _LONGEST_RECONCILE,
        )
        both = open_.union(coming).subquery()
        return int(connection.execute(select(func.count()).select_from(both)).scalar_one())

    def update_open_branches(
        self, mapping: str, open_: Collection[str], asked_at: datetime
    ) -> None:
        """Learn from the forge which branches of a mapping had an open pull request at a moment;
        of what was noted since, it could not know."""
        with self._database.open_transaction() as connection:
            numbered = connection.execute(_open_branches(mapping)).scalars()
            for branch in set(numbered) - set(open_):
                connection.execute(
                    update(proposals_table)
                    .where(
                        proposals_table.c.mapping == mapping,
                        proposals_table.c.branch == branch,
                        proposals_table.c.changed_at < asked_at,
                    )
                    .values(number=None)
                )


def _limit_key(mapping: str) -> str:
    """What is paused when a mapping has as many open pull requests as it may have."""
    return f"new pull requests of {mapping}"


def _creation_key(mapping: str) -> str:
    """What is paused when its forge lets nobody open more for now."""
    return f"creations for {mapping}"


def release_reservation(connection: Connection, proposal: Proposal) -> None:
    """It is noted what came of a proposal: a pull request that is open counts by that note."""
    connection.execute(
        delete(pull_request_reservations_table).where(
            pull_request_reservations_table.c.mapping == proposal.mapping,
            pull_request_reservations_table.c.branch == proposal.branch,
        )
    )


def _open_branches(mapping: str) -> Select[tuple[str]]:
    """With a pull request that was open when somebody last looked."""
    return select(proposals_table.c.branch).where(
        proposals_table.c.mapping == mapping,
        proposals_table.c.number.is_not(None),
        proposals_table.c.kind.in_(_OPEN),
    )


def _waiting_branches(mapping: str) -> Select[tuple[str]]:
    """Those that wait and have no pull request yet, the longest first."""
    return (
        select(proposals_table.c.branch)
        .where(
            proposals_table.c.mapping == mapping,
            proposals_table.c.kind == ReconcileOutcomeKind.WAITING,
            proposals_table.c.pull_request.is_(None),
        )
        .order_by(proposals_table.c.changed_at, proposals_table.c.branch)
    )
