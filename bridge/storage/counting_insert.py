"""Insert many rows with one statement, which counts the rows that exist already.

The statement is text, cached by the number of rows: building it with SQLAlchemy would take as long
as the database takes to run it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table

_TEXTS = 64  # cached statements, one for each number of rows

_Value = Callable[[Any], Any]


class CountingInsert:
    """An insert into ``table``. A row whose key exists already is not inserted: its ``counted``
    column is added to that of the existing row."""

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
        """Insert the rows; returns the key and new count of each, in no particular order. One
        atomic statement, so of several processes exactly one gets a row's first count."""
        parameters = tuple(
            value(row[name]) if value else row[name] for row in rows for name, value in self._values
        )
        return list(connection.exec_driver_sql(self._text(len(rows)), parameters))

    def _written(self, count: int) -> str:
        return self._begin + ", ".join([self._row] * count) + self._end


def _to_database(type_: Any, dialect: Dialect) -> _Value | None:
    """The conversion of a column's value for the driver; None where the driver takes it as it
    is."""
    made: _Value | None = type_.dialect_impl(dialect).bind_processor(dialect)
    return made
