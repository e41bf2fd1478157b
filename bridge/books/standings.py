"""Write down how every target stands, and its moments. The ledger calls this within its own
transactions, so the books say what the ledger says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, bindparam, case, delete, func, select, update

from bridge.books.entry import Entry, Looked, Telling, entry_after, fresh, moments_of_look
from bridge.books.moments import by_identity, note
from bridge.books.tables import standings, sweeps
from bridge.promptlayer.workspace import PROMPTLAYER
from bridge.prompts.outcome import Outcome
from bridge.prompts.state import State
from bridge.prompts.target import Proposal, Target
from bridge.storage.database import Database
from bridge.storage.inbox import deliveries

ASKED = "a look is due"

_KEY = ("mapping", "prompt_id", "label")
_AT_ONCE = 500  # rows in one statement

One = TypeVar("One")


class Standings:
    """The entries of one database. All but reading happens on a connection that is given."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def asked(
        self, connection: Connection, asked: Iterable[tuple[Proposal, Target, str]], now: datetime
    ) -> None:
        """Note that looks are awaited, with the prompt's name where it is known."""
        rows = {
            target: {
                "mapping": target.mapping,
                "prompt_id": target.prompt_id,
                "label": target.label,
                "name": name,
                "searched": name.casefold(),
                "branch": proposal.branch,
                "state": State.WAITING,
                "reason": ASKED,
                "since": now,
                "seen_at": now,
            }
            for proposal, target, name in asked
        }
        if rows:
            ordered = [rows[target] for target in sorted(rows)]
            connection.execute(self._upsert_asked(), ordered)

    def _upsert_asked(self) -> Any:
        insert = self._database.insert(standings)
        there, new = standings.c, insert.excluded
        return insert.on_conflict_do_update(
            index_elements=_KEY,
            set_={
                "branch": new.branch,
                "name": case((new.name == "", there.name), else_=new.name),
                "searched": case((new.searched == "", there.searched), else_=new.searched),
                "reason": case((there.state == State.WAITING, there.reason), else_=new.reason),
                "since": case((there.state == State.WAITING, there.since), else_=new.since),
                "state": State.WAITING,
            },
        )

    def postponed(self, connection: Connection, proposal: Proposal, reason: str) -> None:
        """Note why the looks at a proposal have to wait."""
        connection.execute(
            update(standings)
            .where(
                standings.c.mapping == proposal.mapping,
                standings.c.branch == proposal.branch,
                standings.c.state == State.WAITING,
                standings.c.reason != reason,
            )
            .values(reason=reason)
        )

    def settled(
        self,
        connection: Connection,
        proposal: Proposal,
        asked: Sequence[tuple[Target, str]],
        outcome: Outcome,
        waiting: frozenset[Target],
        now: datetime,
    ) -> None:
        """Note what came of a look at a proposal. ``asked`` are the targets with the deliveries
        that asked, oldest first; another look is already awaited at those that are ``waiting``."""
        looks = self._looked(connection, proposal, asked, outcome, now)
        before = self.entries(connection, [looked.target for looked in looks])
        told: list[Telling] = []
        after: list[Entry] = []
        gone: list[Target] = []
        for looked in looks:
            entry = before.get(looked.target)
            new = entry_after(entry, looked)
            told += moments_of_look(entry, new, looked)
            if new is None:
                gone.append(looked.target)
            elif new is not entry:
                after.append(new)
        self.write(connection, after, waiting)
        self.remove(connection, gone)
        note(connection, self._database, by_identity(told))

    @staticmethod
    def _looked(
        connection: Connection,
        proposal: Proposal,
        asked: Sequence[tuple[Target, str]],
        outcome: Outcome,
        now: datetime,
    ) -> list[Looked]:
        newest = {target: id for target, id in asked if id}
        arrived = _first_arrival(connection, {id for _, id in asked if id})
        targets = dict.fromkeys([*(target for target, _ in asked), *outcome.seen])
        return [
            Looked(proposal, target, outcome, now, newest.get(target), arrived)
            for target in targets
        ]

    def write(
        self,
        connection: Connection,
        entries: Iterable[Entry],
        waiting: frozenset[Target] = frozenset(),
        seen_before: datetime | None = None,
    ) -> None:
        """Make the entries say this; those only that nobody has seen since ``seen_before``."""
        rows = [
            _row(entry, waits=entry.target in waiting)
            for entry in sorted(entries, key=lambda entry: entry.target)
        ]
        insert = self._database.insert(standings)
        names = [column.name for column in standings.c if column.name not in _KEY]
        told = {name: insert.excluded[name] for name in names}
        # Within the statement: somebody may be writing what a look found at this very moment.
        where = None if seen_before is None else standings.c.seen_at < seen_before
        if rows:
            connection.execute(
                insert.on_conflict_do_update(index_elements=_KEY, set_=told, where=where), rows
            )

    def take_in(self, changed: Sequence[Entry], gone: Sequence[Target], started: datetime) -> None:
        """Write what a scan found, a few hundred rows at once so that nobody waits for long; a
        look that was done since what it found was read (``started``) knows better."""
        for some in _slices(changed):
            with self._database.transaction() as connection:
                self.write(connection, some, seen_before=started)
        for targets in _slices(gone):
            with self._database.transaction() as connection:
                self.remove(connection, targets, seen_before=started)

    def swept(self, mapping: str, at: datetime, seconds: float, counts: Mapping[str, int]) -> None:
        """Note that a whole mapping was compared."""
        values = {"at": at, "seconds": seconds, **counts}
        insert = self._database.insert(sweeps).values(mapping=mapping, **values)
        with self._database.transaction() as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=["mapping"], set_=values)
            )

    def forget_all_but(self, mappings: Collection[str], before: datetime) -> None:
        """Forget what nobody saw since ``before`` of mappings that are configured no longer."""
        with self._database.transaction() as connection:
            for table, seen_at in ((standings, standings.c.seen_at), (sweeps, sweeps.c.at)):
                gone = table.c.mapping.not_in(list(mappings))
                connection.execute(delete(table).where(gone, seen_at < before))

    def remove(
        self,
        connection: Connection,
        targets: Iterable[Target],
        seen_before: datetime | None = None,
    ) -> None:
        """Forget targets that there are no more, or those only that nobody has seen since
        ``seen_before``; their moments stay."""
        rows = [
            {"of_mapping": one.mapping, "of_prompt": one.prompt_id, "of_label": one.label}
            for one in sorted(targets)
        ]
        older = () if seen_before is None else (standings.c.seen_at < seen_before,)
        if rows:
            connection.execute(_REMOVE.where(*older), rows)

    def entries(self, connection: Connection, targets: Iterable[Target]) -> dict[Target, Entry]:
        """Those of these targets that have one."""
        wanted = set(targets)
        prompts: dict[str, set[int]] = {}
        for target in wanted:
            prompts.setdefault(target.mapping, set()).add(target.prompt_id)
        found = (
            entry_of(row)
            for mapping, ids in prompts.items()
            for some in _slices(sorted(ids))
            for row in connection.execute(
                select(standings).where(
                    standings.c.mapping == mapping, standings.c.prompt_id.in_(some)
                )
            )
        )
        return {entry.target: entry for entry in found if entry.target in wanted}

    def of_mapping(self, mapping: str) -> dict[Target, Entry]:
        """Every entry of a mapping."""
        with self._database.reading() as connection:
            rows = connection.execute(select(standings).where(standings.c.mapping == mapping))
            return {entry.target: entry for entry in map(entry_of, rows)}

    def held(self, mapping: str, among: Collection[Target] | None) -> dict[Target, str]:
        """What stays as it is until PromptLayer shows it again or it is pruned, and why; of a
        mapping, or of these targets of it."""
        there = standings.c.mapping == mapping, standings.c.held.is_not(None)
        query = select(standings).where(*there)
        if among is not None:
            query = query.where(standings.c.prompt_id.in_({one.prompt_id for one in among}))
        with self._database.reading() as connection:
            found = [entry_of(row) for row in connection.execute(query)]
        return {
            entry.target: entry.held
            for entry in found
            if entry.held is not None and (among is None or entry.target in among)
        }

    def followed_as(self, fingerprint: str, among: Iterable[Target]) -> frozenset[Target]:
        """Those of these targets that a selection with this fingerprint has followed last."""
        with self._database.reading() as connection:
            found = self.entries(connection, among)
        return frozenset(t for t, entry in found.items() if entry.followed_as == fingerprint)

    def let_go(self, targets: Mapping[Target, str], fingerprint: str, now: datetime) -> None:
        """Note that a person lets these targets go, with their prompts' names: a mapping whose
        selection has this fingerprint followed them, and they are held no longer."""
        for some in _slices(sorted(targets)):
            with self._database.transaction() as connection:
                entries = self.entries(connection, some)
                known = (
                    entries.get(t) or fresh(t, "", State.NOT_FOLLOWED, ASKED, now) for t in some
                )
                self.write(
                    connection,
                    [
                        replace(
                            entry,
                            name=entry.name or targets[entry.target],
                            followed_as=fingerprint,
                            absent_since=entry.absent_since or now,
                            held=None,
                        )
                        for entry in known
                    ],
                )

    def of_pull_request(self, mapping: str, number: int) -> list[Entry]:
        """The entries whose newest pull request is this one."""
        query = select(standings).where(
            standings.c.mapping == mapping, standings.c.number == number
        )
        with self._database.reading() as connection:
            return [entry_of(row) for row in connection.execute(query)]

    def in_state(self, state: State, mapping: str | None = None) -> list[Entry]:
        """The entries in this state, of one mapping or of all."""
        query = select(standings).where(standings.c.state == state)
        if mapping is not None:
            query = query.where(standings.c.mapping == mapping)
        with self._database.reading() as connection:
            return [entry_of(row) for row in connection.execute(query)]


def proposals_of(prompt: int | str) -> Select[tuple[str, str]]:
    """The mappings and branches of one prompt's proposals, by its id (int) or name (str)."""
    named = standings.c.prompt_id if isinstance(prompt, int) else standings.c.name
    return select(standings.c.mapping, standings.c.branch).where(named == prompt)


def entry_of(row: Row[Any]) -> Entry:
    columns = row._asdict()
    told = {field.name: columns[field.name] for field in fields(Entry)}
    settled = told["settled_state"]
    return Entry(
        **told
        | {
            "state": State(told["state"]),
            "settled_state": State(settled) if settled is not None else None,
        }
    )


def _row(entry: Entry, *, waits: bool) -> dict[str, Any]:
    row = vars(entry) | {"searched": entry.name.casefold()}
    return row | {"state": State.WAITING, "reason": ASKED, "since": entry.seen_at} if waits else row


def _first_arrival(connection: Connection, ids: set[str]) -> datetime | None:
    """When the first of these deliveries came in, of those that PromptLayer sent."""
    query = select(func.min(deliveries.c.received_at)).where(
        deliveries.c.id.in_(sorted(ids)[:_AT_ONCE]),
        deliveries.c.source.startswith(PROMPTLAYER, autoescape=True),
    )
    found: datetime | None = connection.execute(query).scalar() if ids else None
    return found


def _slices(some: Iterable[One]) -> Iterator[list[One]]:
    rest = iter(some)
    while part := list(islice(rest, _AT_ONCE)):
        yield part


_REMOVE = delete(standings).where(
    standings.c.mapping == bindparam("of_mapping"),
    standings.c.prompt_id == bindparam("of_prompt"),
    standings.c.label == bindparam("of_label"),
)
