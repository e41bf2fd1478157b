"""The instances: the processes that share one database, and which of them are dead.

Each sends heartbeats; the instance that first notices a dead one claims its work. All times are the
database's, as the clocks of several machines differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Column, String, Table, delete, select, update

from bridge.storage.advisory_locks import AdvisoryLocks
from bridge.storage.database import Database, InstantColumn, metadata

DEAD_AFTER = timedelta(seconds=30)  # without a heartbeat
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

instances_table = Table(
    "members",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("started_at", InstantColumn, nullable=False),
    Column("beaten_at", InstantColumn, nullable=False),
)


@dataclass(frozen=True)
class ProcessInstance:
    """One process: ``id`` is its executor id in the queues, ``name`` is for people."""

    id: str
    name: str
    started_at: datetime
    last_heartbeat_at: datetime


def find_dead_instances(
    instances: Iterable[ProcessInstance], now: datetime, silence: timedelta = DEAD_AFTER
) -> tuple[ProcessInstance, ...]:
    """The instances without a heartbeat for ``silence``, the longest silent first."""
    found = [instance for instance in instances if now - instance.last_heartbeat_at >= silence]
    return tuple(sorted(found, key=lambda instance: (instance.last_heartbeat_at, instance.id)))


class InstanceRegistry:
    """The table of instances, as one of them uses it. Every method raises UnavailableError when the
    database does not answer."""

    def __init__(
        self, database: Database, id: str, name: str, *, silence: timedelta = DEAD_AFTER
    ) -> None:
        self.id = id
        self.locks = AdvisoryLocks(database)
        self._database = database
        self._name = name
        self._silence = silence
        self._beaten_at = self._claims_nothing_until = _NEVER

    def register(self) -> None:
        """Insert this process, replacing a row of the same id."""
        now = self._database.now
        insert = self._database.build_insert(instances_table).values(
            id=self.id, name=self._name, started_at=now, beaten_at=now
        )
        again = {"name": self._name, "started_at": now, "beaten_at": now}
        statement = insert.on_conflict_do_update(index_elements=["id"], set_=again)
        with self._database.open_transaction() as connection:
            self._beaten_at = connection.execute(
                statement.returning(instances_table.c.beaten_at)
            ).scalar_one()

    def send_heartbeat(self) -> bool:
        """Record that this process is alive. Returns False when another one claimed it as dead
        meanwhile; it is registered again then. A process that could not send heartbeats for 30
        seconds claims no dead instance for the next 30: the same cause may have silenced the
        others."""
        before = self._beaten_at
        is_registered = self._write_heartbeat()
        if not is_registered or self._beaten_at - before >= self._silence:
            self._claims_nothing_until = self._beaten_at + self._silence
        return is_registered

    def _write_heartbeat(self) -> bool:
        beaten_at = self._claim_by_heartbeat(self.id, self._beaten_at)
        if beaten_at is None:
            self.register()
            return False
        self._beaten_at = beaten_at
        return True

    def unregister(self) -> None:
        """Mark this process as dead, so that others may take over its work at once."""
        with self._database.open_transaction() as connection:
            connection.execute(
                update(instances_table)
                .where(instances_table.c.id == self.id)
                .values(beaten_at=_NEVER)
            )

    def list_instances(self) -> tuple[ProcessInstance, ...]:
        """All instances by name, dead ones included."""
        return self._list_rows()[0]

    def list_other_live_instances(self) -> tuple[ProcessInstance, ...]:
        """The other live instances, by name."""
        instances, now = self._list_rows()
        gone = find_dead_instances(instances, now, self._silence)
        return tuple(each for each in instances if each.id != self.id and each not in gone)

    def claim_dead_instances(self) -> tuple[ProcessInstance, ...]:
        """Claim dead instances for this process alone. After ``DEAD_AFTER`` without
        ``delete_claimed``, another process may claim them."""
        instances, now = self._list_rows()
        if now < self._claims_nothing_until or now - self._beaten_at >= DEAD_AFTER:
            return ()  # the next heartbeat sets ``_claims_nothing_until`` then
        gone = find_dead_instances(instances, now, self._silence)
        return tuple(
            claimed
            for each in gone
            if each.id != self.id and (claimed := self._claim(each)) is not None
        )

    def _claim(self, gone: ProcessInstance) -> ProcessInstance | None:
        """Claim an instance by a heartbeat in its name, unless it or another process sent one
        meanwhile."""
        beaten_at = self._claim_by_heartbeat(gone.id, gone.last_heartbeat_at)
        return None if beaten_at is None else replace(gone, last_heartbeat_at=beaten_at)

    def _claim_by_heartbeat(self, id: str, last: datetime) -> datetime | None:
        """Write a heartbeat and return its time; None where ``last`` is no longer the newest."""
        statement = (
            update(instances_table)
            .where(instances_table.c.id == id, instances_table.c.beaten_at == last)
            .values(beaten_at=self._database.now)
            .returning(instances_table.c.beaten_at)
        )
        with self._database.open_transaction() as connection:
            return connection.execute(statement).scalar()

    def delete_claimed(self, claimed: ProcessInstance) -> None:
        """Delete an instance whose work was taken over, unless it has sent a heartbeat since."""
        with self._database.open_transaction() as connection:
            connection.execute(
                delete(instances_table).where(
                    instances_table.c.id == claimed.id,
                    instances_table.c.beaten_at == claimed.last_heartbeat_at,
                )
            )

    def mark_dead(self, ids: Collection[str]) -> None:
        """Insert instances that never sent a heartbeat, as dead ones."""
        insert = self._database.build_insert(instances_table).on_conflict_do_nothing(
            index_elements=["id"]
        )
        rows = [
            {"id": id, "name": id, "started_at": _NEVER, "beaten_at": _NEVER} for id in sorted(ids)
        ]
        if rows:
            with self._database.open_transaction() as connection:
                connection.execute(insert, rows)

    def _list_rows(self) -> tuple[tuple[ProcessInstance, ...], datetime]:
        with self._database.open_read_transaction() as connection:
            rows = connection.execute(
                select(instances_table).order_by(instances_table.c.name, instances_table.c.id)
            ).all()
            now = connection.execute(select(self._database.now)).scalar_one()
        return tuple(ProcessInstance(*row) for row in rows), now
