"""Store the sessions of the dashboard that were ended, whose cookies are valid no longer.

A copied cookie cannot be revoked by itself, so each process checks here. Stored is a digest of the
session's token, and nothing else of the cookie.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Column, String, Table, delete, select

from bridge.storage.database import Database, InstantColumn, metadata
from bridge.storage.inbox import Clock

_CLOCKS_DIFFER = timedelta(hours=1)  # at most, on the machines that share the database
_PRUNE_LOCK = "ended sessions"

ended_sessions_table = Table(
    "ended_sessions",
    metadata,
    Column("session", String, primary_key=True),
    Column("over_at", InstantColumn, nullable=False),
)


class EndedSessionStore:
    """The ended sessions of one database, for all its processes. Safe for threads. A session is
    identified by its token.

    Every method raises UnavailableError when the database does not answer.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def end(self, token: str, over_at: datetime) -> None:
        """End a session, for all processes. ``over_at`` is when it would expire by itself; its row
        is deleted some time after that. Ending it twice is harmless."""
        over = ended_sessions_table.c.over_at < self._clock() - _CLOCKS_DIFFER
        noted = self._database.build_insert(ended_sessions_table).values(
            session=_known(token), over_at=over_at
        )
        with self._database.open_transaction() as connection:
            self._database.lock_until_commit(
                connection, _PRUNE_LOCK
            )  # two deletions could wait in a circle
            connection.execute(delete(ended_sessions_table).where(over))
            connection.execute(noted.on_conflict_do_nothing())

    def is_ended(self, token: str) -> bool:
        """Whether this session has been ended."""
        query = select(ended_sessions_table.c.over_at).where(
            ended_sessions_table.c.session == _known(token)
        )
        with self._database.open_read_transaction() as connection:
            return connection.execute(query).first() is not None


def _known(token: str) -> str:
    """The digest that a session is stored under, which opens no session."""
    return hashlib.sha256(token.encode()).hexdigest()
