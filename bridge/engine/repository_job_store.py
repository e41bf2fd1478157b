"""What came of the errands of each delivery: it is done when all of them are, and not before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, select, update

from bridge.engine.repository_jobs import RepositoryJob, parse_delivery_id
from bridge.storage.database import Database
from bridge.storage.delivery_state import DeliveryState
from bridge.storage.inbox import Clock, Delivery, deliveries_table
from bridge.storage.reconcile_tables import repository_jobs_table

FOLLOWED = "followed"


class RepositoryJobStore:
    """The errands of one database. Safe for threads and for several processes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def request(
        self, asked: Mapping[str, Collection[RepositoryJob]], fresh: Collection[Delivery]
    ) -> None:
        """Note the errands that deliveries ask for. Of a delivery that is dispatched again after a
        crash, what is settled stays; one that was made new again asks anew."""
        occasions = {d.id: d.changed_at or d.received_at for d in fresh}
        rows = [
            {
                "delivery_id": id,
                "mapping": job.mapping,
                "kind": str(job.kind),
                "asked_at": occasions[id],
                "settled_at": None,
                "problem": None,
            }
            for id, some in asked.items()
            for job in some
        ]
        if not rows:
            return
        insert = self._database.build_insert(repository_jobs_table)
        again = insert.on_conflict_do_update(
            index_elements=["delivery_id", "mapping", "kind"],
            set_={"asked_at": insert.excluded.asked_at, "settled_at": None, "problem": None},
            where=repository_jobs_table.c.asked_at != insert.excluded.asked_at,
        )
        with self._database.open_transaction() as connection:
            connection.execute(again, rows)

    def mark_dispatched(self, ids: Collection[str]) -> None:
        """Note of new deliveries that all of their errands were sent. Some may be done already."""
        values = {"state": DeliveryState.DISPATCHED, "outcome": None, "changed_at": self._clock()}
        with self._database.open_transaction() as connection:
            for id in sorted(ids):
                new = deliveries_table.c.id == id, deliveries_table.c.state == DeliveryState.NEW
                connection.execute(update(deliveries_table).where(*new).values(**values))
                self._close(connection, id)

    def record_result(
        self, job: RepositoryJob, deduplication_key: str, problem: str | None = None
    ) -> None:
        """Note that an errand is over: well, or with a ``problem`` that a person has to mend."""
        self._write(job, deduplication_key, problem, self._clock())

    def postpone(self, job: RepositoryJob, deduplication_key: str, reason: str) -> None:
        """Note why an errand has to be tried again."""
        self._write(job, deduplication_key, reason, None)

    def _write(
        self,
        job: RepositoryJob,
        deduplication_key: str,
        problem: str | None,
        settled_at: datetime | None,
    ) -> None:
        id = parse_delivery_id(deduplication_key)
        ours = (
            repository_jobs_table.c.delivery_id == id,
            repository_jobs_table.c.mapping == job.mapping,
            repository_jobs_table.c.kind == str(job.kind),
        )
        with self._database.open_transaction() as connection:
            values = {"problem": problem, "settled_at": settled_at}
            connection.execute(update(repository_jobs_table).where(*ours).values(**values))
            self._close(connection, id)

    def _close(self, connection: Connection, id: str) -> None:
        """Say on the delivery what is known: it is done when every errand is."""
        # Two that settle its last errands at once must not each find the other's still open.
        mine = select(deliveries_table.c.id).where(deliveries_table.c.id == id)
        connection.execute(mine.with_for_update())
        rows = connection.execute(
            select(repository_jobs_table).where(repository_jobs_table.c.delivery_id == id)
        ).all()
        if not rows:
            return
        problems = "; ".join(dict.fromkeys(row.problem for row in rows if row.problem))
        values: dict[str, object] = {"outcome": f"waits: {problems}" if problems else None}
        if all(row.settled_at is not None for row in rows):
            state = DeliveryState.PARKED if problems else DeliveryState.DONE
            values = {"state": state, "outcome": problems or FOLLOWED, "changed_at": self._clock()}
        asked = deliveries_table.c.id == id, deliveries_table.c.state != DeliveryState.NEW
        connection.execute(update(deliveries_table).where(*asked).values(**values))
