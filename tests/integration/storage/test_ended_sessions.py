"""Ended sessions: known to every process, and forgotten when they would be over anyway."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import select

from bridge.storage.database import Database
from bridge.storage.ended_sessions import EndedSessionStore, ended_sessions_table
from tests.integration.manual_clock import ManualClock
from tests.integration.sample_deliveries import NOON

HOUR = 3600.0
TONIGHT = NOON + timedelta(hours=12)


def kept(database: Database) -> set[str]:
    with database.open_read_transaction() as connection:
        return set(connection.execute(select(ended_sessions_table.c.session)).scalars())


def test_what_one_process_ends_is_ended_for_all_and_the_others_go_on(
    same_database: list[Database], clock: ManualClock
) -> None:
    here, there = (EndedSessionStore(database, clock) for database in same_database[:2])

    here.end("one", TONIGHT)

    assert [there.is_ended("one"), there.is_ended("another")] == [True, False]


def test_a_session_may_end_in_all_processes_at_once(
    same_database: list[Database], clock: ManualClock
) -> None:
    processes = [EndedSessionStore(database, clock) for database in same_database]
    for number in range(20):
        processes[0].end(f"old {number}", NOON)
    clock.advance(2 * HOUR)

    with ThreadPoolExecutor(len(processes)) as threads:
        list(threads.map(lambda each: each.end("one", TONIGHT), processes))

    assert len(kept(same_database[0])) == 1
    assert processes[0].is_ended("one")


def test_an_ended_session_stays_ended_as_long_as_any_clock_may_let_it_in(
    database: Database, clock: ManualClock
) -> None:
    ended = EndedSessionStore(database, clock)
    ended.end("one", TONIGHT)
    clock.advance(12 * HOUR + 1800)

    ended.end("another", TONIGHT + timedelta(days=1))

    assert ended.is_ended("one"), "the clock of another machine may be behind"


def test_an_ended_session_is_forgotten_once_it_would_be_over(
    database: Database, clock: ManualClock
) -> None:
    ended = EndedSessionStore(database, clock)
    ended.end("one", TONIGHT)
    clock.advance(14 * HOUR)

    ended.end("another", TONIGHT + timedelta(days=1))

    assert [ended.is_ended("one"), ended.is_ended("another")] == [False, True]
    assert len(kept(database)) == 1


def test_who_reads_the_table_learns_no_token(database: Database, clock: ManualClock) -> None:
    EndedSessionStore(database, clock).end("a token", TONIGHT)

    (row,) = kept(database)
    assert "token" not in row
