"""The bridge's database: one SQLite file, or PostgreSQL with the same code.

Tables are declared on ``metadata`` by the modules that use them, and created by ``MIGRATIONS``, so
the schema depends on its version alone and not on which modules were imported.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    MetaData,
    String,
    Table,
    cast,
    create_engine,
    event,
    exc,
    func,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator

from bridge.errors import ConfigError, PermanentError, UnavailableError
from bridge.storage.connection_timeouts import add_timeouts
from bridge.storage.counting_insert import CountingInsert
from bridge.storage.database_address import parse_database_url, render_database_url
from bridge.storage.migrations import MIGRATIONS

metadata = MetaData()

_BUSY_SECONDS = 10.0
_UNAVAILABLE = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)
# idle_in_transaction_session_timeout, and read_only_sql_transaction, as after a failover:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRANSIENT = ("25P03", "25006")
_WRITES = "bridge_writes"  # execution option of a connection that is about to write
_HOLD_BRIEFLY = (  # one round trip to the server
    "SELECT set_config('idle_in_transaction_session_timeout', '30s', true),"
    " set_config('lock_timeout', '20s', true)"
)
_MIGRATION_LOCK = 0x70726F6D7074  # any constant: PostgreSQL's advisory lock is a number

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class InstantColumn(TypeDecorator[datetime]):
    """An aware time as whole microseconds since 1970 UTC: exact, and sorted alike on both
    databases."""

    impl = BigInteger
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + value * _MICROSECOND


class TextColumn(TypeDecorator[str]):
    """Text of any origin. PostgreSQL stores no NUL character, so it becomes ``\\x00``."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else value.replace("\0", "\\x00")


class Database:
    """An open database at the newest schema. Safe for threads, and for several processes.

    ``url`` is SQLAlchemy's, for instance ``sqlite:////var/lib/bridge/bridge.sqlite``. Opening
    raises ConfigError when the address makes no sense, or when the file was written by a newer
    version; UnavailableError when the database does not answer.
    """

    def __init__(self, url: str, *, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
        self._url = parse_database_url(url)
        self._engine = _engine(self._url)
        # SQLite has one writer. Threads wait for this lock instead of polling the file's.
        self._turn: AbstractContextManager[Any] = (
            threading.Lock() if self._is_sqlite else nullcontext()
        )
        try:
            self._prepare()
            self._migrate(migrations)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"Database({self.name!r})"

    @property
    def name(self) -> str:
        """The address without its password."""
        return render_database_url(self._url)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def build_insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An INSERT that can say ``on_conflict_do_update``, in this database's dialect."""
        return sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)

    def build_counting_insert(self, table: Table, *, key: str, counted: str) -> CountingInsert:
        """An insert of many rows of ``table``; the ``counted`` column of rows with the same key is
        summed."""
        return CountingInsert(table, self._engine.dialect, key=key, counted=counted)

    @property
    def now(self) -> ColumnElement[datetime]:
        """An SQL expression for the database's time, the clock that several machines share."""
        return self.subtract_from_now(timedelta())

    def subtract_from_now(self, past: timedelta) -> ColumnElement[datetime]:
        """An SQL expression for ``past`` before ``now``."""
        if self._is_sqlite:  # it counts in days
            since_1970 = (func.julianday("now") - 2440587.5) * 86_400_000_000
        else:
            since_1970 = func.extract("epoch", func.clock_timestamp()) * 1_000_000
        return type_coerce(cast(since_1970, BigInteger) - past // _MICROSECOND, InstantColumn)

    @contextmanager
    def open_transaction(self) -> Iterator[Connection]:
        """A transaction that writes: committed to disk when the block ends, rolled back when it
        raises.

        Raises UnavailableError when the database is locked, full or gone, and PermanentError when
        it refuses.
        """
        with self._turn, self._translated(), self._engine.connect() as connection:
            connection = connection.execution_options(**{_WRITES: True})
            with connection.begin():
                self._hold_briefly(connection)
                yield connection

    def _hold_briefly(self, connection: Connection) -> None:
        """Limit for how long a frozen process holds locks. Set in each transaction, as a connection
        pooler may give the session to another client afterwards."""
        if not self._is_sqlite:
            connection.exec_driver_sql(_HOLD_BRIEFLY)

    def lock_until_commit(self, connection: Connection, name: str) -> None:
        """Hold the lock of this name until the transaction ends, so that transactions that count
        and then write run one after the other."""
        if not self._is_sqlite:  # SQLite has one writer anyway
            connection.execute(select(func.pg_advisory_xact_lock(_lock_of(name))))

    @contextmanager
    def try_advisory_lock(self, name: str) -> Iterator[bool]:
        """A block whose value says whether no other process is inside a block of this name. Always
        True on SQLite, where the processes repeat each other's work at worst."""
        if self._is_sqlite:
            yield True
            return
        with (
            self.open_read_transaction() as connection
        ):  # a transaction's lock works through every pooler
            self._hold_briefly(connection)
            lock = select(func.pg_try_advisory_xact_lock(_lock_of(name)))
            yield bool(connection.execute(lock).scalar())

    @contextmanager
    def open_read_transaction(self) -> Iterator[Connection]:
        """A transaction that reads one consistent state and waits for no writer. Raises as
        ``open_transaction`` does."""
        with self._translated(), self._engine.connect() as connection:
            if not self._is_sqlite:  # each statement would see what was written just before it
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection. Closing twice is harmless."""
        self._engine.dispose()

    @property
    def _is_sqlite(self) -> bool:
        return self.dialect == "sqlite"

    def _prepare(self) -> None:
        if not self._is_sqlite:
            return
        _make_folder_of(self._url)
        with self._translated():
            _switch_to_write_ahead_log(self._engine, self.name)

    def _migrate(self, migrations: Sequence[Sequence[str]]) -> None:
        with self.open_transaction() as connection:
            if not self._is_sqlite:  # there BEGIN IMMEDIATE holds the lock already
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")  # others may take long
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            version = _schema_version(connection)
            _reject_newer_schema(self.name, version, len(migrations))
            for statement in (one for step in migrations[version:] for one in step):
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql(f"UPDATE schema_version SET version = {len(migrations)}")

    def _translated(self) -> AbstractContextManager[None]:
        return _translated(self.name)


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except (*_UNAVAILABLE, exc.DatabaseError, sqlite3.DatabaseError) as error:
        raise _translate_error(name, error) from error


def _translate_error(name: str, error: Exception) -> UnavailableError | PermanentError:
    passing = (*_UNAVAILABLE, sqlite3.OperationalError)
    if isinstance(error, passing) or _sqlstate(error) in _TRANSIENT:
        return UnavailableError(
            f"The database {name} did not do its work ({_reason(error)}). "
            "It may pass; if it lasts, check the disk, or the server."
        )
    return PermanentError(
        f"The database {name} refused ({_reason(error)}). If it is damaged, move it "
        "away: the bridge makes a new one and loses history, not correctness."
    )


def check_connection(url: str) -> str:
    """Connect to a server and change nothing; returns the address without its password. Raises as
    opening a Database does."""
    address = parse_database_url(url)
    name, engine = render_database_url(address), _engine(address)
    try:
        with _translated(name), engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
    finally:
        engine.dispose()
    return name


def check_sqlite_file(path: Path) -> None:
    """Open an SQLite file, if there is one, and read its tables, without a change. Raises ConfigError
    where it, or its folder, may not be written or has a schema of a newer version; else as opening
    a Database does."""
    if not path.exists():
        _require_writable(next(each for each in path.parents if each.exists()), path)
        return
    with _translated(str(path)):
        address = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            query = "SELECT max(version) FROM schema_version"
            rows = connection.execute(query).fetchall() if "schema_version" in tables else []
    _reject_newer_schema(str(path), max((version or 0 for (version,) in rows), default=0))
    _require_writable(path, path)
    _require_writable(path.parent, path)


def _require_writable(place: Path, database: Path) -> None:
    if place != database and not place.is_dir():
        raise ConfigError(f"The database {database} cannot be made: {place} is not a folder.")
    if not os.access(place, os.W_OK):
        raise ConfigError(f"The database {database} cannot be written: {place} may not be.")


def _reject_newer_schema(name: str, version: int, known: int = len(MIGRATIONS)) -> None:
    if version > known:
        raise ConfigError(
            f"The database {name} has schema version {version}, and this bridge knows "
            f"{known} at most. Upgrade the bridge, or give it another database."
        )


def _lock_of(name: str) -> int:
    """The number of a lock: PostgreSQL's advisory locks are signed 64-bit integers
    (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS)."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _engine(url: URL) -> Engine:
    try:
        engine = create_engine(add_timeouts(url), pool_pre_ping=url.get_backend_name() != "sqlite")
    except (ModuleNotFoundError, exc.ArgumentError) as error:
        raise ConfigError(
            f"The bridge has no driver for {url.drivername}. Expected an address such as"
            " postgresql://user:password@host/name."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin by itself, and too late
    connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    # A deferred transaction that turns into a writer can fail at once, whatever the time-out.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_folder_of(url: URL) -> None:
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {folder} for the database cannot be made ({error.strerror})."
        ) from error


def _switch_to_write_ahead_log(engine: Engine, name: str) -> None:
    """Switch to WAL mode (https://www.sqlite.org/wal.html). SQLite ignores busy_timeout for this
    statement, so it is retried while other processes start."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            mode = _ask_for_write_ahead_log(engine)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            break
    if mode != "wal":
        raise ConfigError(
            f"The file system of {name} cannot hold a write-ahead log. Put it on a local disk."
        )


def _ask_for_write_ahead_log(engine: Engine) -> str:
    connection = engine.raw_connection()  # the mode cannot be changed inside a transaction
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        (mode,) = cursor.fetchall()
        return str(mode[0])
    finally:
        connection.close()


def _schema_version(connection: Connection) -> int:
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"
    )
    version = connection.exec_driver_sql("SELECT version FROM schema_version").scalar()
    if version is None:
        connection.exec_driver_sql("INSERT INTO schema_version (version) VALUES (0)")
    return int(version or 0)


def _reason(error: Exception) -> str:
    """The driver's message; SQLAlchemy's would add the statement and its parameters."""
    if isinstance(error, exc.SQLAlchemyError):
        return str(getattr(error, "orig", None) or type(error).__name__)
    return str(error)


def _sqlstate(error: Exception) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)
