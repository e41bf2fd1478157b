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

from bridge.books.moments import Told, note
from bridge.books.problems import Problems
from bridge.books.standings import Standings, proposals_of
from bridge.engine.errand_records import ErrandRecords
from bridge.engine.look_rows import SETTLE_LOOK, due_retries, parked_pause, settled_row
from bridge.engine.room import give_back
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.database import Database
from bridge.storage.inbox import Clock, DeliveryState, deliveries
from bridge.storage.ledger_tables import looks, proposals
from bridge.storage.restraint import growing_pause

_Values = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """One look that is asked for, and the delivery that asks, if one does."""

    proposal: Proposal
    target: Target
    delivery_id: str = ""
    name: str = ""  # the prompt's, where it is known


@dataclass(frozen=True)
class WaitingLook:
    """``asked_at`` tells it from the same look asked for again while somebody is looking."""

    target: Target
    delivery_id: str
    asked_at: datetime


@dataclass(frozen=True)
class SettledLook:
    """One look as ``deliveries show`` tells it."""

    proposal: Proposal
    target: Target
    kind: str | None  # None: still waiting
    reason: str | None
    pull_request: str | None


@dataclass(frozen=True)
class Standing:
    """The last word on one proposal."""

    proposal: Proposal
    kind: OutcomeKind
    reason: str
    pull_request: str | None
    changed_at: datetime


class Ledger:
    """Bookkeeping over one database. Safe for threads and for several processes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.standings = Standings(database)
        self.problems = Problems(database, clock)
        self.errands = ErrandRecords(database, clock)

    def ask(self, asks: Iterable[Ask], moments: Told | None = None) -> None:
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
        with self._database.transaction() as connection:
            if rows:
                connection.execute(self._upsert_look(), rows)
            self.standings.asked(connection, named, now)
            note(connection, self._database, moments or {})

    def _upsert_look(self) -> postgresql.Insert | sqlite.Insert:
        insert = self._database.insert(looks)
        again = {"asked_at": insert.excluded.asked_at, "settled_at": None, "kind": None}
        return insert.on_conflict_do_update(
            index_elements=["mapping", "branch", "prompt_id", "label", "delivery_id"], set_=again
        )

    def waiting(self, proposal: Proposal) -> tuple[WaitingLook, ...]:
        """The looks that nobody has settled, the oldest first."""
        with self._database.reading() as connection:
            return _waiting(connection, proposal)

    def targets_of(self, proposal: Proposal) -> tuple[Target, ...]:
        """The targets that were ever looked at for a proposal."""
        query = select(looks.c.prompt_id, looks.c.label).where(*_of(looks, proposal)).distinct()
        with self._database.reading() as connection:
            return tuple(
                Target(proposal.mapping, row.prompt_id, row.label)
                for row in connection.execute(query)
            )

    def waiting_proposals(self, overdue: timedelta | None = None) -> tuple[Proposal, ...]:
        """Every proposal with looks that nobody has settled; or those only that should have been
        looked at so long ago."""
        query = select(looks.c.mapping, looks.c.branch).where(looks.c.settled_at.is_(None))
        if overdue is not None:
            due = func.coalesce(proposals.c.not_before, looks.c.asked_at)
            query = query.select_from(_WITH_PROPOSALS).where(due < self._clock() - overdue)
        with self._database.reading() as connection:
            rows = connection.execute(query.distinct())
            return tuple(Proposal(row.mapping, row.branch) for row in rows)

    def settle(self, proposal: Proposal, settled: Sequence[WaitingLook], outcome: Outcome) -> None:
        """Record what came of these looks, on them, on their deliveries and on the proposal."""
        now = self._clock()
        rows = [settled_row(proposal, look, outcome) | {"now": now} for look in settled]
        with self._database.transaction() as connection:
            if rows:
                connection.execute(SETTLE_LOOK, rows)
            self._record(connection, proposal, outcome, now)
            waiting = frozenset(look.target for look in _waiting(connection, proposal))
            asked = [(look.target, look.delivery_id) for look in settled]
            self.standings.settled(connection, proposal, asked, outcome, waiting, now)
            self._close_deliveries(connection, {look.delivery_id for look in settled} - {""}, now)

    def _record(
        self, connection: Connection, proposal: Proposal, outcome: Outcome, now: datetime
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
        if outcome.kind is OutcomeKind.PARKED:
            attempts = _attempts(connection, proposal) + 1
            pause = timedelta(seconds=parked_pause(attempts))
            values |= {"attempts": attempts, "not_before": now + pause}
        self._write_down(connection, proposal, values)

    def _write_down(self, connection: Connection, proposal: Proposal, values: _Values) -> None:
        insert = self._database.insert(proposals).values(
            mapping=proposal.mapping, branch=proposal.branch, **values
        )
        connection.execute(
            insert.on_conflict_do_update(index_elements=["mapping", "branch"], set_=values)
        )
        give_back(connection, proposal)

    def dispatched(self, ids: Collection[str]) -> None:
        """Note of new deliveries that every look they ask for has been asked. Looks may have been
        quicker than this: then they are done already."""
        now, new = self._clock(), deliveries.c.state == DeliveryState.NEW
        values = {"state": DeliveryState.DISPATCHED, "outcome": None, "changed_at": now}
        open_ = looks.c.delivery_id.in_(ids), looks.c.settled_at.is_(None)
        with self._database.transaction() as connection:
            connection.execute(
                update(deliveries).where(deliveries.c.id.in_(ids), new).values(values)
            )
            waiting = connection.execute(select(looks.c.delivery_id).where(*open_)).scalars()
            self._close_deliveries(connection, set(ids) - set(waiting), now)

    def _close_deliveries(self, connection: Connection, ids: set[str], now: datetime) -> None:
        """A delivery is done when every look it asked for is settled. One that is new, or new
        again, has not asked for all of them yet."""
        for delivery_id in sorted(ids):
            # Two that settle its last looks at once must not each find the other's look still open.
            mine = select(deliveries.c.id).where(deliveries.c.id == delivery_id)
            connection.execute(mine.with_for_update())
            rows = connection.execute(
                select(looks.c.kind, looks.c.reason, looks.c.settled_at).where(
                    looks.c.delivery_id == delivery_id
                )
            ).all()
            if any(row.settled_at is None for row in rows):
                continue
            parked = any(row.kind == OutcomeKind.PARKED for row in rows)
            words = "; ".join(dict.fromkeys(f"{row.kind}: {row.reason}" for row in rows))
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == delivery_id, deliveries.c.state != DeliveryState.NEW)
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

    def hold(self, proposal: Proposal, reason: str, seconds: float) -> float:
        """Note that a proposal waits so long for others and why. Nothing was tried for it, so it
        does not wait for longer the next time. Returns the seconds."""
        return self._postpone(proposal, reason, seconds, tries=0)

    def _postpone(
        self, proposal: Proposal, reason: str, retry_after: float | None, tries: int
    ) -> float:
        now = self._clock()
        with self._database.transaction() as connection:
            attempts = tries + _attempts(connection, proposal)
            pause = growing_pause(attempts * tries, retry_after)
            values = {
                "kind": OutcomeKind.WAITING,
                "reason": reason,
                "attempts": attempts,
                "not_before": now + timedelta(seconds=pause),
                "changed_at": now,
            }
            self._write_down(connection, proposal, values)
            self.standings.postponed(connection, proposal, reason)
        return pause

    def attempts(self, proposal: Proposal) -> int:
        """How often a proposal was tried in vain since something last came of it."""
        with self._database.reading() as connection:
            return _attempts(connection, proposal)

    def due_retries(self) -> tuple[Ask, ...]:
        """The looks at what is parked, where the pause after that is over."""
        with self._database.reading() as connection:
            return tuple(
                Ask(
                    Proposal(row.mapping, row.branch), Target(row.mapping, row.prompt_id, row.label)
                )
                for row in connection.execute(due_retries(self._clock()))
            )

    def standing(self, proposal: Proposal) -> Standing | None:
        """The last word on a proposal."""
        found = self._standings(*_of(proposals, proposal))
        return found[0] if found else None

    def stuck(self, prompt: int | str | None = None) -> tuple[Standing, ...]:
        """The proposals that wait or are parked, by mapping and branch: all, or those of the
        ``prompt`` with this id (int) or name (str)."""
        stuck = proposals.c.kind.in_([OutcomeKind.WAITING, OutcomeKind.PARKED])
        if prompt is None:
            return self._standings(stuck)
        proposal = tuple_(proposals.c.mapping, proposals.c.branch)
        return self._standings(stuck, proposal.in_(proposals_of(prompt)))

    def _standings(self, *conditions: ColumnElement[bool]) -> tuple[Standing, ...]:
        query = select(proposals).where(*conditions)
        query = query.order_by(proposals.c.mapping, proposals.c.branch)
        with self._database.reading() as connection:
            return tuple(
                Standing(
                    Proposal(row.mapping, row.branch),
                    OutcomeKind(row.kind),
                    row.reason,
                    row.pull_request,
                    row.changed_at,
                )
                for row in connection.execute(query)
            )

    def looks_of(self, delivery_id: str) -> tuple[SettledLook, ...]:
        """What came of one delivery."""
        query = (
            select(looks, proposals.c.pull_request)
            .select_from(_WITH_PROPOSALS)
            .where(looks.c.delivery_id == delivery_id)
            .order_by(looks.c.mapping, looks.c.branch, looks.c.label)
        )
        with self._database.reading() as connection:
            return tuple(
                SettledLook(
                    Proposal(row.mapping, row.branch),
                    Target(row.mapping, row.prompt_id, row.label),
                    row.kind,
                    row.reason,
                    row.pull_request,
                )
                for row in connection.execute(query)
            )


_WITH_PROPOSALS = looks.outerjoin(
    proposals, and_(looks.c.mapping == proposals.c.mapping, looks.c.branch == proposals.c.branch)
)


def _waiting(connection: Connection, proposal: Proposal) -> tuple[WaitingLook, ...]:
    query = (
        select(looks.c.prompt_id, looks.c.label, looks.c.delivery_id, looks.c.asked_at)
        .where(*_of(looks, proposal), looks.c.settled_at.is_(None))
        .order_by(looks.c.asked_at, looks.c.prompt_id, looks.c.label)
    )
    return tuple(
        WaitingLook(
            Target(proposal.mapping, row.prompt_id, row.label), row.delivery_id, row.asked_at
        )
        for row in connection.execute(query)
    )


def _attempts(connection: Connection, proposal: Proposal) -> int:
    query = select(proposals.c.attempts).where(*_of(proposals, proposal))
    return connection.execute(query).scalar() or 0


def _of(table: Table, proposal: Proposal) -> tuple[ColumnElement[bool], ...]:
    return (table.c.mapping == proposal.mapping, table.c.branch == proposal.branch)
