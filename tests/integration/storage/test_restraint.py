"""When a repository is left alone, and how many pull requests may still be made."""

from __future__ import annotations

import pytest

from bridge.storage.database import Database
from bridge.storage.restraint import Restraint
from tests.integration.clock import Clock

BOT = "github:acme/support-bot"
WINDOWS = ((2, 60.0), (3, 3600.0))  # two a minute, three an hour


@pytest.fixture
def restraint(database: Database, clock: Clock) -> Restraint:
    return Restraint(database, clock)


def test_a_paused_repository_is_left_alone_and_no_other(restraint: Restraint) -> None:
    restraint.pause_repository(BOT, "it is down", 30.0)

    assert restraint.paused(BOT) == (30.0, "it is down")
    assert restraint.paused("github:acme/other") is None


def test_a_pause_ends_by_itself(restraint: Restraint, clock: Clock) -> None:
    restraint.pause_repository(BOT, "it is down", 30.0)
    clock.turn(30)

    assert restraint.paused(BOT) is None


def test_an_answer_to_what_was_asked_before_a_pause_does_not_end_it(restraint: Restraint) -> None:
    restraint.pause_repository(BOT, "it allows no more for a minute", 60.0)

    restraint.resume_repository(BOT)

    assert restraint.paused(BOT) == (60.0, "it allows no more for a minute")


def paused_for(restraint: Restraint, retry_after: float | None = None) -> float:
    restraint.pause_repository(BOT, "it is down", retry_after)
    paused = restraint.paused(BOT)
    assert paused is not None
    return paused[0]


def test_pauses_of_a_repository_grow_until_it_answers(restraint: Restraint, clock: Clock) -> None:
    growing = []
    for _ in range(3):
        growing.append(paused_for(restraint))
        clock.turn(growing[-1])
    restraint.resume_repository(BOT)
    restraint.resume_repository(BOT)

    assert growing == [2.0, 4.0, 8.0]
    assert paused_for(restraint) == 2.0


def test_an_answer_while_a_pause_lasts_makes_the_next_one_short(
    restraint: Restraint, clock: Clock
) -> None:
    for _ in range(6):
        clock.turn(paused_for(restraint))
    long = paused_for(restraint)

    restraint.resume_repository(BOT)
    assert restraint.paused(BOT) == (long, "it is down")

    clock.turn(long)
    assert (long, paused_for(restraint)) == (60.0, 2.0)


def test_many_looks_that_fail_at_once_are_one_failure(restraint: Restraint, clock: Clock) -> None:
    assert {paused_for(restraint) for _ in range(9)} == {2.0}

    clock.turn(2)

    assert paused_for(restraint) == 4.0


def test_a_pause_is_not_shortened_by_a_failure_that_asks_for_less(restraint: Restraint) -> None:
    assert paused_for(restraint, 60.0) == 60.0
    assert paused_for(restraint, 1.0) == 60.0


def test_as_many_pull_requests_as_a_window_allows(restraint: Restraint, clock: Clock) -> None:
    taken = [restraint.take_creation("github", WINDOWS) for _ in range(3)]

    assert taken == [None, None, 60.0]
    clock.turn(59)
    assert restraint.take_creation("github", WINDOWS) == 1.0
    clock.turn(1)
    assert restraint.take_creation("github", WINDOWS) is None


def test_the_longer_window_counts_too(restraint: Restraint, clock: Clock) -> None:
    for _ in range(3):
        assert restraint.take_creation("github", WINDOWS) is None
        clock.turn(60)

    assert restraint.take_creation("github", WINDOWS) == 3600.0 - 180.0
    clock.turn(3600.0 - 180.0)
    assert restraint.take_creation("github", WINDOWS) is None


def test_one_forge_does_not_use_up_the_budget_of_another(restraint: Restraint) -> None:
    for _ in range(2):
        restraint.take_creation("github", WINDOWS)

    assert restraint.take_creation("enterprise", WINDOWS) is None


def test_a_forge_without_limits_has_none(restraint: Restraint) -> None:
    assert {restraint.take_creation("local", ()) for _ in range(100)} == {None}
