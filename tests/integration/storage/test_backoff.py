"""When a repository is left alone, and how many pull requests may still be made."""

from __future__ import annotations

import pytest

from bridge.storage.backoff import RepositoryBackoff
from bridge.storage.database import Database
from tests.integration.manual_clock import ManualClock

BOT = "github:acme/support-bot"
WINDOWS = ((2, 60.0), (3, 3600.0))  # two a minute, three an hour


@pytest.fixture
def backoff(database: Database, clock: ManualClock) -> RepositoryBackoff:
    return RepositoryBackoff(database, clock)


def test_a_paused_repository_is_left_alone_and_no_other(backoff: RepositoryBackoff) -> None:
    backoff.pause_repository(BOT, "it is down", 30.0)

    assert backoff.find_pause(BOT) == (30.0, "it is down")
    assert backoff.find_pause("github:acme/other") is None


def test_a_pause_ends_by_itself(backoff: RepositoryBackoff, clock: ManualClock) -> None:
    backoff.pause_repository(BOT, "it is down", 30.0)
    clock.advance(30)

    assert backoff.find_pause(BOT) is None


def test_an_answer_to_what_was_asked_before_a_pause_does_not_end_it(
    backoff: RepositoryBackoff,
) -> None:
    backoff.pause_repository(BOT, "it allows no more for a minute", 60.0)

    backoff.resume_repository(BOT)

    assert backoff.find_pause(BOT) == (60.0, "it allows no more for a minute")


def paused_for(backoff: RepositoryBackoff, retry_after: float | None = None) -> float:
    backoff.pause_repository(BOT, "it is down", retry_after)
    paused = backoff.find_pause(BOT)
    assert paused is not None
    return paused[0]


def test_pauses_of_a_repository_grow_until_it_answers(
    backoff: RepositoryBackoff, clock: ManualClock
) -> None:
    growing = []
    for _ in range(3):
        growing.append(paused_for(backoff))
        clock.advance(growing[-1])
    backoff.resume_repository(BOT)
    backoff.resume_repository(BOT)

    assert growing == [2.0, 4.0, 8.0]
    assert paused_for(backoff) == 2.0


def test_an_answer_while_a_pause_lasts_makes_the_next_one_short(
    backoff: RepositoryBackoff, clock: ManualClock
) -> None:
    for _ in range(6):
        clock.advance(paused_for(backoff))
    long = paused_for(backoff)

    backoff.resume_repository(BOT)
    assert backoff.find_pause(BOT) == (long, "it is down")

    clock.advance(long)
    assert (long, paused_for(backoff)) == (60.0, 2.0)


def test_many_looks_that_fail_at_once_are_one_failure(
    backoff: RepositoryBackoff, clock: ManualClock
) -> None:
    assert {paused_for(backoff) for _ in range(9)} == {2.0}

    clock.advance(2)

    assert paused_for(backoff) == 4.0


def test_a_pause_is_not_shortened_by_a_failure_that_asks_for_less(
    backoff: RepositoryBackoff,
) -> None:
    assert paused_for(backoff, 60.0) == 60.0
    assert paused_for(backoff, 1.0) == 60.0


def test_as_many_pull_requests_as_a_window_allows(
    backoff: RepositoryBackoff, clock: ManualClock
) -> None:
    taken = [backoff.take_pull_request_creation("github", WINDOWS) for _ in range(3)]

    assert taken == [None, None, 60.0]
    clock.advance(59)
    assert backoff.take_pull_request_creation("github", WINDOWS) == 1.0
    clock.advance(1)
    assert backoff.take_pull_request_creation("github", WINDOWS) is None


def test_the_longer_window_counts_too(backoff: RepositoryBackoff, clock: ManualClock) -> None:
    for _ in range(3):
        assert backoff.take_pull_request_creation("github", WINDOWS) is None
        clock.advance(60)

    assert backoff.take_pull_request_creation("github", WINDOWS) == 3600.0 - 180.0
    clock.advance(3600.0 - 180.0)
    assert backoff.take_pull_request_creation("github", WINDOWS) is None


def test_one_forge_does_not_use_up_the_budget_of_another(backoff: RepositoryBackoff) -> None:
    for _ in range(2):
        backoff.take_pull_request_creation("github", WINDOWS)

    assert backoff.take_pull_request_creation("enterprise", WINDOWS) is None


def test_a_forge_without_limits_has_none(backoff: RepositoryBackoff) -> None:
    assert {backoff.take_pull_request_creation("local", ()) for _ in range(100)} == {None}
