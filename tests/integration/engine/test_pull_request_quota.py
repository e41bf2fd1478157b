"""How many pull requests a mapping may have, however many processes make them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.engine.pull_request_quota import PullRequestQuota
from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.backoff import RepositoryBackoff
from bridge.storage.database import Database
from tests.integration.manual_clock import ManualClock

ONE, TWO, THREE = (Proposal("support", f"p/{number}") for number in (1, 2, 3))
ELSEWHERE = Proposal("sales", "p/4")
TARGET = Target("support", 17, "latest")
PROPOSED = ReconcileOutcome(ReconcileOutcomeKind.PROPOSED, "version 2", "https://x/1", 1, "c" * 40)
LIMIT = 3


@pytest.fixture
def quota(database: Database, clock: ManualClock) -> PullRequestQuota:
    return PullRequestQuota(database, RepositoryBackoff(database, clock), clock)


def settle(store: ReconcileStore, proposal: Proposal, outcome: ReconcileOutcome) -> None:
    store.request([ReconcileRequest(proposal, TARGET)])
    store.record_outcome(proposal, store.find_pending(proposal), outcome)


def test_no_more_than_the_limit_however_many_ask_at_once(
    same_database: Sequence[Database], clock: ManualClock
) -> None:
    rooms = [
        PullRequestQuota(database, RepositoryBackoff(database, clock), clock)
        for database in same_database
    ]
    proposals = [Proposal("support", f"p/{number}") for number in range(len(rooms))]

    with ThreadPoolExecutor(len(rooms)) as threads:
        told = list(threads.map(lambda one, wants: one.reserve(wants, LIMIT), rooms, proposals))

    assert sum(told) == LIMIT


def test_no_more_creations_than_a_forge_allows_however_many_ask_at_once(
    same_database: Sequence[Database], clock: ManualClock
) -> None:
    restraints = [RepositoryBackoff(database, clock) for database in same_database]

    with ThreadPoolExecutor(len(restraints)) as threads:
        waits = list(
            threads.map(
                lambda one: one.take_pull_request_creation("forge", [(3, 60.0)]), restraints
            )
        )

    assert sorted(waits, key=repr) == [60.0] * 5 + [None] * 3


def test_what_is_about_to_be_opened_counts(quota: PullRequestQuota) -> None:
    assert quota.reserve(ONE, 1)

    assert not quota.reserve(TWO, 1)
    assert quota.reserve(ONE, 1), "it has its room already"
    assert quota.reserve(ELSEWHERE, 1)


def test_what_came_of_a_proposal_counts_instead_of_its_reservation(
    quota: PullRequestQuota, store: ReconcileStore
) -> None:
    assert quota.reserve(ONE, 2)
    settle(store, ONE, PROPOSED)
    assert quota.reserve(TWO, 2)
    assert not quota.reserve(THREE, 2)

    store.postpone(TWO, "the forge is down", None)

    assert quota.reserve(THREE, 2)


def test_a_reservation_of_who_died_ends(quota: PullRequestQuota, clock: ManualClock) -> None:
    assert quota.reserve(ONE, 1)

    clock.advance(301)

    assert quota.reserve(TWO, 1)


def test_a_pull_request_that_the_forge_does_not_have_open_makes_room(
    quota: PullRequestQuota, store: ReconcileStore, clock: ManualClock
) -> None:
    settle(store, ONE, PROPOSED)
    clock.advance(1)
    assert not quota.reserve(TWO, 1)

    quota.update_open_branches("support", [], clock())

    assert quota.reserve(TWO, 1)


def test_a_pull_request_opened_while_the_forge_was_asked_keeps_its_room(
    quota: PullRequestQuota, store: ReconcileStore, clock: ManualClock
) -> None:
    asked_at = clock()
    clock.advance(1)
    settle(store, ONE, PROPOSED)

    quota.update_open_branches("support", [], asked_at)

    assert not quota.reserve(TWO, 1)


def test_pull_requests_count_by_mapping_and_as_long_as_they_are_open(
    quota: PullRequestQuota, store: ReconcileStore
) -> None:
    settle(store, ONE, PROPOSED)
    settle(store, ELSEWHERE, PROPOSED)
    settle(
        store, TWO, ReconcileOutcome(ReconcileOutcomeKind.WITHDRAWN, "gone back", "https://x/2", 2)
    )

    assert not quota.reserve(THREE, 1)
    assert quota.reserve(THREE, 2)
