"""Store the pauses of repositories, and the pull requests that were created lately on each
forge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Column, Integer, String, Table, delete, select, update

from bridge.storage.database import Database, InstantColumn, TextColumn, metadata
from bridge.storage.inbox import Clock

repository_pauses_table = Table(
    "pauses",
    metadata,
    Column("repository", String, primary_key=True),
    Column("until", InstantColumn, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("reason", TextColumn, nullable=False),
)

pull_request_creations_table = Table(
    "creations",
    metadata,
    Column("forge", String, nullable=False),
    Column("created_at", InstantColumn, nullable=False),
)

_LONGEST_PAUSE = 60.0  # seconds, without a retry_after
_LONGEST_GROWN = 300.0  # seconds, for a retry_after that does not suffice
_LONGEST_RETRY_AFTER = 5  # attempts


class RepositoryBackoff:
    """The pauses and creation counts of one database. Safe for threads and for several
    processes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def pause_repository(self, repository: str, reason: str, retry_after: float | None) -> None:
        """Pause a repository whose forge, or PromptLayer, does not answer. A failure during a pause
        belongs to work that was under way before, and does not make the pauses grow."""
        now = self._clock()
        with self._database.open_transaction() as connection:
            self._database.lock_until_commit(connection, f"pause of {repository}")
            former = connection.execute(
                select(repository_pauses_table.c.until, repository_pauses_table.c.failures).where(
                    repository_pauses_table.c.repository == repository
                )
            ).first()
            lasts = former is not None and former.until > now
            failures = (former.failures if former else 0) + (0 if lasts else 1)
            until = now + timedelta(seconds=compute_backoff_delay(failures, retry_after))
            values = {
                "until": max(until, former.until) if former else until,
                "failures": failures,
                "reason": reason,
            }
            insert = self._database.build_insert(repository_pauses_table).values(
                repository=repository, **values
            )
            connection.execute(
                insert.on_conflict_do_update(index_elements=["repository"], set_=values)
            )

    def resume_repository(self, repository: str) -> None:
        """Reset the growth of the pauses, as the repository answered. A pause that lasts stays: the
        answer belongs to work begun before."""
        ours, over = (
            repository_pauses_table.c.repository == repository,
            repository_pauses_table.c.until <= self._clock(),
        )
        with self._database.open_read_transaction() as connection:
            paused = connection.execute(
                select(repository_pauses_table.c.repository).where(ours)
            ).scalar()
        if paused is not None:
            with self._database.open_transaction() as connection:
                connection.execute(delete(repository_pauses_table).where(ours, over))
                growing = repository_pauses_table.c.failures > 0
                connection.execute(
                    update(repository_pauses_table).where(ours, growing).values(failures=0)
                )

    def end_pause(self, repository: str) -> None:
        """End a pause early, as its reason is gone."""
        with self._database.open_transaction() as connection:
            connection.execute(
                delete(repository_pauses_table).where(
                    repository_pauses_table.c.repository == repository
                )
            )

    def find_pause(self, repository: str) -> tuple[float, str] | None:
        """The remaining seconds of a repository's pause, and its reason; None without one."""
        with self._database.open_read_transaction() as connection:
            row = connection.execute(
                select(repository_pauses_table.c.until, repository_pauses_table.c.reason).where(
                    repository_pauses_table.c.repository == repository
                )
            ).first()
        if row is None:
            return None
        seconds = (row.until - self._clock()).total_seconds()
        return (seconds, str(row.reason)) if seconds > 0 else None

    def take_pull_request_creation(
        self, forge: str, windows: Sequence[tuple[int, float]]
    ) -> float | None:
        """Take one creation out of a forge's limit. Returns None where one was left, else the
        seconds until one is. ``windows`` are (count, seconds)."""
        now = self._clock()
        with self._database.open_transaction() as connection:
            self._database.lock_until_commit(connection, f"creations on {forge}")
            longest = max((seconds for _, seconds in windows), default=0.0)
            horizon = now - timedelta(seconds=longest)
            connection.execute(
                delete(pull_request_creations_table).where(
                    pull_request_creations_table.c.forge == forge,
                    pull_request_creations_table.c.created_at < horizon,
                )
            )
            times = (
                connection.execute(
                    select(pull_request_creations_table.c.created_at)
                    .where(pull_request_creations_table.c.forge == forge)
                    .order_by(pull_request_creations_table.c.created_at.desc())
                )
                .scalars()
                .all()
            )
            wait = _longest_wait(times, windows, now)
            if wait is None:
                connection.execute(
                    pull_request_creations_table.insert().values(forge=forge, created_at=now)
                )
            return wait


def compute_backoff_delay(attempts: int, retry_after: float | None) -> float:
    """Seconds until the next attempt: doubling up to a minute. With ``retry_after`` these seconds,
    doubling up to five minutes after five attempts that waited for them."""
    if retry_after is None:
        return min(2.0 ** min(attempts, 20), _LONGEST_PAUSE)
    often = min(attempts, 20) - _LONGEST_RETRY_AFTER
    grown = max(retry_after, 1.0) * 2.0**often if often > 0 else 0.0
    return max(retry_after, min(grown, _LONGEST_GROWN))


def _longest_wait(
    times: Sequence[datetime], windows: Sequence[tuple[int, float]], now: datetime
) -> float | None:
    """``times`` are newest first; the count-th newest has to leave its window first."""
    waits = [
        (times[count - 1] + timedelta(seconds=seconds) - now).total_seconds()
        for count, seconds in windows
        if len(times) >= count
    ]
    longest = max(waits, default=0.0)
    return longest if longest > 0 else None
