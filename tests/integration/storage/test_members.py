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

from bridge.engine.pulse import Pulse
from bridge.storage.database import Database
from bridge.storage.members import SILENCE, Member, Members, members, silent
from bridge.storage.turns import Turns
from tests.standins.postgresql import PostgreSQL

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
AT_ONCE, A_WHILE = timedelta(), timedelta(minutes=3)

Join = Callable[..., Members]


@pytest.fixture
def join(database: Database) -> Join:
    def join(id: str, silence: timedelta = SILENCE) -> Members:
        joined = Members(database, id, f"the {id}", silence=silence)
        joined.join()
        return joined

    return join


def names(found: tuple[Member, ...]) -> list[str]:
    return [member.id for member in found]


# Who is gone


@given(st.lists(st.integers(0, 120), max_size=8))
def test_dead_is_who_was_silent_for_long_and_nobody_else(ages: list[int]) -> None:
    everyone = [
        Member(str(number), "", NOON, NOON - timedelta(seconds=age))
        for number, age in enumerate(ages)
    ]

    gone = silent(everyone, NOON)

    assert {int(member.id) for member in gone} == {n for n, age in enumerate(ages) if age >= 30}
    assert list(gone) == sorted(gone, key=lambda member: (member.beaten_at, member.id))


def test_who_joins_lives_until_it_is_silent(join: Join) -> None:
    first, second = join("first"), join("second")

    assert names(first.everyone()) == ["first", "second"]
    assert names(first.others()) == ["second"]
    assert second.claim_silent() == ()


def test_who_leaves_is_taken_over_at_once(join: Join) -> None:
    first, second = join("first"), join("second")

    first.leave()

    assert second.others() == ()
    assert names(second.claim_silent()) == ["first"]


def test_a_restart_of_the_same_id_is_the_same_member(join: Join) -> None:
    first = join("first")
    first.leave()

    again = join("first")

    assert names(again.everyone()) == ["first"]
    assert again.beat()


def test_nobody_takes_over_from_itself(join: Join) -> None:
    alone = join("alone", AT_ONCE)

    assert alone.claim_silent() == ()


def test_exactly_one_takes_over(join: Join, same_database: list[Database]) -> None:
    join("dead").leave()
    heirs = [
        Members(database, f"heir {number}", "heir") for number, database in enumerate(same_database)
    ]
    for heir in heirs:
        heir.join()

    with ThreadPoolExecutor(len(heirs)) as threads:
        claimed = list(threads.map(lambda heir: heir.claim_silent(), heirs))

    assert [names(each) for each in claimed if each] == [["dead"]]


def test_an_heir_that_dies_too_is_followed_by_another(join: Join) -> None:
    join("dead").leave()
    assert names(join("first heir").claim_silent()) == ["dead"]

    assert names(join("second heir").claim_silent()) == []
    assert "dead" in names(join("third heir", AT_ONCE).claim_silent())


def test_who_was_taken_over_is_forgotten(join: Join) -> None:
    join("dead").leave()
    heir = join("heir")
    (gone,) = heir.claim_silent()

    heir.forget(gone)

    assert names(heir.everyone()) == ["heir"]


def test_who_was_paused_notices_and_is_a_member_again(join: Join) -> None:
    paused, heir = join("paused"), join("heir", AT_ONCE)
    (gone,) = heir.claim_silent()

    assert not paused.beat()
    assert paused.beat()
    heir.forget(gone)

    assert names(heir.everyone()) == ["heir", "paused"]


def test_after_an_outage_of_the_database_nobody_takes_the_others_for_dead(
    join: Join, database: Database
) -> None:
    first, second = join("first"), join("second")
    with database.transaction() as connection:
        at = connection.execute(update(members).values(beaten_at=LONG_AGO).returning(members)).all()
    first._beaten_at = second._beaten_at = at[0].beaten_at

    assert first.claim_silent() == ()
    assert first.beat()
    assert first.claim_silent() == ()
    assert second.beat()
    assert second.claim_silent() == ()


def test_who_never_beat_is_taken_over_like_the_dead(join: Join) -> None:
    heir = join("heir")

    heir.presume_dead({"an older release", "heir"})

    assert names(heir.claim_silent()) == ["an older release"]
    assert heir.beat()


# The pulse


def test_the_pulse_takes_over_and_forgets(join: Join) -> None:
    join("dead").leave()
    heir, taken = join("heir"), list[str]()

    Pulse(heir, taken.append).inherit()

    assert taken == ["dead"]
    assert names(heir.everyone()) == ["heir"]


def test_what_could_not_be_taken_over_is_left_to_another(join: Join) -> None:
    join("dead").leave()

    def fail(executor: str) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        Pulse(join("heir"), fail).inherit()

    taken: list[str] = []
    Pulse(join("other", AT_ONCE), taken.append).inherit()
    assert "dead" in taken


def test_who_cannot_work_only_beats(join: Join) -> None:
    join("dead").leave()
    door = join("door")

    pulse = Pulse(door)
    pulse.beat()
    pulse.inherit()

    assert names(door.everyone()) == ["dead", "door"]


# Turns


def test_a_turn_is_one_processs_for_a_while(same_database: list[Database]) -> None:
    with ThreadPoolExecutor(len(same_database)) as threads:
        told = list(threads.map(lambda one: Turns(one).take("sweep", A_WHILE), same_database))

    assert sorted(told) == [False] * 7 + [True]


def test_the_next_turn_comes_when_the_time_is_up(database: Database) -> None:
    turns = Turns(database)

    assert turns.take("sweep", A_WHILE)
    assert turns.take("take up", A_WHILE)
    assert not turns.take("sweep", A_WHILE)
    assert turns.take("sweep", AT_ONCE)


def test_only_one_of_several_is_alone(postgresql: PostgreSQL) -> None:
    url = postgresql.new_schema()
    with closing(Database(url)) as one, closing(Database(url)) as other:
        with (
            Turns(one).alone("dispatch") as first,
            Turns(other).alone("dispatch") as second,
            Turns(other).alone("something else") as third,
        ):
            assert (first, second, third) == (True, False, True)

        with Turns(other).alone("dispatch") as later:
            assert later
