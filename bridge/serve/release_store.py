"""The releases in the database: every process stores a change here before it serves it.

A change is accepted only from a writer who has read everything that others stored about the same
release since: ``seen`` is the revision up to which the writer had read before it looked at the base
branch. So of two processes that race, the one that looked earlier never overwrites the other.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from sys import intern
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from bridge.serve.release import (
    AnswerKey,
    PromptAnswer,
    PromptRelease,
    ReleaseKey,
    ReleaseRecord,
    ServedCommit,
)
from bridge.storage.database import Database, InstantColumn, TextColumn, metadata

KEPT_COMMITS = 1000  # of each mapping
_CHUNK = 200  # rows that one statement asks for

revision_table = Table("served_revision", metadata, Column("revision", BigInteger, nullable=False))
releases_table = Table(
    "served_releases",
    metadata,
    Column("source", String, primary_key=True),
    Column("prompt_id", BigInteger, primary_key=True),
    Column("label", TextColumn, primary_key=True),
    Column("mapping", String, nullable=False),
    Column("name", TextColumn, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("commit_name", String, nullable=False),
    Column("path", TextColumn, nullable=False),
    Column("digest", String, nullable=False),
    Column("blob", String, nullable=False),
    Column("doubtful_blob", String, nullable=False),
    Column("warning", TextColumn),
    Column("released_at", InstantColumn, nullable=False),
    Column("confirmed_at", InstantColumn, nullable=False),
    Column("revision", BigInteger, nullable=False),
)
answers_table = Table(
    "served_answers",
    metadata,
    Column("source", String, primary_key=True),
    Column("prompt_id", BigInteger, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("provider", TextColumn, primary_key=True),
    Column("model", TextColumn, primary_key=True),
    Column("body", TextColumn, nullable=False),
    Column("revision", BigInteger, nullable=False),
)
commits_table = Table(
    "served_commits",
    metadata,
    Column("mapping", String, primary_key=True),
    Column("commit_name", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)


@dataclass(frozen=True)
class ReleaseChanges:
    """What was stored since a revision."""

    revision: int
    records: tuple[ReleaseRecord, ...]
    answers: tuple[PromptAnswer, ...]
    commits: Mapping[str, tuple[ServedCommit, ...]]  # all of each mapping that has new ones


@dataclass(frozen=True)
class ReleaseStatistics:
    """How the releases stand, by mapping."""

    served: Mapping[str, int] = field(default_factory=dict)
    oldest_confirmed: Mapping[str, datetime] = field(default_factory=dict)
    doubts: Mapping[str, int] = field(default_factory=dict)  # newest merged content is not served


@dataclass(frozen=True)
class ReleaseDoubt:
    """Why the newest merged content of a prompt is not served at a label."""

    mapping: str
    name: str
    label: str
    reason: str
    is_served: bool  # whether what was merged before is


class ReleaseStore:
    """The releases of one database, of all processes that share it. Raises UnavailableError when
    the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_revision(self) -> int:
        """The newest revision; 0 where nothing was ever stored."""
        with self._database.open_read_transaction() as connection:
            return _read_revision(connection)

    def load(self, since: int = 0) -> ReleaseChanges:
        """What was stored after a revision, as of one moment."""
        with self._database.open_read_transaction() as connection:
            revision = _read_revision(connection)
            if revision <= since:
                return ReleaseChanges(revision, (), (), {})
            records = connection.execute(
                select(releases_table).where(releases_table.c.revision > since)
            )
            answers = connection.execute(
                select(answers_table).where(answers_table.c.revision > since)
            )
            changed = select(commits_table.c.mapping).where(commits_table.c.revision > since)
            commits: dict[str, list[ServedCommit]] = defaultdict(list)
            for row in connection.execute(
                select(commits_table)
                .where(commits_table.c.mapping.in_(changed))
                .order_by(commits_table.c.position)
            ):
                commits[row.mapping].append(
                    ServedCommit(row.mapping, row.commit_name, row.position)
                )
            return ReleaseChanges(
                revision,
                tuple(map(_build_record, records)),
                tuple(map(_build_stored_answer, answers)),
                {mapping: tuple(found) for mapping, found in commits.items()},
            )

    def save(
        self, records: Sequence[ReleaseRecord], answers: Sequence[PromptAnswer], seen: int
    ) -> frozenset[ReleaseKey]:
        """Store changed releases with the answers for their versions, and delete the answers that
        no release needs any more. Returns the keys of those that are not stored, with their
        answers, as another process stored them after ``seen``."""
        with self._database.open_transaction() as connection:
            revision = self._begin(connection)
            stored = _read_stored_versions(connection, [each.release.key for each in records])
            refused = frozenset(key for key, (at, _) in stored.items() if at > seen)
            accepted = [each for each in records if each.release.key not in refused]
            rows = [_list_values(record, revision) for record in accepted]
            self._upsert(connection, releases_table, rows)
            prompts = {(key.source, key.prompt_id) for key in refused}
            self._save_answers(
                connection,
                [a for a in answers if (a.key.source, a.key.prompt_id) not in prompts],
                seen,
                revision,
            )
            _delete_unneeded(connection, accepted, stored)
        return refused

    def save_answers(self, answers: Sequence[PromptAnswer], seen: int) -> bool:
        """Store answers for versions that are released. False where one of them is not stored, as
        another process stored it after ``seen``."""
        with self._database.open_transaction() as connection:
            revision = self._begin(connection)
            return self._save_answers(connection, answers, seen, revision)

    def save_commits(
        self, mapping: str, commits: Sequence[str], seen: int, *, rewritten: bool
    ) -> bool:
        """Note commits of the base branch, the oldest first, as served whole; with ``rewritten``
        in place of all that were noted. False where another process noted some after ``seen``."""
        ours = commits_table.c.mapping == mapping
        with self._database.open_transaction() as connection:
            revision = self._begin(connection)
            newest, last = connection.execute(
                select(
                    func.max(commits_table.c.revision), func.max(commits_table.c.position)
                ).where(ours)
            ).one()
            if (newest or 0) > seen:
                return False
            if rewritten:
                connection.execute(delete(commits_table).where(ours))
            first = (last or 0) + 1
            rows = [
                {
                    "mapping": mapping,
                    "commit_name": commit,
                    "position": first + at,
                    "revision": revision,
                }
                for at, commit in enumerate(commits)
            ]
            if rows:
                connection.execute(insert(commits_table), rows)
            past = first + len(rows) - 1 - KEPT_COMMITS
            connection.execute(delete(commits_table).where(ours, commits_table.c.position <= past))
        return True

    def _begin(self, connection: Connection) -> int:
        """The revision of this transaction. Writers wait for one another, so that revisions are
        committed in their order."""
        self._database.lock_until_commit(connection, "served releases")
        revision = _read_revision(connection) + 1
        values = {"revision": revision}
        if not connection.execute(update(revision_table).values(values)).rowcount:
            connection.execute(insert(revision_table).values(values))
        return revision

    def _upsert(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        if not rows:
            return
        keys = [column.name for column in table.primary_key]
        statement = self._database.build_insert(table)
        changed = {
            column.name: statement.excluded[column.name]
            for column in table.columns
            if column.name not in keys
        }
        upsert = statement.on_conflict_do_update(index_elements=keys, set_=changed)
        connection.execute(upsert, [dict(row) for row in rows])

    def _save_answers(
        self, connection: Connection, answers: Sequence[PromptAnswer], seen: int, revision: int
    ) -> bool:
        newer = _read_newer_answers(connection, [answer.key for answer in answers], seen)
        rows = [
            {
                "source": key.source,
                "prompt_id": key.prompt_id,
                "version": key.version,
                "provider": key.provider,
                "model": key.model,
                "body": body.decode(),
                "revision": revision,
            }
            for key, body in {answer.key: answer.body for answer in answers}.items()
            if key not in newer
        ]
        self._upsert(connection, answers_table, rows)
        return not newer


def build_answer(key: AnswerKey, body: bytes, provider_key: str | None = None) -> PromptAnswer:
    """An answer with the entity tag of its body."""
    return PromptAnswer(key, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', provider_key)


def read_release_statistics(connection: Connection) -> ReleaseStatistics:
    """How the releases stand, in a transaction that is open already."""
    mapping, is_served = releases_table.c.mapping, releases_table.c.version > 0
    served = select(mapping, func.count(), func.min(releases_table.c.confirmed_at))
    rows = connection.execute(served.where(is_served).group_by(mapping)).all()
    doubts = select(mapping, func.count()).where(releases_table.c.warning.is_not(None))
    return ReleaseStatistics(
        {row[0]: row[1] for row in rows},
        {row[0]: row[2] for row in rows},
        {row[0]: row[1] for row in connection.execute(doubts.group_by(mapping))},
    )


def list_doubts(connection: Connection) -> tuple[ReleaseDoubt, ...]:
    """Every release whose newest merged content is not served, by mapping and name."""
    columns = releases_table.c
    query = select(columns.mapping, columns.name, columns.label, columns.warning, columns.version)
    rows = connection.execute(
        query.where(columns.warning.is_not(None)).order_by(columns.mapping, columns.name)
    )
    return tuple(ReleaseDoubt(row[0], row[1], row[2], row[3], row[4] > 0) for row in rows)


def _read_revision(connection: Connection) -> int:
    return int(connection.execute(select(func.max(revision_table.c.revision))).scalar() or 0)


def _read_stored_versions(
    connection: Connection, keys: Collection[ReleaseKey]
) -> dict[ReleaseKey, tuple[int, int]]:
    """The revision and the version that is stored for each of these keys."""
    columns = releases_table.c
    query = select(
        columns.source, columns.prompt_id, columns.label, columns.revision, columns.version
    )
    found = {}
    for source, ids in _list_prompts(keys):
        asked = query.where(columns.source == source, columns.prompt_id.in_(ids))
        for row in connection.execute(asked):
            found[ReleaseKey(row[0], row[1], row[2])] = (int(row[3]), int(row[4]))
    return {key: found[key] for key in keys if key in found}


def _read_newer_answers(
    connection: Connection, keys: Collection[AnswerKey], seen: int
) -> frozenset[AnswerKey]:
    """Those of the keys whose answer was stored after ``seen``."""
    columns = answers_table.c
    query = select(
        columns.source, columns.prompt_id, columns.version, columns.provider, columns.model
    ).where(columns.revision > seen)
    found = set()
    for source, ids in _list_prompts(keys):
        asked = query.where(columns.source == source, columns.prompt_id.in_(ids))
        found |= {AnswerKey(*row) for row in connection.execute(asked)}
    return frozenset(found & set(keys))


def _list_prompts(
    keys: Collection[ReleaseKey] | Collection[AnswerKey],
) -> Iterator[tuple[str, list[int]]]:
    """The prompts of each source, so many at once as one statement asks for."""
    for source in sorted({key.source for key in keys}):
        ids = sorted({key.prompt_id for key in keys if key.source == source})
        for start in range(0, len(ids), _CHUNK):
            yield source, ids[start : start + _CHUNK]


def _delete_unneeded(
    connection: Connection,
    accepted: Iterable[ReleaseRecord],
    stored: Mapping[ReleaseKey, tuple[int, int]],
) -> None:
    """Delete the answers of versions that a release named until now, and none does any more."""
    releases, answers = releases_table.c, answers_table.c
    for record in accepted:
        key = record.release.key
        before = stored.get(key, (0, 0))[1]
        if not before or before == record.release.version:
            continue
        other = select(releases.version).where(
            releases.source == key.source,
            releases.prompt_id == key.prompt_id,
            releases.version == before,
        )
        if connection.execute(other).first() is None:
            connection.execute(
                delete(answers_table).where(
                    answers.source == key.source,
                    answers.prompt_id == key.prompt_id,
                    answers.version == before,
                )
            )


def _list_values(record: ReleaseRecord, revision: int) -> dict[str, Any]:
    release = record.release
    return {
        "source": release.key.source,
        "prompt_id": release.key.prompt_id,
        "label": release.key.label,
        "mapping": release.mapping,
        "name": release.name,
        "version": release.version,
        "commit_name": release.commit,
        "path": release.path,
        "digest": record.digest,
        "blob": record.blob,
        "doubtful_blob": record.doubtful_blob,
        "warning": release.warning,
        "released_at": release.released_at,
        "confirmed_at": release.confirmed_at,
        "revision": revision,
    }


# Texts that thousands of rows share are one text in memory.


def _build_record(row: Any) -> ReleaseRecord:
    release = PromptRelease(
        ReleaseKey(intern(row.source), row.prompt_id, intern(row.label)),
        row.name,
        row.version,
        intern(row.mapping),
        intern(row.commit_name),
        row.path,
        row.released_at,
        row.confirmed_at,
        row.warning,
        row.revision,
    )
    return ReleaseRecord(release, row.digest, row.blob, row.doubtful_blob)


def _build_stored_answer(row: Any) -> PromptAnswer:
    source, provider, model = map(intern, (row.source, row.provider, row.model))
    key = AnswerKey(source, row.prompt_id, row.version, provider, model)
    return build_answer(key, row.body.encode())
