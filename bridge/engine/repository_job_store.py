"""Store the repository jobs of each delivery. A delivery is done once all of its jobs are."""

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
    """The repository jobs of one database. Safe for threads and for several processes. Every method
    raises UnavailableError when the database does not answer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def request(
        self, jobs: Mapping[str, Collection[RepositoryJob]], deliveries: Collection[Delivery]
    ) -> None:
        """Store the jobs (by the id of the delivery) that new deliveries ask for. A delivery that is
        dispatched again after a crash leaves its settled jobs settled; one that a person made new
        again requests all of them again."""
        requested_at = {d.id: d.changed_at or d.received_at for d in deliveries}
        rows = [
            {
                "delivery_id": id,
                "mapping": job.mapping,
                "kind": str(job.kind),
                "asked_at": requested_at[id],
                "settled_at": None,
                "problem": None,
            }
            for id, some in jobs.items()
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
        """Mark new deliveries as dispatched once all their jobs are enqueued, or as done where these
        are settled by then."""
        values = {"state": DeliveryState.DISPATCHED, "outcome": None, "changed_at": self._clock()}
        with self._database.open_transaction() as connection:
            for id in sorted(ids):
                new = deliveries_table.c.id == id, deliveries_table.c.state == DeliveryState.NEW
                connection.execute(update(deliveries_table).where(*new).values(**values))
                self._close(connection, id)

    def record_result(
        self, job: RepositoryJob, deduplication_key: str, problem: str | None = None
    ) -> None:
        """Settle a job: as done, or with a ``problem`` that a person has to solve."""
        self._write(job, deduplication_key, problem, self._clock())

    def postpone(self, job: RepositoryJob, deduplication_key: str, reason: str) -> None:
        """Record why a job has to be tried again."""
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
        """Write the jobs' state to their delivery."""
        # Without the lock, two transactions that settle its last jobs would each read the other's as
        # unsettled.
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
