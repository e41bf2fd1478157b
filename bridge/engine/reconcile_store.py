"""Store the requested reconciles, and the outcome of each. Losing these rows loses no correctness: the
next resync requests every reconcile again, and the forge has the decisions about pull requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from bridge.engine.evaluation_store import EvaluationStore
from bridge.engine.pull_request_quota import release_reservation
from bridge.engine.reconcile_request_rows import (
    SETTLE_REQUEST,
    PendingReconcile,
    build_settled_row,
    calculate_parked_pause,
    select_due_retries,
)
from bridge.engine.repository_job_store import RepositoryJobStore
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.status.audit_log import AuditLog
from bridge.status.delivery_queries import RequestedReconcile, read_reconciles_of_delivery
from bridge.status.history_events import HistoryEventsById, store_history_events
from bridge.status.notification_store import NotificationStore
from bridge.status.problems import ProblemRecords
from bridge.status.target_status_store import TargetStatusStore, select_proposals_of_prompt
from bridge.storage.backoff import compute_backoff_delay
from bridge.storage.database import Database
from bridge.storage.inbox import Clock, DeliveryState, deliveries_table
from bridge.storage.reconcile_tables import (
    proposals_table,
    reconcile_requests_table,
    requests_with_proposals,
)

_Values = dict[str, Any]


@dataclass(frozen=True)
class ReconcileRequest:
    """A request to reconcile one target, and the delivery that asks for it."""

    proposal: Proposal
    target: Target
    delivery_id: str = ""  # "" for a request that no delivery asks for
    name: str = ""  # the prompt's; "" where it is unknown


@dataclass(frozen=True)
class LatestOutcome:
    """The newest outcome of one proposal."""

    proposal: Proposal
    kind: ReconcileOutcomeKind
    reason: str
    pull_request: str | None
    changed_at: datetime


class ReconcileStore:
    """The requested reconciles of one database. Safe for threads and for several processes. Every
    method raises UnavailableError when the database does not answer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.target_statuses = TargetStatusStore(database)
        self.problems = ProblemRecords(database, clock)
        self.audit = AuditLog(database, clock)
        self.repository_jobs = RepositoryJobStore(database, clock)
        self.notifications = NotificationStore(database)
        self.evaluations = EvaluationStore(database, clock)

    def request(
        self, requests: Iterable[ReconcileRequest], history: HistoryEventsById | None = None
    ) -> None:
        """Store requests for reconciles; a pending one is stored once. ``history`` are the events
        that led to them, written in the same transaction."""
        requests, now = list(requests), self._clock()
        rows = [
            {
                "mapping": request.proposal.mapping,
                "branch": request.proposal.branch,
                "prompt_id": request.target.prompt_id,
                "label": request.target.label,
                "delivery_id": request.delivery_id,
                "asked_at": now,
            }
            for request in requests
        ]
        if not (rows or history):
            return
        named = ((one.proposal, one.target, one.name) for one in requests)
        with self._database.open_transaction() as connection:
            if rows:
                connection.execute(self._upsert_request(), rows)
            self.target_statuses.record_requested(connection, named, now)
            store_history_events(connection, self._database, history or {})

    def _upsert_request(self) -> postgresql.Insert | sqlite.Insert:
        insert = self._database.build_insert(reconcile_requests_table)
        again = {"asked_at": insert.excluded.asked_at, "settled_at": None, "kind": None}
        return insert.on_conflict_do_update(
            index_elements=["mapping", "branch", "prompt_id", "label", "delivery_id"], set_=again
        )

    def find_pending(self, proposal: Proposal) -> tuple[PendingReconcile, ...]:
        """The unsettled reconciles of a proposal, the oldest first."""
        with self._database.open_read_transaction() as connection:
            return _find_pending(connection, proposal)

    def find_targets(self, proposal: Proposal) -> tuple[Target, ...]:
        """The targets of every recorded reconcile of a proposal."""
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
        """The proposals with unsettled reconciles; with ``overdue``, only those that were due so long
        ago."""
        query = select(reconcile_requests_table.c.mapping, reconcile_requests_table.c.branch).where(
            reconcile_requests_table.c.settled_at.is_(None)
        )
        if overdue is not None:
            due = func.coalesce(proposals_table.c.not_before, reconcile_requests_table.c.asked_at)
            query = query.select_from(requests_with_proposals).where(due < self._clock() - overdue)
        with self._database.open_read_transaction() as connection:
            rows = connection.execute(query.distinct())
            return tuple(Proposal(row.mapping, row.branch) for row in rows)

    def record_outcome(
        self, proposal: Proposal, settled: Sequence[PendingReconcile], outcome: ReconcileOutcome
    ) -> None:
        """Record the outcome of these reconciles: on their rows, their deliveries, the statuses of
        their targets, and the proposal."""
        now = self._clock()
        rows = [build_settled_row(proposal, pending, outcome) | {"now": now} for pending in settled]
        with self._database.open_transaction() as connection:
            if rows:
                connection.execute(SETTLE_REQUEST, rows)
            self._record(connection, proposal, outcome, now)
            waiting = frozenset(pending.target for pending in _find_pending(connection, proposal))
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
            "attempts": 0,
            "not_before": None,
            "changed_at": now,
        }
        if outcome.kind is ReconcileOutcomeKind.PARKED:
            attempts = _count_attempts(connection, proposal) + 1
            pause = timedelta(seconds=calculate_parked_pause(attempts))
            values |= {"attempts": attempts, "not_before": now + pause}
        else:  # one that is parked may have pushed
            values["commit_name"] = outcome.commit
        self._write(connection, proposal, values)

    def _write(self, connection: Connection, proposal: Proposal, values: _Values) -> None:
        insert = self._database.build_insert(proposals_table).values(
            mapping=proposal.mapping, branch=proposal.branch, **values
        )
        connection.execute(
            insert.on_conflict_do_update(index_elements=["mapping", "branch"], set_=values)
        )
        release_reservation(connection, proposal)

    def mark_dispatched(self, ids: Collection[str]) -> None:
        """Mark new deliveries as dispatched once all their reconciles are requested. A delivery whose
        reconciles are settled by then is marked as done."""
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
        """Mark deliveries as done, or parked, whose reconciles are all settled. A delivery that is new,
        or new again, has requests that are not stored yet, and stays so."""
        for delivery_id in sorted(ids):
            # Without the lock, two transactions that settle its last reconciles would each read the
            # other's as unsettled.
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
            message = "; ".join(dict.fromkeys(f"{row.kind}: {row.reason}" for row in rows))
            connection.execute(
                update(deliveries_table)
                .where(
                    deliveries_table.c.id == delivery_id,
                    deliveries_table.c.state != DeliveryState.NEW,
                )
                .values(
                    state=DeliveryState.PARKED if parked else DeliveryState.DONE,
                    outcome=message,
                    changed_at=now,
                )
            )

    def postpone(self, proposal: Proposal, reason: str, retry_after: float | None) -> float:
        """Record that a proposal waits, and why. Returns the seconds: they grow with each attempt,
        and are never less than ``retry_after``."""
        return self._postpone(proposal, reason, retry_after, tries=1)

    def postpone_without_attempt(self, proposal: Proposal, reason: str, seconds: float) -> float:
        """Record that a proposal waits for these seconds, and why, without counting an attempt.
        Returns the seconds."""
        return self._postpone(proposal, reason, seconds, tries=0)

    def _postpone(
        self, proposal: Proposal, reason: str, retry_after: float | None, tries: int
    ) -> float:
        now = self._clock()
        with self._database.open_transaction() as connection:
            attempts = tries + _count_attempts(connection, proposal)
            pause = compute_backoff_delay(attempts * tries, retry_after)
            values = {
                "kind": ReconcileOutcomeKind.WAITING,
                "reason": reason,
                "attempts": attempts,
                "not_before": now + timedelta(seconds=pause),
                "changed_at": now,
            }
            self._write(connection, proposal, values)
            self.target_statuses.record_postponed(connection, proposal, reason)
        return pause

    def count_attempts(self, proposal: Proposal) -> int:
        """The failed attempts of a proposal since its last outcome."""
        with self._database.open_read_transaction() as connection:
            return _count_attempts(connection, proposal)

    def list_due_retries(self) -> tuple[ReconcileRequest, ...]:
        """Requests for the parked reconciles whose pause is over."""
        with self._database.open_read_transaction() as connection:
            return tuple(
                ReconcileRequest(
                    Proposal(row.mapping, row.branch), Target(row.mapping, row.prompt_id, row.label)
                )
                for row in connection.execute(select_due_retries(self._clock()))
            )

    def record_commit(self, proposal: Proposal, commit: str) -> None:
        """Record the commit that is about to be pushed to a proposal's branch, before any webhook
        can name it."""
        insert = self._database.build_insert(proposals_table).values(
            mapping=proposal.mapping,
            branch=proposal.branch,
            kind=ReconcileOutcomeKind.WAITING,
            reason="The push of its branch has begun.",
            commit_name=commit,
            attempts=0,
            changed_at=self._clock(),
        )
        with self._database.open_transaction() as connection:
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["mapping", "branch"], set_={"commit_name": commit}
                )
            )

    def find_commit(self, proposal: Proposal) -> str | None:
        """The commit that the last reconcile pushed to a proposal's branch, or found there; None
        where there is none."""
        query = select(proposals_table.c.commit_name).where(*_of(proposals_table, proposal))
        with self._database.open_read_transaction() as connection:
            return connection.execute(query).scalar()

    def find_latest_outcome(self, proposal: Proposal) -> LatestOutcome | None:
        """The newest outcome of a proposal; None where there is none yet."""
        found = self._select_outcomes(*_of(proposals_table, proposal))
        return found[0] if found else None

    def find_stuck(self, prompt: int | str | None = None) -> tuple[LatestOutcome, ...]:
        """The proposals that wait or are parked, by mapping and branch: all, or those of the
        ``prompt`` with this id (int) or name (str)."""
        stuck = proposals_table.c.kind.in_(
            [ReconcileOutcomeKind.WAITING, ReconcileOutcomeKind.PARKED]
        )
        if prompt is None:
            return self._select_outcomes(stuck)
        proposal = tuple_(proposals_table.c.mapping, proposals_table.c.branch)
        return self._select_outcomes(stuck, proposal.in_(select_proposals_of_prompt(prompt)))

    def _select_outcomes(self, *conditions: ColumnElement[bool]) -> tuple[LatestOutcome, ...]:
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

    def find_reconciles_of_delivery(self, delivery_id: str) -> tuple[RequestedReconcile, ...]:
        """The reconciles that one delivery asked for, settled or not."""
        with self._database.open_read_transaction() as connection:
            return read_reconciles_of_delivery(connection, delivery_id)


def _find_pending(connection: Connection, proposal: Proposal) -> tuple[PendingReconcile, ...]:
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


def _count_attempts(connection: Connection, proposal: Proposal) -> int:
    query = select(proposals_table.c.attempts).where(*_of(proposals_table, proposal))
    return connection.execute(query).scalar() or 0


def _of(table: Table, proposal: Proposal) -> tuple[ColumnElement[bool], ...]:
    return (table.c.mapping == proposal.mapping, table.c.branch == proposal.branch)
