"""Find what needs a person, and store what was announced to whom.

An item is announced to each webhook once: a row of ``notifications`` is written after the webhook took
the message, and stays until the item is resolved. A webhook is identified by a digest of its address.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Integer, String, Table, delete, func, select

from bridge.prompts.planning.target_state import TargetState
from bridge.status.problems import ProblemKind, list_open_problems
from bridge.status.tables import target_statuses_table
from bridge.storage.database import Database, InstantColumn, TextColumn, metadata

notifications_table = Table(
    "notifications",
    metadata,
    Column("webhook", String, primary_key=True),
    Column("item", String, primary_key=True),
    Column("announced_at", InstantColumn, nullable=False),
)
notify_webhooks_table = Table(
    "notify_webhooks",
    metadata,
    Column("webhook", String, primary_key=True),
    Column("attempts", Integer, nullable=False),  # failed ones in a row
    Column("not_before", InstantColumn, nullable=False),
    Column("problem", TextColumn),  # of the last attempt, if that failed
)

_STATES = (TargetState.PARKED, TargetState.CONFLICT, TargetState.PERSON, TargetState.DECLINED)
_KINDS = (ProblemKind.FILE, ProblemKind.SWEEP)


@dataclass(frozen=True)
class NotificationItem:
    """One prompt or problem that needs a person."""

    kind: str  # a TargetState or a ProblemKind
    mapping: str
    subject: str  # the prompt's name, the path of the file, or the step
    reason: str
    since: datetime
    label: str | None = None
    prompt_id: int | None = None
    pull_request: str | None = None  # address

    @property
    def id(self) -> str:
        """The same as long as this lasts, another one when it comes again."""
        named = [self.kind, self.mapping, self.prompt_id, self.label, self.since.isoformat()]
        of_problem = [self.subject] if self.prompt_id is None else []
        return hashlib.sha256(json.dumps([*named, *of_problem]).encode()).hexdigest()


@dataclass(frozen=True)
class WebhookRetry:
    """How many attempts failed in a row, and when the next message may be sent."""

    attempts: int = 0
    not_before: datetime | None = None
    problem: str | None = None  # of the last attempt, if that failed


def compute_webhook_id(url: str) -> str:
    """The digest that a webhook is stored under, which shows no token."""
    return hashlib.sha256(url.encode()).hexdigest()[:32]


class NotificationStore:
    """The notifications of one database. Safe for threads and for several processes. Every method
    raises UnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_unannounced(
        self, webhook: str, mappings: Collection[str], kinds: Collection[str]
    ) -> list[NotificationItem]:
        """Find the open items of these mappings and kinds that were not announced to a webhook, the
        oldest first. The rows of resolved items are deleted."""
        query = select(notifications_table.c.item).where(notifications_table.c.webhook == webhook)
        with self._database.open_read_transaction() as connection:
            announced = set(connection.execute(query).scalars())
            every = [*_find_targets(connection), *_find_problems(connection)]
        resolved = announced - {item.id for item in every}
        if resolved:
            self._forget(webhook, resolved)
        wanted = (one for one in every if one.mapping in mappings and one.kind in kinds)
        return sorted(
            (one for one in wanted if one.id not in announced), key=lambda one: (one.since, one.id)
        )

    def record_announced(
        self, webhook: str, items: Collection[NotificationItem], now: datetime, again: datetime
    ) -> None:
        """Record that a webhook took a message with these items; ``again`` is when the next message
        may be sent."""
        with self._database.open_transaction() as connection:
            for item in items:
                row = {"webhook": webhook, "item": item.id, "announced_at": now}
                insert = self._database.build_insert(notifications_table).values(**row)
                connection.execute(insert.on_conflict_do_nothing())
            self._set_retry(connection, webhook, WebhookRetry(0, again))

    def record_failure(self, webhook: str, retry: WebhookRetry) -> None:
        with self._database.open_transaction() as connection:
            self._set_retry(connection, webhook, retry)

    def read_retry(self, webhook: str) -> WebhookRetry:
        query = select(notify_webhooks_table).where(notify_webhooks_table.c.webhook == webhook)
        with self._database.open_read_transaction() as connection:
            row = connection.execute(query).first()
        return WebhookRetry(row.attempts, row.not_before, row.problem) if row else WebhookRetry()

    def _set_retry(self, connection: Connection, webhook: str, retry: WebhookRetry) -> None:
        values = {
            "attempts": retry.attempts,
            "not_before": retry.not_before,
            "problem": retry.problem,
        }
        insert = self._database.build_insert(notify_webhooks_table)
        connection.execute(
            insert.values(webhook=webhook, **values).on_conflict_do_update(
                index_elements=["webhook"], set_=values
            )
        )

    def _forget(self, webhook: str, items: Collection[str]) -> None:
        rows = notifications_table.c
        with self._database.open_transaction() as connection:
            for item in sorted(items):
                one = delete(notifications_table).where(rows.webhook == webhook, rows.item == item)
                connection.execute(one)


def _find_targets(connection: Connection) -> Iterator[NotificationItem]:
    """While a reconcile is pending, the state before it counts: it may well be the one after it."""
    rows = target_statuses_table.c
    state, since = (
        func.coalesce(rows.settled_state, rows.state),
        func.coalesce(rows.settled_since, rows.since, type_=rows.since.type),
    )
    query = select(
        target_statuses_table, state.label("lasting_state"), since.label("lasting_since")
    ).where(state.in_([str(one) for one in _STATES]))
    for row in connection.execute(query):
        yield NotificationItem(
            kind=row.lasting_state,
            mapping=row.mapping,
            subject=row.name or f"prompt {row.prompt_id}",
            reason=row.reason,
            since=row.lasting_since,
            label=row.label,
            prompt_id=row.prompt_id,
            pull_request=row.pull_request,
        )


def _find_problems(connection: Connection) -> Iterator[NotificationItem]:
    for one in list_open_problems(connection):
        if one.kind in _KINDS:
            yield NotificationItem(one.kind, one.mapping, one.subject, one.message, one.since)
