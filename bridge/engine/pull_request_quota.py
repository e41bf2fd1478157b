"""Limit the open pull requests of a mapping, and how fast its forge gets new ones."""

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

_FULL_PAUSE = 60.0  # seconds; a decided pull request of the mapping ends it
_LONGEST_RECONCILE = timedelta(minutes=5)  # a reservation without an outcome expires after this
_OPEN = (
    ReconcileOutcomeKind.PROPOSED,
    ReconcileOutcomeKind.UPDATED,
    ReconcileOutcomeKind.UNCHANGED,
    ReconcileOutcomeKind.CONFLICT,
    ReconcileOutcomeKind.WAITING,  # for the next change of a pull request that is open
)


class PullRequestLimitError(RateLimitedError):
    """A limit of the bridge's own, so the repository need not be paused."""


class MappingFullError(PullRequestLimitError):
    """A mapping has as many open pull requests as ``pull_request.limit`` allows."""


class PullRequestQuota:
    """The counts of one database. Safe for threads and for several processes: a reservation holds until
    the outcome of its proposal is recorded."""

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
            # A merge whose webhook was lost is still counted as open. The forge knows better.
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
        """Update the recorded open pull requests from the forge's list."""
        asked_at = self._clock()
        open_ = context.forge.list_open_pull_requests(context.branch_prefix)
        self.update_open_branches(
            context.mapping.name, {pull.head_branch for pull in open_}, asked_at
        )

    def pause(self, mapping: str, error: PullRequestLimitError) -> None:
        """Pause the proposals of a mapping that need a new pull request."""
        subject = (
            _limit_key(mapping) if isinstance(error, MappingFullError) else _creation_key(mapping)
        )
        self._backoff.pause_repository(subject, str(error), error.retry_after)

    def find_pause(self, mapping: str) -> tuple[float, str] | None:
        """For how many more seconds a mapping opens no pull request, and why."""
        paused = self._backoff.find_pause
        return paused(_limit_key(mapping)) or paused(_creation_key(mapping))

    def resume(self, mapping: str) -> None:
        """Reset the growth of the pauses, as a pull request was opened."""
        self._backoff.resume_repository(_limit_key(mapping))
        self._backoff.resume_repository(_creation_key(mapping))

    def release_waiting_proposals(
        self, context: MappingContext, *, refresh: bool = False
    ) -> tuple[Proposal, ...]:
        """End the pause of a mapping that is below its limit again. Returns as many waiting proposals
        as may be opened, the longest wait first. ``refresh`` asks the forge what is open."""
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
        """Reserve a pull request for a proposal. False where ``limit`` others of its mapping are open
        or reserved."""
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
        """Record which branches of a mapping had an open pull request at ``asked_at``. An outcome
        that was recorded later stays."""
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
    """The key of the pause while a mapping has as many open pull requests as it may have."""
    return f"new pull requests of {mapping}"


def _creation_key(mapping: str) -> str:
    """The key of the pause while the forge accepts no further pull requests."""
    return f"creations for {mapping}"


def release_reservation(connection: Connection, proposal: Proposal) -> None:
    """Delete a proposal's reservation, as its recorded outcome counts from now on."""
    connection.execute(
        delete(pull_request_reservations_table).where(
            pull_request_reservations_table.c.mapping == proposal.mapping,
            pull_request_reservations_table.c.branch == proposal.branch,
        )
    )


def _open_branches(mapping: str) -> Select[tuple[str]]:
    """Select the branches whose pull request was open at the last reconcile."""
    return select(proposals_table.c.branch).where(
        proposals_table.c.mapping == mapping,
        proposals_table.c.number.is_not(None),
        proposals_table.c.kind.in_(_OPEN),
    )


def _waiting_branches(mapping: str) -> Select[tuple[str]]:
    """Select the waiting branches without a pull request, the longest wait first."""
    return (
        select(proposals_table.c.branch)
        .where(
            proposals_table.c.mapping == mapping,
            proposals_table.c.kind == ReconcileOutcomeKind.WAITING,
            proposals_table.c.pull_request.is_(None),
        )
        .order_by(proposals_table.c.changed_at, proposals_table.c.branch)
    )
