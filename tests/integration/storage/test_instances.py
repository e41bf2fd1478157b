"""Who shares the database, who is gone, and whose turn it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from bridge.engine.heartbeat import HeartbeatLoop
from bridge.storage.advisory_locks import AdvisoryLocks
from bridge.storage.database import Database
from bridge.storage.instances import (
    DEAD_AFTER,
    InstanceRegistry,
    ProcessInstance,
    find_dead_instances,
    instances_table,
)
from tests.standins.postgresql import PostgreSQL

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
AT_ONCE, A_WHILE = timedelta(), timedelta(minutes=3)

Join = Callable[..., InstanceRegistry]


@pytest.fixture
def join(database: Database) -> Join:
    def join(id: str, silence: timedelta = DEAD_AFTER) -> InstanceRegistry:
        joined = InstanceRegistry(database, id, f"the {id}", silence=silence)
        joined.register()
        return joined

    return join


def names(found: tuple[ProcessInstance, ...]) -> list[str]:
    return [instance.id for instance in found]


# Who is gone


@given(st.lists(st.integers(0, 120), max_size=8))
def test_dead_is_who_was_silent_for_long_and_nobody_else(ages: list[int]) -> None:
    everyone = [
        ProcessInstance(str(number), "", NOON, NOON - timedelta(seconds=age))
        for number, age in enumerate(ages)
    ]

    gone = find_dead_instances(everyone, NOON)

    assert {int(instance.id) for instance in gone} == {n for n, age in enumerate(ages) if age >= 30}
    assert list(gone) == sorted(
        gone, key=lambda instance: (instance.last_heartbeat_at, instance.id)
    )


def test_who_joins_lives_until_it_is_silent(join: Join) -> None:
    first, second = join("first"), join("second")

    assert names(first.list_instances()) == ["first", "second"]
    assert names(first.list_other_live_instances()) == ["second"]
    assert second.claim_dead_instances() == ()


def test_who_leaves_is_taken_over_at_once(join: Join) -> None:
    first, second = join("first"), join("second")

    first.unregister()

    assert second.list_other_live_instances() == ()
    assert names(second.claim_dead_instances()) == ["first"]


def test_a_restart_of_the_same_id_is_the_same_member(join: Join) -> None:
    first = join("first")
    first.unregister()

    again = join("first")

    assert names(again.list_instances()) == ["first"]
    assert again.send_heartbeat()


def test_nobody_takes_over_from_itself(join: Join) -> None:
    alone = join("alone", AT_ONCE)

    assert alone.claim_dead_instances() == ()


def test_exactly_one_takes_over(join: Join, same_database: list[Database]) -> None:
    join("dead").unregister()
    heirs = [
        InstanceRegistry(database, f"heir {number}", "heir")
        for number, database in enumerate(same_database)
    ]
    for heir in heirs:
        heir.register()

    with ThreadPoolExecutor(len(heirs)) as threads:
        claimed = list(threads.map(lambda heir: heir.claim_dead_instances(), heirs))

    assert [names(each) for each in claimed if each] == [["dead"]]


def test_an_heir_that_dies_too_is_followed_by_another(join: Join) -> None:
    join("dead").unregister()
    assert names(join("first heir").claim_dead_instances()) == ["dead"]

    assert names(join("second heir").claim_dead_instances()) == []
    assert "dead" in names(join("third heir", AT_ONCE).claim_dead_instances())


def test_who_was_taken_over_is_forgotten(join: Join) -> None:
    join("dead").unregister()
    heir = join("heir")
    (gone,) = heir.claim_dead_instances()

    heir.delete_claimed(gone)

    assert names(heir.list_instances()) == ["heir"]


def test_who_was_paused_notices_and_is_a_member_again(join: Join) -> None:
    paused, heir = join("paused"), join("heir", AT_ONCE)
    (gone,) = heir.claim_dead_instances()

    assert not paused.send_heartbeat()
    assert paused.send_heartbeat()
    heir.delete_claimed(gone)

    assert names(heir.list_instances()) == ["heir", "paused"]


def test_after_an_outage_of_the_database_nobody_takes_the_others_for_dead(
    join: Join, database: Database
) -> None:
    first, second = join("first"), join("second")
    with database.open_transaction() as connection:
        at = connection.execute(
            update(instances_table).values(beaten_at=LONG_AGO).returning(instances_table)
        ).all()
    first._beaten_at = second._beaten_at = at[0].beaten_at

    assert first.claim_dead_instances() == ()
    assert first.send_heartbeat()
    assert first.claim_dead_instances() == ()
    assert second.send_heartbeat()
    assert second.claim_dead_instances() == ()


def test_who_never_beat_is_taken_over_like_the_dead(join: Join) -> None:
    heir = join("heir")

    heir.mark_dead({"an older release", "heir"})

    assert names(heir.claim_dead_instances()) == ["an older release"]
    assert heir.send_heartbeat()


# The pulse


def test_the_pulse_takes_over_and_forgets(join: Join) -> None:
    join("dead").unregister()
    heir, taken = join("heir"), list[str]()

    HeartbeatLoop(heir, taken.append).take_over_dead_instances()

    assert taken == ["dead"]
    assert names(heir.list_instances()) == ["heir"]


def test_what_could_not_be_taken_over_is_left_to_another(join: Join) -> None:
    join("dead").unregister()

    def fail(executor: str) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        HeartbeatLoop(join("heir"), fail).take_over_dead_instances()

    taken: list[str] = []
    HeartbeatLoop(join("other", AT_ONCE), taken.append).take_over_dead_instances()
    assert "dead" in taken


def test_who_cannot_work_only_beats(join: Join) -> None:
    join("dead").unregister()
    door = join("door")

    heartbeat = HeartbeatLoop(door)
    heartbeat.send()
    heartbeat.take_over_dead_instances()

    assert names(door.list_instances()) == ["dead", "door"]


# Turns


def test_a_turn_is_one_processs_for_a_while(same_database: list[Database]) -> None:
    with ThreadPoolExecutor(len(same_database)) as threads:
        told = list(
            threads.map(
                lambda one: AdvisoryLocks(one).try_acquire_turn("sweep", A_WHILE), same_database
            )
        )

    assert sorted(told) == [False] * 7 + [True]


def test_the_next_turn_comes_when_the_time_is_up(database: Database) -> None:
    locks = AdvisoryLocks(database)

    assert locks.try_acquire_turn("sweep", A_WHILE)
    assert locks.try_acquire_turn("take up", A_WHILE)
    assert not locks.try_acquire_turn("sweep", A_WHILE)
    assert locks.try_acquire_turn("sweep", AT_ONCE)


def test_only_one_of_several_is_alone(postgresql: PostgreSQL) -> None:
    url = postgresql.new_schema()
    with closing(Database(url)) as one, closing(Database(url)) as other:
        with (
            AdvisoryLocks(one).try_hold("dispatch") as first,
            AdvisoryLocks(other).try_hold("dispatch") as second,
            AdvisoryLocks(other).try_hold("something else") as third,
        ):
            assert (first, second, third) == (True, False, True)

        with AdvisoryLocks(other).try_hold("dispatch") as later:
            assert later
