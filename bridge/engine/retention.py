"""Delete rows that are older than ``keep``, after their day is summed up.

Some rows stay at any age: pending deliveries, the last reconcile of each target, and the last events
of each label, which show whether an approval is pending. SQLite reuses the freed pages; its file does
not shrink (https://www.sqlite.org/lang_vacuum.html).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from bridge.engine.evaluation_store import EvaluationStore
from bridge.status.daily_sums import DailySumStore, find_final_before
from bridge.status.history_events import HistoryEventKind
from bridge.status.problems import ProblemRecords
from bridge.status.tables import (
    audit_entries_table,
    history_events_table,
    target_statuses_table,
)
from bridge.status.target_status_store import TargetStatusStore
from bridge.storage.database import Database
from bridge.storage.inbox import Clock, DeliveryState, deliveries_table
from bridge.storage.reconcile_tables import (
    proposals_table,
    reconcile_requests_table,
    repository_jobs_table,
)

InterruptibleWait = Callable[[float], bool]  # waits so many seconds; returns whether to stop

_AT_ONCE = 200  # rows in one transaction: some milliseconds
_BETWEEN = 0.02  # seconds between two transactions, in which others may write
_UNKNOWN_MAPPING_AGE = timedelta(
    minutes=15
)  # another process may know a mapping that this one does not
_KEPT_LABEL_EVENTS = 3  # a request for approval, the move, and the answer
_KEPT_EVENTS = 10  # of each prompt
_SETTLED = (DeliveryState.DONE, DeliveryState.IGNORED, DeliveryState.PARKED)


@dataclass
class DeletedRowCounts:
    """How many rows were deleted."""

    deliveries: int = 0
    reconcile_requests: int = 0
    history_events: int = 0
    audit_entries: int = 0
    of_removed_mappings: int = 0

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def __str__(self) -> str:
        return (
            f"{self.deliveries} deliveries, {self.reconcile_requests} looks and {self.history_events} moments,"
            f" {self.audit_entries} entries of the audit list,"
            f" {self.of_removed_mappings} rows of mappings that are gone"
        )


class RetentionPruner:
    """Prune the tables of one database. ``keep`` is the age from which settled rows are deleted.
    Today and the two days before always stay, as their sums may still change."""

    def __init__(self, database: Database, clock: Clock, keep: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._keep = keep

    def prune(self, mappings: Collection[str], rest: InterruptibleWait) -> DeletedRowCounts:
        """Sum up past days, then delete old rows, a few hundred in each transaction. ``mappings`` are
        the configured ones. Ends early when ``rest`` returns True; the next call continues. Raises
        UnavailableError when the database does not answer."""
        now, gone = self._clock(), DeletedRowCounts()
        DailySumStore(self._database).sum_up_past_days(now)
        before = min(now - self._keep, find_final_before(now))
        TargetStatusStore(self._database).delete_unconfigured(mappings, now - _UNKNOWN_MAPPING_AGE)
        ProblemRecords(self._database, self._clock).forget(mappings, before)
        EvaluationStore(self._database, self._clock).prune(mappings, before)
        for rows in self._slices(_select_old_deliveries(before), deliveries_table, rest):
            self._delete_deliveries([row.id for row in rows], before, gone)
        for kind in HistoryEventKind:
            for rows in self._slices(_select_old_events(before, kind), history_events_table, rest):
                gone.history_events += self._delete(history_events_table, [row.id for row in rows])
        too_old = audit_entries_table.c.at < before
        gone.audit_entries += self._delete_all(audit_entries_table, too_old, rest)
        for table, time in (
            (reconcile_requests_table, reconcile_requests_table.c.settled_at),
            (proposals_table, proposals_table.c.changed_at),
        ):
            for name in set(self._list_mappings_in(table)) - set(mappings):
                which = and_(table.c.mapping == name, time < before)
                gone.of_removed_mappings += self._delete_all(table, which, rest)
        return gone

    def _slices(
        self, old: Select[Any], table: Table, rest: InterruptibleWait
    ) -> Iterator[Sequence[Row[Any]]]:
        """The deletable of the old rows, the oldest first. A row that has to stay is read once."""
        time = old.selected_columns[0]
        after: tuple[Any, Any] | None = None
        while True:
            query = old.order_by(time, table.c.id).limit(_AT_ONCE)
            if after is not None:
                query = query.where(
                    tuple_(time, table.c.id) > tuple_(*map(_bound, (time, table.c.id), after))
                )
            with self._database.open_read_transaction() as connection:
                rows = connection.execute(query).all()
            if rows:
                yield [row for row in rows if row.may_go]
            if len(rows) < _AT_ONCE or rest(_BETWEEN):
                return
            after = (rows[-1][0], rows[-1].id)

    def _delete_deliveries(
        self, ids: Sequence[str], before: datetime, gone: DeletedRowCounts
    ) -> None:
        """Delete deliveries that are still settled, with their reconciles and repository jobs."""
        if not ids:
            return
        with self._database.open_transaction() as connection:
            chosen = delete(deliveries_table).where(
                deliveries_table.c.id.in_(ids), deliveries_table.c.state.in_(_SETTLED)
            )
            went = list(connection.execute(chosen.returning(deliveries_table.c.id)).scalars())
            gone.deliveries += len(went)
            gone.reconcile_requests += _delete_old_requests(connection, went, before)
            connection.execute(
                delete(repository_jobs_table).where(repository_jobs_table.c.delivery_id.in_(went))
            )

    def _delete(self, table: Table, ids: Sequence[Any]) -> int:
        if not ids:
            return 0
        with self._database.open_transaction() as connection:
            return connection.execute(delete(table).where(table.c.id.in_(ids))).rowcount

    def _delete_all(self, table: Table, which: ColumnElement[bool], rest: InterruptibleWait) -> int:
        key = tuple_(*table.primary_key.columns)
        some = select(*table.primary_key.columns).where(which).limit(_AT_ONCE)
        went = 0
        while True:
            with self._database.open_transaction() as connection:
                found = connection.execute(delete(table).where(key.in_(some))).rowcount
            went += found
            if found < _AT_ONCE or rest(_BETWEEN):
                return went

    def _list_mappings_in(self, table: Table) -> Iterator[str]:
        """The distinct mappings of a table, each found by the index."""
        found: str | None = ""
        while True:
            query = select(func.min(table.c.mapping)).where(table.c.mapping > found)
            with self._database.open_read_transaction() as connection:
                found = connection.execute(query).scalar()
            if found is None:
                return
            yield found


def _select_old_deliveries(before: datetime) -> Select[Any]:
    at, label = deliveries_table.c.received_at, deliveries_table.c.label
    same = (deliveries_table.c.workspace_id, deliveries_table.c.prompt_id, label)
    last = _newest(deliveries_table.c.occurred_at, same, _KEPT_LABEL_EVENTS)
    stays = and_(
        label.is_not(None),
        deliveries_table.c.workspace_id.is_not(None),  # else an operator asked for the reconcile
        or_(last.is_(None), deliveries_table.c.occurred_at >= last),
    )
    may_go = and_(deliveries_table.c.state.in_(_SETTLED), ~stays)
    return select(at, deliveries_table.c.id, may_go.label("may_go")).where(at < before)


def _select_old_events(before: datetime, kind: HistoryEventKind) -> Select[Any]:
    """Select old history events. The last ten of a prompt stay while any mapping follows it."""
    at, same = (
        history_events_table.c.at,
        (history_events_table.c.mapping, history_events_table.c.prompt_id),
    )
    last = _newest(at, same, _KEPT_EVENTS)
    followed = exists().where(
        target_statuses_table.c.mapping == history_events_table.c.mapping,
        target_statuses_table.c.prompt_id == history_events_table.c.prompt_id,
    )
    may_go = or_(and_(last.is_not(None), at < last), ~followed)
    query = select(at, history_events_table.c.id, may_go.label("may_go"))
    return query.where(history_events_table.c.kind == kind, at < before)


def _newest(
    time: Column[datetime], same: Sequence[Column[Any]], number: int
) -> ColumnElement[datetime | None]:
    """The time of the ``number``-th newest row with the ``same`` columns; null where there are
    fewer."""
    others = time.table.alias("others")
    return (
        select(others.c[time.name])
        .where(*(others.c[column.name] == column for column in same))
        .order_by(others.c[time.name].desc())
        .limit(1)
        .offset(number - 1)
        .scalar_subquery()
    )


def _delete_old_requests(connection: Connection, asked_by: Sequence[str], before: datetime) -> int:
    """Delete the old reconciles of these deliveries' targets, except the last of each target, which
    says which targets a proposal has."""
    key = (
        reconcile_requests_table.c.mapping,
        reconcile_requests_table.c.branch,
        reconcile_requests_table.c.prompt_id,
        reconcile_requests_table.c.label,
    )
    targets = select(*key).where(reconcile_requests_table.c.delivery_id.in_(asked_by)).distinct()
    rows = [row._asdict() for row in connection.execute(targets)]
    return sum(
        connection.execute(_DELETE_OLD_REQUESTS, _named(row, before)).rowcount for row in rows
    )


def _named(row: dict[str, Any], before: datetime) -> dict[str, Any]:
    return {f"of_{name}": value for name, value in row.items()} | {"before": before}


def _bound(column: ColumnElement[Any], value: Any) -> ColumnElement[Any]:
    return bindparam(None, value, type_=column.type)


def _same_target(table: Any) -> tuple[ColumnElement[bool], ...]:
    names = ("mapping", "branch", "prompt_id", "label")
    return tuple(table.c[name] == bindparam(f"of_{name}") for name in names)


_others = reconcile_requests_table.alias("others")
_DELETE_OLD_REQUESTS = delete(reconcile_requests_table).where(
    *_same_target(reconcile_requests_table),
    reconcile_requests_table.c.settled_at < bindparam("before"),
    reconcile_requests_table.c.asked_at
    < select(func.max(_others.c.asked_at)).where(*_same_target(_others)).scalar_subquery(),
)
