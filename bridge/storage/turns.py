"""Turns: what one of several processes does, and the others then need not."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

from sqlalchemy import Column, String, Table

from bridge.storage.database import Database, Instant, metadata

turns = Table(
    "turns",
    metadata,
    Column("name", String, primary_key=True),
    Column("taken_at", Instant, nullable=False),
)


class Turns:
    """By the database's clock, as those of several machines differ."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, unless_within: timedelta) -> bool:
        """Whether it is this process' turn: nobody took it in the time before. Exactly one of
        several that ask at once is told so."""
        now = {"taken_at": self._database.now}
        statement = (
            self._database.insert(turns)
            .values(name=name, **now)
            .on_conflict_do_update(
                index_elements=["name"],
                set_=now,
                where=turns.c.taken_at <= self._database.ago(unless_within),
            )
        )
        with self._database.transaction() as connection:
            taken = connection.execute(statement.returning(turns.c.name)).scalar()
        return taken is not None

    def alone(self, name: str) -> AbstractContextManager[bool]:
        """Whether this process is to do something now, while no other does."""
        return self._database.alone(name)
