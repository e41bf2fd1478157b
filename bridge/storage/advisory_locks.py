"""Let one of several processes do what the others then skip."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

from sqlalchemy import Column, String, Table

from bridge.storage.database import Database, InstantColumn, metadata

turns_table = Table(
    "turns",
    metadata,
    Column("name", String, primary_key=True),
    Column("taken_at", InstantColumn, nullable=False),
)


class AdvisoryLocks:
    """Turns and locks over one database. Turns go by the database's clock, as those of several
    machines differ."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def try_acquire_turn(self, name: str, unless_within: timedelta) -> bool:
        """Take the turn of this name, unless another process took it within the time before. Of
        several that call at once, one gets True."""
        now = {"taken_at": self._database.now}
        statement = (
            self._database.build_insert(turns_table)
            .values(name=name, **now)
            .on_conflict_do_update(
                index_elements=["name"],
                set_=now,
                where=turns_table.c.taken_at <= self._database.subtract_from_now(unless_within),
            )
        )
        with self._database.open_transaction() as connection:
            taken = connection.execute(statement.returning(turns_table.c.name)).scalar()
        return taken is not None

    def try_hold(self, name: str) -> AbstractContextManager[bool]:
        """A block whose value says whether this process may do the named work, which no other
        process does meanwhile."""
        return self._database.try_advisory_lock(name)
