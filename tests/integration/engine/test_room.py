"""How many pull requests a mapping may have, however many processes make them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.engine.ledger import Ask, Ledger
from bridge.engine.room import Room
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.database import Database
from bridge.storage.restraint import Restraint
from tests.integration.clock import Clock

ONE, TWO, THREE = (Proposal("support", f"p/{number}") for number in (1, 2, 3))
ELSEWHERE = Proposal("sales", "p/4")
TARGET = Target("support", 17, "latest")
PROPOSED = Outcome(OutcomeKind.PROPOSED, "version 2", "https://x/1", 1, "c" * 40)
LIMIT = 3


@pytest.fixture
def room(database: Database, clock: Clock) -> Room:
    return Room(database, Restraint(database, clock), clock)


def settle(ledger: Ledger, proposal: Proposal, outcome: Outcome) -> None:
    ledger.ask([Ask(proposal, TARGET)])
    ledger.settle(proposal, ledger.waiting(proposal), outcome)


def test_no_more_than_the_limit_however_many_ask_at_once(
    same_database: Sequence[Database], clock: Clock
) -> None:
    rooms = [Room(database, Restraint(database, clock), clock) for database in same_database]
    proposals = [Proposal("support", f"p/{number}") for number in range(len(rooms))]

    with ThreadPoolExecutor(len(rooms)) as threads:
        told = list(threads.map(lambda one, wants: one.reserve(wants, LIMIT), rooms, proposals))

    assert sum(told) == LIMIT


def test_no_more_creations_than_a_forge_allows_however_many_ask_at_once(
    same_database: Sequence[Database], clock: Clock
) -> None:
    restraints = [Restraint(database, clock) for database in same_database]

    with ThreadPoolExecutor(len(restraints)) as threads:
        waits = list(threads.map(lambda one: one.take_creation("forge", [(3, 60.0)]), restraints))

    assert sorted(waits, key=repr) == [60.0] * 5 + [None] * 3


def test_what_is_about_to_be_opened_counts(room: Room) -> None:
    assert room.reserve(ONE, 1)

    assert not room.reserve(TWO, 1)
    assert room.reserve(ONE, 1), "it has its room already"
    assert room.reserve(ELSEWHERE, 1)


def test_what_came_of_a_proposal_counts_instead_of_its_reservation(
    room: Room, ledger: Ledger
) -> None:
    assert room.reserve(ONE, 2)
    settle(ledger, ONE, PROPOSED)
    assert room.reserve(TWO, 2)
    assert not room.reserve(THREE, 2)

    ledger.postpone(TWO, "the forge is down", None)

    assert room.reserve(THREE, 2)


def test_a_reservation_of_who_died_ends(room: Room, clock: Clock) -> None:
    assert room.reserve(ONE, 1)

    clock.turn(301)

    assert room.reserve(TWO, 1)


def test_a_pull_request_that_the_forge_does_not_have_open_makes_room(
    room: Room, ledger: Ledger, clock: Clock
) -> None:
    settle(ledger, ONE, PROPOSED)
    clock.turn(1)
    assert not room.reserve(TWO, 1)

    room.correct("support", [], clock())

    assert room.reserve(TWO, 1)


def test_a_pull_request_opened_while_the_forge_was_asked_keeps_its_room(
    room: Room, ledger: Ledger, clock: Clock
) -> None:
    asked_at = clock()
    clock.turn(1)
    settle(ledger, ONE, PROPOSED)

    room.correct("support", [], asked_at)

    assert not room.reserve(TWO, 1)


def test_pull_requests_count_by_mapping_and_as_long_as_they_are_open(
    room: Room, ledger: Ledger
) -> None:
    settle(ledger, ONE, PROPOSED)
    settle(ledger, ELSEWHERE, PROPOSED)
    settle(ledger, TWO, Outcome(OutcomeKind.WITHDRAWN, "gone back", "https://x/2", 2))

    assert not room.reserve(THREE, 1)
    assert room.reserve(THREE, 2)
