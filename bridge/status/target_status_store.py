"""Write the status of every target, and its history. ``ReconcileStore`` calls this within its own
transactions, so both always agree."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, case, delete, func, select, update

from bridge.promptlayer.workspace_source import PROMPTLAYER_SOURCE
from bridge.prompts.planning.outcome import ReconcileOutcome
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Proposal, Target
from bridge.status.history_events import index_by_event_id, store_history_events
from bridge.status.tables import resyncs_table, target_statuses_table
from bridge.status.target_differences import (
    delete_differences,
    delete_differences_of_other_mappings,
    record_differences,
)
from bridge.status.target_status import (
    OPEN_PULL_REQUEST,
    IdentifiedEvent,
    ReconcileResult,
    TargetStatus,
    build_reconcile_events,
    new_target_status,
    update_target_status,
)
from bridge.storage.database import Database
from bridge.storage.inbox import deliveries_table

RECONCILE_IS_DUE = "a look is due"

_KEY = ("mapping", "prompt_id", "label")
_AT_ONCE = 500  # rows in one statement

SlicedItem = TypeVar("SlicedItem")


class TargetStatusStore:
    """The statuses of one database. Methods that take a connection run in the caller's
    transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_requested(
        self, connection: Connection, asked: Iterable[tuple[Proposal, Target, str]], now: datetime
    ) -> None:
        """Record that reconciles are pending, with the prompt's name where it is known."""
        rows = {
            target: {
                "mapping": target.mapping,
                "prompt_id": target.prompt_id,
                "label": target.label,
                "name": name,
                "searched": name.casefold(),
                "branch": proposal.branch,
                "state": TargetState.WAITING,
                "reason": RECONCILE_IS_DUE,
                "since": now,
                "seen_at": now,
            }
            for proposal, target, name in asked
        }
        if rows:
            ordered = [rows[target] for target in sorted(rows)]
            connection.execute(self._upsert_asked(), ordered)

    def _upsert_asked(self) -> Any:
        insert = self._database.build_insert(target_statuses_table)
        there, new = target_statuses_table.c, insert.excluded
        return insert.on_conflict_do_update(
            index_elements=_KEY,
            set_={
                "branch": new.branch,
                "name": case((new.name == "", there.name), else_=new.name),
                "searched": case((new.searched == "", there.searched), else_=new.searched),
                "reason": case(
                    (there.state == TargetState.WAITING, there.reason), else_=new.reason
                ),
                "since": case((there.state == TargetState.WAITING, there.since), else_=new.since),
                "state": TargetState.WAITING,
            },
        )

    def record_postponed(self, connection: Connection, proposal: Proposal, reason: str) -> None:
        """Record why the reconciles of a proposal wait."""
        connection.execute(
            update(target_statuses_table)
            .where(
                target_statuses_table.c.mapping == proposal.mapping,
                target_statuses_table.c.branch == proposal.branch,
                target_statuses_table.c.state == TargetState.WAITING,
                target_statuses_table.c.reason != reason,
            )
            .values(reason=reason)
        )

    def record_outcome(
        self,
        connection: Connection,
        proposal: Proposal,
        asked: Sequence[tuple[Target, str]],
        outcome: ReconcileOutcome,
        waiting: frozenset[Target],
        now: datetime,
    ) -> None:
        """Record the outcome of a reconcile. ``asked`` are targets with the deliveries that asked,
        oldest first; ``waiting`` are targets with another pending reconcile."""
        results = self._build_results(connection, proposal, asked, outcome, now)
        before = self.find_by_targets(connection, [result.target for result in results])
        events: list[IdentifiedEvent] = []
        after: list[TargetStatus] = []
        gone: list[Target] = []
        for result in results:
            status = before.get(result.target)
            new = update_target_status(status, result)
            events += build_reconcile_events(status, new, result)
            if new is None:
                gone.append(result.target)
            elif new is not status:
                after.append(new)
        self.write_statuses(connection, after, waiting)
        record_differences(connection, self._database, results)
        self.delete_targets(connection, gone)
        store_history_events(connection, self._database, index_by_event_id(events))

    @staticmethod
    def _build_results(
        connection: Connection,
        proposal: Proposal,
        asked: Sequence[tuple[Target, str]],
        outcome: ReconcileOutcome,
        now: datetime,
    ) -> list[ReconcileResult]:
        newest = {target: id for target, id in asked if id}
        arrived = _first_arrival(connection, {id for _, id in asked if id})
        targets = dict.fromkeys([*(target for target, _ in asked), *outcome.observation_by_target])
        return [
            ReconcileResult(proposal, target, outcome, now, newest.get(target), arrived)
            for target in targets
        ]

    def write_statuses(
        self,
        connection: Connection,
        entries: Iterable[TargetStatus],
        waiting: frozenset[Target] = frozenset(),
        seen_before: datetime | None = None,
    ) -> None:
        """Write statuses; with ``seen_before``, only over those that were observed before it."""
        rows = [
            _row(status, waits=status.target in waiting)
            for status in sorted(entries, key=lambda status: status.target)
        ]
        insert = self._database.build_insert(target_statuses_table)
        names = [column.name for column in target_statuses_table.c if column.name not in _KEY]
        values = {name: insert.excluded[name] for name in names}
        # In the statement itself, as a reconcile may write the same row at the same time.
        where = None if seen_before is None else target_statuses_table.c.seen_at < seen_before
        if rows:
            connection.execute(
                insert.on_conflict_do_update(index_elements=_KEY, set_=values, where=where), rows
            )

    def apply_scan(
        self, changed: Sequence[TargetStatus], gone: Sequence[Target], started: datetime
    ) -> None:
        """Write the findings of a scan, 500 rows in each transaction, so that other writers wait
        briefly. A status that was observed after ``started``, when the scan read its sources,
        stays."""
        for some in _slices(changed):
            with self._database.open_transaction() as connection:
                self.write_statuses(connection, some, seen_before=started)
                equal = [one.target for one in some if one.state is TargetState.IN_STEP]
                delete_differences(connection, equal, before=started)
        for targets in _slices(gone):
            with self._database.open_transaction() as connection:
                self.delete_targets(connection, targets, seen_before=started)

    def record_resync(
        self, mapping: str, at: datetime, seconds: float, counts: Mapping[str, int]
    ) -> None:
        """Record that a whole mapping was compared."""
        values = {"at": at, "seconds": seconds, **counts}
        insert = self._database.build_insert(resyncs_table).values(mapping=mapping, **values)
        with self._database.open_transaction() as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=["mapping"], set_=values)
            )

    def delete_unconfigured(self, mappings: Collection[str], before: datetime) -> None:
        """Delete the statuses of removed mappings that were last observed before ``before``."""
        with self._database.open_transaction() as connection:
            for table, seen_at in (
                (target_statuses_table, target_statuses_table.c.seen_at),
                (resyncs_table, resyncs_table.c.at),
            ):
                gone = table.c.mapping.not_in(list(mappings))
                connection.execute(delete(table).where(gone, seen_at < before))
            delete_differences_of_other_mappings(connection, mappings, before)

    def delete_targets(
        self,
        connection: Connection,
        targets: Iterable[Target],
        seen_before: datetime | None = None,
    ) -> None:
        """Delete the statuses of targets; with ``seen_before``, only of those last observed before
        it. Their history stays."""
        targets = sorted(targets)
        rows = [
            {"of_mapping": one.mapping, "of_prompt": one.prompt_id, "of_label": one.label}
            for one in targets
        ]
        older = () if seen_before is None else (target_statuses_table.c.seen_at < seen_before,)
        if rows:
            connection.execute(_REMOVE.where(*older), rows)
            delete_differences(connection, targets, seen_before)

    def find_by_targets(
        self, connection: Connection, targets: Iterable[Target]
    ) -> dict[Target, TargetStatus]:
        """The recorded statuses of these targets."""
        wanted = set(targets)
        prompts: dict[str, set[int]] = {}
        for target in wanted:
            prompts.setdefault(target.mapping, set()).add(target.prompt_id)
        found = (
            parse_target_status(row)
            for mapping, ids in prompts.items()
            for some in _slices(sorted(ids))
            for row in connection.execute(
                select(target_statuses_table).where(
                    target_statuses_table.c.mapping == mapping,
                    target_statuses_table.c.prompt_id.in_(some),
                )
            )
        )
        return {status.target: status for status in found if status.target in wanted}

    def find_by_mapping(self, mapping: str) -> dict[Target, TargetStatus]:
        """Every status of a mapping."""
        with self._database.open_read_transaction() as connection:
            rows = connection.execute(
                select(target_statuses_table).where(target_statuses_table.c.mapping == mapping)
            )
            return {status.target: status for status in map(parse_target_status, rows)}

    def read_by_targets(self, targets: Iterable[Target]) -> dict[Target, TargetStatus]:
        """The recorded statuses of these targets, read in a transaction of its own."""
        with self._database.open_read_transaction() as connection:
            return self.find_by_targets(connection, targets)

    def find_held(self, mapping: str) -> dict[Target, str]:
        """The held targets of a mapping, each with the reason."""
        query = select(target_statuses_table).where(
            target_statuses_table.c.mapping == mapping, target_statuses_table.c.held.is_not(None)
        )
        with self._database.open_read_transaction() as connection:
            statuses = [parse_target_status(row) for row in connection.execute(query)]
        return {status.target: status.held for status in statuses if status.held is not None}

    def release_targets(
        self, targets: Mapping[Target, str], fingerprint: str, now: datetime
    ) -> None:
        """Release unfollowed targets (with their prompts' names), so that the next reconcile
        proposes their removal: record this fingerprint as that of the selection that followed them,
        and hold them no longer."""
        for some in _slices(sorted(targets)):
            with self._database.open_transaction() as connection:
                entries = self.find_by_targets(connection, some)
                known = (
                    entries.get(t)
                    or new_target_status(t, "", TargetState.NOT_FOLLOWED, RECONCILE_IS_DUE, now)
                    for t in some
                )
                self.write_statuses(
                    connection,
                    [
                        replace(
                            status,
                            name=status.name or targets[status.target],
                            followed_as=fingerprint,
                            absent_since=status.absent_since or now,
                            held=None,
                        )
                        for status in known
                    ],
                )

    def find_by_pull_request(self, mapping: str, number: int) -> list[TargetStatus]:
        """The statuses whose newest pull request is this one."""
        query = select(target_statuses_table).where(
            target_statuses_table.c.mapping == mapping, target_statuses_table.c.number == number
        )
        with self._database.open_read_transaction() as connection:
            return [parse_target_status(row) for row in connection.execute(query)]

    def has_open_pull_request(self, mapping: str) -> bool:
        """Whether a pull request of the mapping is recorded as open."""
        rows = target_statuses_table.c
        query = (
            select(rows.number)
            .where(rows.mapping == mapping, rows.pull_request_state == OPEN_PULL_REQUEST)
            .limit(1)
        )
        with self._database.open_read_transaction() as connection:
            return connection.execute(query).first() is not None

    def find_by_state(self, state: TargetState, mapping: str | None = None) -> list[TargetStatus]:
        """The statuses in this state, of one mapping or of all."""
        query = select(target_statuses_table).where(target_statuses_table.c.state == state)
        if mapping is not None:
            query = query.where(target_statuses_table.c.mapping == mapping)
        with self._database.open_read_transaction() as connection:
            return [parse_target_status(row) for row in connection.execute(query)]


def select_proposals_of_prompt(prompt: int | str) -> Select[tuple[str, str]]:
    """The mappings and branches of one prompt's proposals, by its id (int) or name (str)."""
    named = (
        target_statuses_table.c.prompt_id
        if isinstance(prompt, int)
        else target_statuses_table.c.name
    )
    return select(target_statuses_table.c.mapping, target_statuses_table.c.branch).where(
        named == prompt
    )


def parse_target_status(row: Row[Any]) -> TargetStatus:
    columns = row._asdict()
    values = {field.name: columns[field.name] for field in fields(TargetStatus)}
    settled = values["settled_state"]
    return TargetStatus(
        **values
        | {
            "state": TargetState(values["state"]),
            "settled_state": TargetState(settled) if settled is not None else None,
        }
    )


def _row(status: TargetStatus, *, waits: bool) -> dict[str, Any]:
    row = vars(status) | {"searched": status.name.casefold()}
    return (
        row | {"state": TargetState.WAITING, "reason": RECONCILE_IS_DUE, "since": status.seen_at}
        if waits
        else row
    )


def _first_arrival(connection: Connection, ids: set[str]) -> datetime | None:
    """When the first of these deliveries was received, of those that PromptLayer sent."""
    query = select(func.min(deliveries_table.c.received_at)).where(
        deliveries_table.c.id.in_(sorted(ids)[:_AT_ONCE]),
        deliveries_table.c.source.startswith(PROMPTLAYER_SOURCE, autoescape=True),
    )
    found: datetime | None = connection.execute(query).scalar() if ids else None
    return found


def _slices(some: Iterable[SlicedItem]) -> Iterator[list[SlicedItem]]:
    rest = iter(some)
    while part := list(islice(rest, _AT_ONCE)):
        yield part


_REMOVE = delete(target_statuses_table).where(
    target_statuses_table.c.mapping == bindparam("of_mapping"),
    target_statuses_table.c.prompt_id == bindparam("of_prompt"),
    target_statuses_table.c.label == bindparam("of_label"),
)
