"""The database: opened by several processes, upgraded once, refused when it is newer than us."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect

import bridge.storage.inbox  # noqa: F401 - declares its tables
from bridge.errors import BridgeError, ConfigError, PermanentError, UnavailableError
from bridge.storage.database import Database, metadata
from bridge.storage.migrations import MIGRATIONS
from tests.standins.postgresql import PostgreSQL

SPAWN = multiprocessing.get_context("spawn")


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder}/data/bridge.sqlite"


def open_and_close(url: str) -> None:
    Database(url).close()


def test_the_migrations_make_the_declared_tables(database: Database) -> None:
    with database.open_read_transaction() as connection:
        inspector = inspect(connection)
        made = {
            name: [column["name"] for column in inspector.get_columns(name)]
            for name in inspector.get_table_names()
        }

    declared = {name: list(table.c.keys()) for name, table in metadata.tables.items()}
    assert {name: made.get(name) for name in declared} == declared


def test_every_commit_reaches_the_disk_before_it_returns(tmp_path: Path) -> None:
    database = Database(url_in(tmp_path))
    with database.open_read_transaction() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.close()

    full = 2
    assert settings == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


def test_a_migration_runs_once_however_many_processes_open_the_database(database_url: str) -> None:
    processes = [SPAWN.Process(target=open_and_close, args=(database_url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0, 0]


def test_an_older_database_gets_the_missing_migrations_only(database_url: str) -> None:
    older, newer = [["CREATE TABLE a (x TEXT)"]], [["CREATE TABLE b (x TEXT)"]]
    Database(database_url, migrations=older).close()

    database = Database(database_url, migrations=older + newer)

    with database.open_read_transaction() as connection:
        assert {"a", "b"} <= set(inspect(connection).get_table_names())
    database.close()


def test_a_migration_that_fails_leaves_nothing_behind(database_url: str) -> None:
    with pytest.raises(BridgeError, match="syntax"):
        Database(database_url, migrations=[["CREATE TABLE a (x TEXT)", "CREATE nonsense"]])

    database = Database(database_url, migrations=[["CREATE TABLE a (x TEXT)"]])
    database.close()


def test_a_database_of_a_newer_bridge_is_left_alone(database_url: str) -> None:
    Database(database_url, migrations=[*MIGRATIONS, ["CREATE TABLE later (x TEXT)"]]).close()

    with pytest.raises(ConfigError, match="Upgrade the bridge"):
        Database(database_url)


def test_a_file_that_is_no_database_is_reported_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "data" / "bridge.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"a letter to my aunt\n" * 100)

    with pytest.raises(PermanentError, match="not a database"):
        Database(url_in(tmp_path))

    assert file.read_bytes().startswith(b"a letter")


def test_a_server_that_restarts_is_told_as_unavailable_and_used_again(
    postgresql: PostgreSQL,
) -> None:
    database = Database(postgresql.new_schema(), migrations=[["CREATE TABLE a (x TEXT)"]])

    def write() -> None:
        with database.open_transaction() as connection:
            connection.exec_driver_sql("INSERT INTO a VALUES ('once')")

    postgresql.stop()
    with pytest.raises(UnavailableError, match="did not do its work"):
        write()
    postgresql.start()
    write()

    with database.open_read_transaction() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM a").scalar() == 1
    database.close()


def test_who_is_frozen_in_a_transaction_holds_its_locks_for_half_a_minute(
    postgresql: PostgreSQL,
) -> None:
    with closing(Database(postgresql.new_database())) as database:
        blocks = (database.open_transaction(), database._engine.connect())
        with blocks[0] as writing, blocks[1] as later:
            limits = {
                name: [one.exec_driver_sql(f"SHOW {name}").scalar() for one in (writing, later)]
                for name in ("idle_in_transaction_session_timeout", "lock_timeout")
            }

    assert limits == {
        "idle_in_transaction_session_timeout": ["30s", "0"],
        "lock_timeout": ["20s", "0"],
    }


@pytest.mark.parametrize(
    ("setting", "asleep"),
    [("idle_in_transaction_session_timeout = '50ms'", 0.3), ("transaction_read_only = on", 0)],
)
def test_a_server_that_lost_patience_or_only_lets_read_is_unavailable_and_nothing_worse(
    postgresql: PostgreSQL, setting: str, asleep: float
) -> None:
    migrations = [["CREATE TABLE a (x TEXT)"]]
    with closing(Database(postgresql.new_schema(), migrations=migrations)) as database:

        def write() -> None:
            with database.open_transaction() as connection:
                connection.exec_driver_sql(f"SET LOCAL {setting}")
                time.sleep(asleep)
                connection.exec_driver_sql("INSERT INTO a VALUES ('once')")

        with pytest.raises(UnavailableError, match="did not do its work"):
            write()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://", "has to be a file"),
        ("sqlite:///:memory:", "has to be a file"),
        ("mysql://user:hunter2@db/bridge", "not in mysql"),
        ("not an address hunter2", "cannot be read"),
        ("sqlite:////proc/nowhere/bridge.sqlite", "cannot be made"),
    ],
)
def test_an_address_that_makes_no_sense_is_a_mistake_in_the_config(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as raised:
        Database(url)

    assert "hunter2" not in str(raised.value)


def test_who_reads_sees_one_state_whatever_is_written_meanwhile(database_url: str) -> None:
    with closing(Database(database_url, migrations=[["CREATE TABLE a (x TEXT)"]])) as database:
        with database.open_read_transaction() as reading:
            seen = [reading.exec_driver_sql("SELECT count(*) FROM a").scalar()]
            with database.open_transaction() as writing:
                writing.exec_driver_sql("INSERT INTO a VALUES ('later')")
            seen.append(reading.exec_driver_sql("SELECT count(*) FROM a").scalar())

        with database.open_read_transaction() as reading:
            seen.append(reading.exec_driver_sql("SELECT count(*) FROM a").scalar())

    assert seen == [0, 0, 1]


def test_what_a_raising_block_wrote_is_undone(database_url: str) -> None:
    database = Database(database_url, migrations=[["CREATE TABLE a (x TEXT)"]])

    def write_half() -> None:
        with database.open_transaction() as connection:
            connection.exec_driver_sql("INSERT INTO a VALUES ('half')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    with database.open_read_transaction() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM a").scalar() == 0
    database.close()
