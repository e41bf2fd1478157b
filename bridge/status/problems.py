"""Store the problems of mappings: settings that match no prompt, files with mistakes, unexpected
errors. A problem is open until it is resolved; a target's own state is in ``target_status``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from bridge.status.tables import problems_table
from bridge.storage.database import Database
from bridge.storage.inbox import Clock

_LONGEST = 2000  # characters of a message
ANY_MAPPING = ""  # of problems that concern no single mapping


class ProblemKind(StrEnum):
    COVERAGE = "follows nothing"  # a setting that matches no prompt
    FILE = "mistake in a file"
    SWEEP = "not compared"  # a resync failed
    EXCEPTION = "unexpected error"
    NOTIFY = "not notified"  # a webhook of `notify` failed
    PAUSE = "paused"  # by its settings


@dataclass(frozen=True)
class MappingProblem:
    """One open problem. ``subject`` is the setting, the path of the file, or the step that
    failed."""

    mapping: str
    kind: ProblemKind
    subject: str
    message: str
    since: datetime
    seen_at: datetime
    attempts: int  # how many came in a row


class ProblemRecords:
    """The problems of one database. Safe for threads and for several processes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def replace(
        self,
        mapping: str,
        kind: ProblemKind,
        found: Mapping[str, str],
        among: Collection[str] | None = None,
    ) -> None:
        """Replace the open problems of one kind by ``found`` (messages by subject): the others are
        resolved. With ``among``, only problems of these subjects are."""
        known = {one.subject: one for one in self.list_open(mapping) if one.kind is kind}
        over = {s for s in known if s not in found and (among is None or s in among)}
        new = {s: text for s, text in found.items() if s not in known}
        moved = {s: w for s, w in found.items() if s in known and known[s].message != _shorten(w)}
        if not (over or new or moved):
            return
        with self._database.open_transaction() as connection:
            for subject, message in sorted({**new, **moved}.items()):
                self._note(connection, mapping, kind, subject, message)
            self._resolve(connection, mapping, kind, over)

    def record_exception(self, mapping: str, subject: str, message: str) -> int:
        """Record an unexpected error; returns how many came in a row."""
        with self._database.open_transaction() as connection:
            return self._note(connection, mapping, ProblemKind.EXCEPTION, subject, message)

    def resolve(self, mapping: str, subject: str) -> None:
        """Resolve the unexpected error of a subject, as the step succeeded. Writes nothing where
        none is open."""
        query = select(problems_table.c.subject).where(
            *_of(mapping, ProblemKind.EXCEPTION),
            problems_table.c.subject == subject,
            problems_table.c.mended_at.is_(None),
        )
        with self._database.open_read_transaction() as connection:
            known = connection.execute(query).first()
        if known is not None:
            with self._database.open_transaction() as connection:
                self._resolve(connection, mapping, ProblemKind.EXCEPTION, {subject})

    def list_open(self, mapping: str | None = None) -> list[MappingProblem]:
        """The open problems of one mapping or of all, the newest first."""
        with self._database.open_read_transaction() as connection:
            return list_open_problems(connection, mapping)

    def forget(self, mappings: Collection[str], before: datetime) -> None:
        """Delete problems that were resolved before, and those of removed mappings."""
        gone = problems_table.c.mapping.not_in([*mappings, ANY_MAPPING])
        with self._database.open_transaction() as connection:
            connection.execute(delete(problems_table).where(problems_table.c.mended_at < before))
            connection.execute(
                delete(problems_table).where(gone, problems_table.c.seen_at < before)
            )

    def _note(
        self, connection: Connection, mapping: str, kind: ProblemKind, subject: str, message: str
    ) -> int:
        now = self._clock()
        key = {"mapping": mapping, "kind": kind, "subject": subject}
        row = connection.execute(select(problems_table).filter_by(**key)).first()
        lasts = row is not None and row.mended_at is None
        attempts = (_number(row, "attempts") if lasts else 0) + 1
        values = {
            "message": _shorten(message),
            "since": row.since if row is not None and lasts else now,
            "seen_at": now,
            "count": _number(row, "count") + 1,
            "attempts": attempts,
            "mended_at": None,
        }
        insert = self._database.build_insert(problems_table).values(**key, **values)
        connection.execute(insert.on_conflict_do_update(index_elements=[*key], set_=values))
        return attempts

    def _resolve(
        self, connection: Connection, mapping: str, kind: ProblemKind, subjects: Collection[str]
    ) -> None:
        over = problems_table.c.subject.in_(sorted(subjects))
        values = {"mended_at": self._clock(), "attempts": 0}
        connection.execute(update(problems_table).where(*_of(mapping, kind), over).values(**values))


def list_open_problems(connection: Connection, mapping: str | None = None) -> list[MappingProblem]:
    """The open problems of one mapping or of all, the newest first."""
    query = select(problems_table).where(problems_table.c.mended_at.is_(None))
    if mapping is not None:
        query = query.where(problems_table.c.mapping == mapping)
    query = query.order_by(
        problems_table.c.since.desc(), problems_table.c.mapping, problems_table.c.subject
    )
    return [_problem_of(row) for row in connection.execute(query)]


def count_problems(connection: Connection) -> dict[tuple[str, str], int]:
    """The number of open problems, by mapping and kind."""
    query = (
        select(problems_table.c.mapping, problems_table.c.kind, func.count())
        .where(problems_table.c.mended_at.is_(None))
        .group_by(problems_table.c.mapping, problems_table.c.kind)
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def count_exceptions(connection: Connection) -> dict[str, int]:
    """The number of unexpected errors ever recorded, by mapping."""
    query = (
        select(problems_table.c.mapping, func.sum(problems_table.c["count"]))
        .where(problems_table.c.kind == ProblemKind.EXCEPTION)
        .group_by(problems_table.c.mapping)
    )
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def group_by_subject(messages: Sequence[str]) -> dict[str, str]:
    """Messages about files, by the path that each begins with."""
    return {text.partition(":")[0]: text for text in reversed(messages)}


def _of(mapping: str, kind: ProblemKind) -> tuple[Any, ...]:
    return problems_table.c.mapping == mapping, problems_table.c.kind == kind


def _number(row: Row[Any] | None, column: str) -> int:
    return int(row._mapping[column]) if row is not None else 0


def _shorten(message: str) -> str:
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"


def _problem_of(row: Row[Any]) -> MappingProblem:
    return MappingProblem(
        row.mapping,
        ProblemKind(row.kind),
        row.subject,
        row.message,
        row.since,
        row.seen_at,
        row.attempts,
    )
