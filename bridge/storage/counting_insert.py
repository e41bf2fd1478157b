"""Storing many deliveries with one statement, which also counts those that are there already.

The statement is text, made once for each number of rows: SQLAlchemy would take as long to build it
as the database takes to carry it out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table

_TEXTS = 64  # statements remembered, of so many rows each

_Value = Callable[[Any], Any]


class CountingInsert:
    """Rows of ``table`` into one kind of database. A row whose key is there already is not
    stored: its ``counted`` is added to that of the one there."""

    def __init__(self, table: Table, dialect: Dialect, *, key: str, counted: str) -> None:
        self._values = tuple(
            (column.name, _to_database(column.type, dialect)) for column in table.c
        )
        names = ", ".join(name for name, _ in self._values)
        place = "?" if dialect.paramstyle == "qmark" else "%s"
        row = f"({', '.join([place] * len(self._values))})"
        self._begin = f"INSERT INTO {table.name} ({names}) VALUES "
        self._row = row
        self._end = (
            f" ON CONFLICT ({key}) DO UPDATE SET {counted} ="
            f" {table.name}.{counted} + excluded.{counted} RETURNING {key}, {counted}"
        )
        self._text = lru_cache(_TEXTS)(self._written)

    def store(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Key and count of each row as it is now, in no particular order. Atomic on its own, so
        that of processes that share a database only one takes a row for the first."""
        parameters = tuple(
            value(row[name]) if value else row[name] for row in rows for name, value in self._values
        )
        return list(connection.exec_driver_sql(self._text(len(rows)), parameters))

    def _written(self, count: int) -> str:
        return self._begin + ", ".join([self._row] * count) + self._end


def _to_database(type_: Any, dialect: Dialect) -> _Value | None:
    """How a value becomes one that the driver takes; None where it is that already."""
    made: _Value | None = type_.dialect_impl(dialect).bind_processor(dialect)
    return made
