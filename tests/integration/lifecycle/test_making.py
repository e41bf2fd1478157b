"""How a pull request is made: labels, people, drafts, and how many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from bridge.engine.controller import BridgeController
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.reconciler import Reconciler
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.target import Proposal
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


@on_every_forge
def test_labels_reviewers_and_assignees_are_set(make_world: MakeWorld) -> None:
    wanted = {"labels": ["prompt"], "reviewers": ["alice"], "assignees": ["bob"]}
    environment = make_world({"pull_request": wanted})
    environment.save("Answer kindly.")

    environment.settle()

    made = environment.pull_request()
    assert (*made.labels, *made.reviewers, *made.assignees) == ("prompt", "alice", "bob")
    assert not made.is_draft


@on_every_forge
def test_an_unknown_reviewer_does_not_keep_the_pull_request_from_being_made(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"pull_request": {"reviewers": ["nobody-knows-her"]}})
    environment.save("Answer kindly.")

    environment.settle()

    assert environment.pull_request().reviewers == frozenset()


@on_every_forge
def test_a_mapping_can_ask_for_drafts(make_world: MakeWorld) -> None:
    environment = make_world({"pull_request": {"draft": True}})
    environment.save("Answer kindly.")

    environment.settle()

    assert environment.pull_request().is_draft


@pytest.mark.parametrize("configured", [True, False])
def test_what_a_person_made_of_a_draft_stays(make_world: MakeWorld, configured: bool) -> None:
    environment = make_world({"pull_request": {"draft": configured}})
    environment.save("Answer kindly.")
    environment.settle()
    environment.repository.turn(environment.pull_request(), draft=not configured)

    environment.save("Answer briefly.")
    environment.settle()

    assert environment.pull_request().is_draft is not configured
    assert environment.proposed() == "Answer briefly."


# Limits


def test_more_than_the_limit_waits_visibly_and_is_proposed_later(make_world: MakeWorld) -> None:
    environment = make_world({"pull_request": {"limit": 2}})
    for name in ("one", "two", "three"):
        environment.save("Hello.", name)
    environment.settle()
    first, _ = environment.repository.open()
    (stuck,) = environment.store.find_stuck()
    assert stuck.kind is ReconcileOutcomeKind.WAITING
    assert "2 open pull requests, its limit" in stuck.reason

    environment.repository.merge(first)
    environment.settle(patience=600)

    assert len(environment.repository.open()) == 2
    assert environment.store.find_stuck() == ()


@on_every_forge
@pytest.mark.parametrize("branch_stays", [True, False])
def test_a_decision_makes_room_at_once(make_world: MakeWorld, *, branch_stays: bool) -> None:
    environment = make_world({"pull_request": {"limit": 2}})
    for name in ("one", "two", "three", "four"):
        environment.save("Hello.", name)
    environment.settle(patience=0)
    first, second = environment.repository.open()

    environment.repository.merge(first)
    if not branch_stays:
        environment.repository.delete_branch(first.head_branch)
    environment.look_again()

    assert [each.head_branch for each in environment.repository.open()] == [
        second.head_branch,
        environment.branch(3),
    ]
    assert [each.proposal.branch for each in environment.store.find_stuck()] == [
        environment.branch(4)
    ]


def test_a_merged_branch_that_the_forge_deleted_does_not_count(make_world: MakeWorld) -> None:
    environment = make_world({"pull_request": {"limit": 1}})
    environment.save("Hello.", "one")
    environment.settle()
    merged = environment.pull_request()
    environment.repository.merge(merged)
    environment.repository.delete_branch(merged.head_branch)

    environment.save("Hello.", "two")
    environment.settle()

    assert environment.pull_request().head_branch == environment.branch(2)


def test_an_open_pull_request_is_updated_whatever_the_limit(make_world: MakeWorld) -> None:
    environment = make_world({"pull_request": {"limit": 1}})
    environment.save("Answer kindly.")
    environment.settle()

    environment.save("Answer briefly.")
    environment.settle()

    assert environment.proposed() == "Answer briefly."


def test_the_limit_is_one_mappings_own(make_world: MakeWorld) -> None:
    environment = make_world(
        {"name": "one", "prompts": ["one"], "pull_request": {"limit": 1}},
        {"name": "two", "prompts": ["two"], "pull_request": {"limit": 1}},
    )
    environment.save("Hello.", "one")
    environment.save("Hello.", "two")

    environment.settle()

    assert len(environment.repository.open()) == 2


def test_creations_keep_the_forges_minute_and_hour(make_world: MakeWorld) -> None:
    environment = make_world(creations=((2, 60.0), (3, 3600.0)))
    for name in ("one", "two", "three", "four"):
        environment.save("Hello.", name)
    environment.settle(patience=30)
    assert len(environment.repository.open()) == 2
    assert {each.kind for each in environment.store.find_stuck()} == {ReconcileOutcomeKind.WAITING}

    environment.settle(patience=90)
    assert len(environment.repository.open()) == 3

    environment.settle(patience=2 * 3600)
    assert len(environment.repository.open()) == 4
    assert environment.store.find_stuck() == ()


# Two at once


def test_two_bridges_that_race_for_one_proposal_open_one_pull_request(
    environment: BridgeEnvironment,
) -> None:
    other = environment.another_worker(environment.database)
    proposal = Proposal("support", environment.branch())
    for turn in range(4):
        environment.save(f"Draft {turn}.")
        environment.deliver()
        Dispatcher(environment.controller).dispatch_deliveries(lambda _: None, lambda *_: None)
        race([environment.controller, other], proposal)

        environment.settle()

        assert environment.proposed() == f"Draft {turn}."
        assert len(environment.repository.every(proposal.branch)) == 1


def race(workers: list[BridgeController], proposal: Proposal) -> None:
    start = Barrier(len(workers))

    def look(controller: BridgeController) -> None:
        start.wait(timeout=10)
        Reconciler(controller).reconcile(proposal)

    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(look, workers))


@pytest.mark.parametrize("forge_name", ["github", "gitlab"])
def test_two_bridges_that_know_nothing_of_each_other_open_one_pull_request(
    environment: BridgeEnvironment,
) -> None:
    """Each has a database of its own, as after a failed move to another machine."""
    environment.save("Answer kindly.")
    payloads = environment.post.take()
    first, database = environment.controller, environment.database
    environment.deliver(payloads)
    environment.controller = environment.another_worker(environment.fresh_database())
    environment.reopen_front_door()
    environment.deliver(payloads)
    for controller in (first, environment.controller):
        Dispatcher(controller).dispatch_deliveries(lambda _: None, lambda *_: None)
    race([first, environment.controller], Proposal("support", environment.branch()))

    environment.settle()

    assert len(environment.repository.every(environment.branch())) == 1
    first.inbox.close()
    database.close()
