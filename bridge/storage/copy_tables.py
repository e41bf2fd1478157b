"""Copy all rows from one database to another, in one transaction: all of them, or none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, select

from bridge.errors import ConfigError, PermanentError
from bridge.progress import ProgressCallback
from bridge.storage.database import Database
from bridge.storage.instances import InstanceRegistry
from bridge.storage.migrations import MIGRATIONS

_ROWS_AT_ONCE = 1000
_INSTANCE_TABLES = {"members", "turns", "reservations"}  # rows of running processes


def list_copied_tables() -> tuple[str, ...]:
    """The tables whose rows are copied. DBOS' own are not: pending reconciles are in the bridge's
    tables, and every start enqueues them."""
    statements = [statement for step in MIGRATIONS for statement in step]
    made = [name for one in statements for name in re.findall(r"CREATE TABLE (\w+)", one)]
    gone = {name for one in statements for name in re.findall(r"DROP TABLE (\w+)", one)}
    return tuple(name for name in made if name not in gone | _INSTANCE_TABLES)


def copy_tables(source: Database, target: Database, tell: ProgressCallback) -> dict[str, int]:
    """Copy every row; returns how many by table. Raises ConfigError when a bridge runs on either
    database or the target has rows already, PermanentError when the counts differ afterwards. An
    error or an interruption leaves the target unchanged."""
    _require_no_live_instance(source)
    _require_no_live_instance(target)
    with source.open_read_transaction() as reading, target.open_transaction() as writing:
        tables = _tables(reading)
        _refuse_if_not_empty(target, writing, tables)
        counts = {table.name: _copy(table, reading, writing, tell) for table in tables}
        _require_no_live_instance(source)
        for table in tables:
            _compare(table, reading, writing)
    return counts


def _require_no_live_instance(database: Database) -> None:
    living = InstanceRegistry(database, "copy", "copy").list_other_live_instances()
    if living:
        names = ", ".join(instance.name for instance in living)
        raise ConfigError(
            f"A bridge runs on {database.name}: {names}. End it first; one that was killed counts"
            " as running for half a minute."
        )


def _tables(connection: Connection) -> list[Table]:
    """The copied tables, with the columns that they have in the source."""
    found = MetaData()
    found.reflect(connection, only=list_copied_tables())
    return [found.tables[name] for name in list_copied_tables()]


def _refuse_if_not_empty(target: Database, writing: Connection, tables: Iterable[Table]) -> None:
    full = [table.name for table in tables if _count(table, writing)]
    if full:
        raise ConfigError(
            f"{target.name} is not empty: there are rows in {', '.join(full)}. Nothing was copied;"
            " give an empty database."
        )


def _copy(table: Table, reading: Connection, writing: Connection, tell: ProgressCallback) -> int:
    total, done = _count(table, reading), 0
    tell(table.name, done, total)
    rows = reading.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(table))
    for batch in rows.partitions():
        writing.execute(table.insert(), list(_storable(rows.keys(), batch)))
        done += len(batch)
        tell(table.name, done, total)
    return done


def _storable(names: Iterable[str], batch: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """The rows without NUL characters, which PostgreSQL does not store in text and older releases
    wrote to SQLite (https://www.postgresql.org/docs/current/datatype-character.html)."""
    names = tuple(names)
    for row in batch:
        yield {
            name: value.replace("\0", "\\x00") if isinstance(value, str) else value
            for name, value in zip(names, row, strict=True)
        }


def _compare(table: Table, reading: Connection, writing: Connection) -> None:
    there, here = _count(table, reading), _count(table, writing)
    if there != here:
        raise PermanentError(
            f"{here} rows of {table.name} arrived, and {there} were sent. Nothing was kept; copy"
            " again while nobody else writes."
        )


def _count(table: Table, connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
