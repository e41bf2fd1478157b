"""The audit list: which person did which action on the bridge, when and by which channel."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from bridge.status.pagination import Page, encode_cursor, select_after_cursor
from bridge.status.tables import audit_entries_table
from bridge.storage.database import Database
from bridge.storage.inbox import Clock

_BY_TIME = (audit_entries_table.c.at, audit_entries_table.c.id)
_TEXT_LIMIT = 500  # characters of an actor or a subject


class AuditAction(StrEnum):
    """The recorded actions, as people read them."""

    SIGNED_IN = "signed in"
    SIGNED_OUT = "signed out"
    REDELIVERED = "redelivered"
    REQUESTED_RECONCILE = "asked for a comparison"
    REQUESTED_PARKED = "asked for all that is parked"
    ADOPTED_PLATFORM = "took PromptLayer's text"
    ADOPTED_REPOSITORY = "took the repository's text"
    PRUNED = "pruned"


class AuditChannel(StrEnum):
    DASHBOARD = "dashboard"
    COMMAND_LINE = "command line"


@dataclass(frozen=True)
class AuditActor:
    """A person, and the channel by which the person acts."""

    name: str
    channel: AuditChannel


@dataclass(frozen=True)
class AuditEntry:
    """One action of one person. ``mapping`` and ``subject`` are "" where the action has none;
    ``link`` is the path of the subject's page on the dashboard, or ""."""

    at: datetime
    actor: AuditActor
    action: AuditAction
    mapping: str = ""
    subject: str = ""
    link: str = ""


class AuditLog:
    """The audit list of one database. Safe for threads and for several processes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(
        self,
        actor: AuditActor,
        action: AuditAction,
        *,
        mapping: str = "",
        subject: str = "",
        link: str = "",
    ) -> None:
        """Record an action. It is called before the action, so that no action goes unrecorded.
        Raises UnavailableError when the database does not answer."""
        row = {
            "id": uuid.uuid4().hex,
            "at": self._clock(),
            "actor": actor.name[:_TEXT_LIMIT],
            "channel": actor.channel,
            "action": action,
            "mapping": mapping,
            "subject": subject[:_TEXT_LIMIT],
            "link": link,
        }
        with self._database.open_transaction() as connection:
            connection.execute(self._database.build_insert(audit_entries_table), [row])


def list_audit_entries(
    connection: Connection, action: AuditAction | None, after: str | None, limit: int
) -> Page[AuditEntry]:
    """The entries, the newest first. Raises InvalidInputError for an ``after`` that no page gave."""
    query = select(audit_entries_table).limit(limit + 1)
    if action is not None:
        query = query.where(audit_entries_table.c.action == action)
    rows = connection.execute(select_after_cursor(query, _BY_TIME, after, down=True)).all()
    shown = tuple(_parse_entry(row) for row in rows[:limit])
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(shown, encode_cursor([last.at, last.id]) if last else None)


def _parse_entry(row: Any) -> AuditEntry:
    actor = AuditActor(row.actor, AuditChannel(row.channel))
    return AuditEntry(row.at, actor, AuditAction(row.action), row.mapping, row.subject, row.link)
