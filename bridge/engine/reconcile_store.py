"""The ledger: what is to be looked at and why, and what came of it. Losing it loses no correctness:
the sweep asks for every look again, and the forge remembers what people decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from bridge.engine.errand_records import ErrandRecords
from bridge.engine.evaluation_store import EvaluationStore
from bridge.engine.pull_request_quota import release_reservation
from bridge.engine.reconcile_request_rows import (
    SETTLE_LOOK,
    build_settled_row,
    calculate_parked_pause,
    find_due_retries,
)
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.status.history_events import HistoryEventsById, store_history_events
from bridge.status.problems import ProblemRecords
from bridge.status.target_status_store import TargetStatusStore, select_proposals_of_prompt
from bridge.storage.backoff import compute_backoff_delay
from bridge.storage.database import Database
from bridge.storage.inbox import Clock, DeliveryState, deliveries_table
from bridge.storage.reconcile_tables import proposals_table, reconcile_requests_table

_Values = dict[str, Any]


@dataclass(frozen=True)
class ReconcileRequest:
    """One look that is asked for, and the delivery that asks, if one does."""

    proposal: Proposal
    target: Target
    delivery_id: str = ""
    name: str = ""  # the prompt's, where it is known


@dataclass(frozen=True)
class PendingReconcile:
    """``requested_at`` tells it from the same look asked for again while somebody is looking."""

    target: Target
    delivery_id: str
    requested_at: datetime


@dataclass(frozen=True)
class SettledReconcile:
    """One look as ``deliveries show`` tells it."""

    proposal: Proposal
    target: Target
    kind: str | None  # None: still waiting
    reason: str | None
    pull_request: str | None


@dataclass(frozen=True)
class LatestOutcome:
    """The last word on one proposal."""

    proposal: Proposal
    kind: ReconcileOutcomeKind
    reason: str
    pull_request: str | None
    changed_at: datetime


class ReconcileStore:
    """Bookkeeping over one database. Safe for threads and for several processes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.target_statuses = TargetStatusStore(database)
        self.problems = ProblemRecords(database, clock)
        self.errands = ErrandRecords(database, clock)
        self.evaluations = EvaluationStore(database, clock)

    def request(
        self, asks: Iterable[ReconcileRequest], moments: HistoryEventsById | None = None
    ) -> None:
        """Note looks that are wanted; one that waits already is not doubled. ``moments`` are what
        is known of how that came."""
        asks, now = list(asks), self._clock()
        rows = [
            {
                "mapping": ask.proposal.mapping,
                "branch": ask.proposal.branch,
                "prompt_id": ask.target.prompt_id,
                "label": ask.target.label,
                "delivery_id": ask.delivery_id,
                "asked_at": now,
            }
            for ask in asks
        ]
        if not (rows or moments):
            return
        named = ((ask.proposal, ask.target, ask.name) for ask in asks)
        with self._database.open_transaction() as connection:
            if rows:
                connection.execute(self._upsert_look(), rows)
            self.target_statuses.record_requested(connection, named, now)
            store_history_events(connection, self._database, moments or {})

    def _upsert_look(self) -> postgresql.Insert | sqlite.Insert:
        insert = self._database.build_insert(reconcile_requests_table)
        again = {"asked_at": insert.excluded.asked_at, "settled_at": None, "kind": None}
        return insert.on_conflict_do_update(
            index_elements=["mapping", "branch", "prompt_id", "label", "delivery_id"], set_=again
        )

    def find_pending(self, proposal: Proposal) -> tuple[PendingReconcile, ...]:
        """The looks that nobody has settled, the oldest first."""
        with self._database.open_read_transaction() as connection:
            return _waiting(connection, proposal)

    def find_targets(self, proposal: Proposal) -> tuple[Target, ...]:
        """The targets that were ever looked at for a proposal."""
        query = (
            select(reconcile_requests_table.c.prompt_id, reconcile_requests_table.c.label)
            .where(*_of(reconcile_requests_table, proposal))
            .distinct()
        )
        with self._database.open_read_transaction() as connection:
            return tuple(
                Target(proposal.mapping, row.prompt_id, row.label)
                for row in connection.execute(query)
            )

    def find_pending_proposals(self, overdue: timedelta | None = None) -> tuple[Proposal, ...]:
        """Every proposal with looks that nobody has settled; or those only that should have been
        looked at so long ago."""
        query = select(reconcile_requests_table.c.mapping, reconcile_requests_table.c.branch).where(
            reconcile_requests_table.c.settled_at.is_(None)
        )
        if overdue is not None:
            due = func.coalesce(proposals_table.c.not_before, reconcile_requests_table.c.asked_at)
            query = query.select_from(_WITH_PROPOSALS).where(due < self._clock() - overdue)
        with self._database.open_read_transaction() as connection:
            rows = connection.execute(query.distinct())
            return tuple(Proposal(row.mapping, row.branch) for row in rows)

    def record_outcome(
        self, proposal: Proposal, settled: Sequence[PendingReconcile], outcome: ReconcileOutcome
    ) -> None:
        """Record what came of these looks, on them, on their deliveries and on the proposal."""
        now = self._clock()
        rows = [build_settled_row(proposal, pending, outcome) | {"now": now} for pending in settled]
        with self._database.open_transaction() as connection:
            if rows:
                connection.execute(SETTLE_LOOK, rows)
            self._record(connection, proposal, outcome, now)
            waiting = frozenset(pending.target for pending in _waiting(connection, proposal))
            asked = [(pending.target, pending.delivery_id) for pending in settled]
            self.target_statuses.record_outcome(connection, proposal, asked, outcome, waiting, now)
            self._close_deliveries(
                connection, {pending.delivery_id for pending in settled} - {""}, now
            )

    def _record(
        self, connection: Connection, proposal: Proposal, outcome: ReconcileOutcome, now: datetime
    ) -> None:
        values = {
            "kind": outcome.kind,
            "reason": outcome.reason,
            "pull_request": outcome.pull_request,
            "number": outcome.number,
            "commit_name": outcome.commit,
            "attempts": 0,
            "not_before": None,
            "changed_at": now,
        }
        if outcome.kind is ReconcileOutcomeKind.PARKED:
            attempts = _attempts(connection, proposal) + 1
            pause = timedelta(seconds=calculate_parked_pause(attempts))
            values |= {"attempts": attempts, "not_before": now + pause}
        self._write_down(connection, proposal, values)

    def _write_down(self, connection: Connection, proposal: Proposal, values: _Values) -> None:
        insert = self._database.build_insert(proposals_table).values(
            mapping=proposal.mapping, branch=proposal.branch, **values
        )
        connection.execute(
            insert.on_conflict_do_update(index_elements=["mapping", "branch"], set_=values)
        )
        release_reservation(connection, proposal)

    def mark_dispatched(self, ids: Collection[str]) -> None:
        """Note of new deliveries that every look they ask for has been asked. Looks may have been
        quicker than this: then they are done already."""
        now, new = self._clock(), deliveries_table.c.state == DeliveryState.NEW
        values = {"state": DeliveryState.DISPATCHED, "outcome": None, "changed_at": now}
        open_ = (
            reconcile_requests_table.c.delivery_id.in_(ids),
            reconcile_requests_table.c.settled_at.is_(None),
        )
        with self._database.open_transaction() as connection:
            connection.execute(
                update(deliveries_table).where(deliveries_table.c.id.in_(ids), new).values(values)
            )
            waiting = connection.execute(
                select(reconcile_requests_table.c.delivery_id).where(*open_)
            ).scalars()
            self._close_deliveries(connection, set(ids) - set(waiting), now)

    def _close_deliveries(self, connection: Connection, ids: set[str], now: datetime) -> None:
        """A delivery is done when every look it asked for is settled. One that is new, or new
        again, has not asked for all of them yet."""
        for delivery_id in sorted(ids):
            # Two that settle its last looks at once must not each find the other's look still open.
            mine = select(deliveries_table.c.id).where(deliveries_table.c.id == delivery_id)
            connection.execute(mine.with_for_update())
            rows = connection.execute(
                select(
                    reconcile_requests_table.c.kind,
                    reconcile_requests_table.c.reason,
                    reconcile_requests_table.c.settled_at,
                ).where(reconcile_requests_table.c.delivery_id == delivery_id)
            ).all()
            if any(row.settled_at is None for row in rows):
                continue
            parked = any(row.kind == ReconcileOutcomeKind.PARKED for row in rows)
            words = "; ".join(dict.fromkeys(f"{row.kind}: {row.reason}" for row in rows))
            connection.execute(
                update(deliveries_table)
                .where(
                    deliveries_table.c.id == delivery_id,
                    deliveries_table.c.state != DeliveryState.NEW,
                )
                .values(
                    state=DeliveryState.PARKED if parked else DeliveryState.DONE,
                    outcome=words,
                    changed_at=now,
                )
            )

    def postpone(self, proposal: Proposal, reason: str, retry_after: float | None) -> float:
        """Note that a proposal waits and why. Returns for how many seconds: growing from look to
        look, and never less than ``retry_after``."""
        return self._postpone(proposal, reason, retry_after, tries=1)

    def postpone_without_attempt(self, proposal: Proposal, reason: str, seconds: float) -> float:
        """Note that a proposal waits so long for others and why. Nothing was tried for it, so it
        does not wait for longer the next time. Returns the seconds."""
        return self._postpone(proposal, reason, seconds, tries=0)

    def _postpone(
        self, proposal: Proposal, reason: str, retry_after: float | None, tries: int
    ) -> float:
        now = self._clock()
        with self._database.open_transaction() as connection:
            attempts = tries + _attempts(connection, proposal)
            pause = compute_backoff_delay(attempts * tries, retry_after)
            values = {
                "kind": ReconcileOutcomeKind.WAITING,
                "reason": reason,
                "attempts": attempts,
                "not_before": now + timedelta(seconds=pause),
                "changed_at": now,
            }
            self._write_down(connection, proposal, values)
            self.target_statuses.record_postponed(connection, proposal, reason)
        return pause

    def attempts(self, proposal: Proposal) -> int:
        """How often a proposal was tried in vain since something last came of it."""
        with self._database.open_read_transaction() as connection:
            return _attempts(connection, proposal)

    def due_retries(self) -> tuple[ReconcileRequest, ...]:
        """The looks at what is parked, where the pause after that is over."""
        with self._database.open_read_transaction() as connection:
            return tuple(
                ReconcileRequest(
                    Proposal(row.mapping, row.branch), Target(row.mapping, row.prompt_id, row.label)
                )
                for row in connection.execute(find_due_retries(self._clock()))
            )

    def find_latest_outcome(self, proposal: Proposal) -> LatestOutcome | None:
        """The last word on a proposal."""
        found = self._standings(*_of(proposals_table, proposal))
        return found[0] if found else None

    def find_stuck(self, prompt: int | str | None = None) -> tuple[LatestOutcome, ...]:
        """The proposals that wait or are parked, by mapping and branch: all, or those of the
        ``prompt`` with this id (int) or name (str)."""
        stuck = proposals_table.c.kind.in_(
            [ReconcileOutcomeKind.WAITING, ReconcileOutcomeKind.PARKED]
        )
        if prompt is None:
            return self._standings(stuck)
        proposal = tuple_(proposals_table.c.mapping, proposals_table.c.branch)
        return self._standings(stuck, proposal.in_(select_proposals_of_prompt(prompt)))

    def _standings(self, *conditions: ColumnElement[bool]) -> tuple[LatestOutcome, ...]:
        query = select(proposals_table).where(*conditions)
        query = query.order_by(proposals_table.c.mapping, proposals_table.c.branch)
        with self._database.open_read_transaction() as connection:
            return tuple(
                LatestOutcome(
                    Proposal(row.mapping, row.branch),
                    ReconcileOutcomeKind(row.kind),
                    row.reason,
                    row.pull_request,
                    row.changed_at,
                )
                for row in connection.execute(query)
            )

    def find_reconciles_of_delivery(self, delivery_id: str) -> tuple[SettledReconcile, ...]:
        """What came of one delivery."""
        query = (
            select(reconcile_requests_table, proposals_table.c.pull_request)
            .select_from(_WITH_PROPOSALS)
            .where(reconcile_requests_table.c.delivery_id == delivery_id)
            .order_by(
                reconcile_requests_table.c.mapping,
                reconcile_requests_table.c.branch,
                reconcile_requests_table.c.label,
            )
        )
        with self._database.open_read_transaction() as connection:
            return tuple(
                SettledReconcile(
                    Proposal(row.mapping, row.branch),
                    Target(row.mapping, row.prompt_id, row.label),
                    row.kind,
                    row.reason,
                    row.pull_request,
                )
                for row in connection.execute(query)
            )


_WITH_PROPOSALS = reconcile_requests_table.outerjoin(
    proposals_table,
    and_(
        reconcile_requests_table.c.mapping == proposals_table.c.mapping,
        reconcile_requests_table.c.branch == proposals_table.c.branch,
    ),
)


def _waiting(connection: Connection, proposal: Proposal) -> tuple[PendingReconcile, ...]:
    query = (
        select(
            reconcile_requests_table.c.prompt_id,
            reconcile_requests_table.c.label,
            reconcile_requests_table.c.delivery_id,
            reconcile_requests_table.c.asked_at,
        )
        .where(
            *_of(reconcile_requests_table, proposal),
            reconcile_requests_table.c.settled_at.is_(None),
        )
        .order_by(
            reconcile_requests_table.c.asked_at,
            reconcile_requests_table.c.prompt_id,
            reconcile_requests_table.c.label,
        )
    )
    return tuple(
        PendingReconcile(
            Target(proposal.mapping, row.prompt_id, row.label), row.delivery_id, row.asked_at
        )
        for row in connection.execute(query)
    )


def _attempts(connection: Connection, proposal: Proposal) -> int:
    query = select(proposals_table.c.attempts).where(*_of(proposals_table, proposal))
    return connection.execute(query).scalar() or 0


def _of(table: Table, proposal: Proposal) -> tuple[ColumnElement[bool], ...]:
    return (table.c.mapping == proposal.mapping, table.c.branch == proposal.branch)
