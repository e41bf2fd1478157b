"""How a pull request is made: labels, people, drafts, and how many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from bridge.engine.dispatcher import Dispatcher
from bridge.engine.reconciler import Reconciler
from bridge.engine.worker import Worker
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.target import Proposal
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.world import MakeWorld, World

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)


@on_every_forge
def test_labels_reviewers_and_assignees_are_set(make_world: MakeWorld) -> None:
    wanted = {"labels": ["prompt"], "reviewers": ["alice"], "assignees": ["bob"]}
    world = make_world({"pull_request": wanted})
    world.save("Answer kindly.")

    world.settle()

    made = world.pull_request()
    assert (*made.labels, *made.reviewers, *made.assignees) == ("prompt", "alice", "bob")
    assert not made.draft


@on_every_forge
def test_an_unknown_reviewer_does_not_keep_the_pull_request_from_being_made(
    make_world: MakeWorld,
) -> None:
    world = make_world({"pull_request": {"reviewers": ["nobody-knows-her"]}})
    world.save("Answer kindly.")

    world.settle()

    assert world.pull_request().reviewers == frozenset()


@on_every_forge
def test_a_mapping_can_ask_for_drafts(make_world: MakeWorld) -> None:
    world = make_world({"pull_request": {"draft": True}})
    world.save("Answer kindly.")

    world.settle()

    assert world.pull_request().draft


@pytest.mark.parametrize("configured", [True, False])
def test_what_a_person_made_of_a_draft_stays(make_world: MakeWorld, configured: bool) -> None:
    world = make_world({"pull_request": {"draft": configured}})
    world.save("Answer kindly.")
    world.settle()
    world.place.turn(world.pull_request(), draft=not configured)

    world.save("Answer briefly.")
    world.settle()

    assert world.pull_request().draft is not configured
    assert world.proposed() == "Answer briefly."


# Limits


def test_more_than_the_limit_waits_visibly_and_is_proposed_later(make_world: MakeWorld) -> None:
    world = make_world({"pull_request": {"limit": 2}})
    for name in ("one", "two", "three"):
        world.save("Hello.", name)
    world.settle()
    first, _ = world.place.open()
    (stuck,) = world.ledger.stuck()
    assert stuck.kind is OutcomeKind.WAITING
    assert "2 open pull requests, its limit" in stuck.reason

    world.place.merge(first)
    world.settle(patience=600)

    assert len(world.place.open()) == 2
    assert world.ledger.stuck() == ()


@on_every_forge
@pytest.mark.parametrize("branch_stays", [True, False])
def test_a_decision_makes_room_at_once(make_world: MakeWorld, *, branch_stays: bool) -> None:
    world = make_world({"pull_request": {"limit": 2}})
    for name in ("one", "two", "three", "four"):
        world.save("Hello.", name)
    world.settle(patience=0)
    first, second = world.place.open()

    world.place.merge(first)
    if not branch_stays:
        world.place.delete_branch(first.head)
    world.look_again()

    assert [each.head for each in world.place.open()] == [second.head, world.branch(3)]
    assert [each.proposal.branch for each in world.ledger.stuck()] == [world.branch(4)]


def test_a_merged_branch_that_the_forge_deleted_does_not_count(make_world: MakeWorld) -> None:
    world = make_world({"pull_request": {"limit": 1}})
    world.save("Hello.", "one")
    world.settle()
    merged = world.pull_request()
    world.place.merge(merged)
    world.place.delete_branch(merged.head)

    world.save("Hello.", "two")
    world.settle()

    assert world.pull_request().head == world.branch(2)


def test_an_open_pull_request_is_updated_whatever_the_limit(make_world: MakeWorld) -> None:
    world = make_world({"pull_request": {"limit": 1}})
    world.save("Answer kindly.")
    world.settle()

    world.save("Answer briefly.")
    world.settle()

    assert world.proposed() == "Answer briefly."


def test_the_limit_is_one_mappings_own(make_world: MakeWorld) -> None:
    world = make_world(
        {"name": "one", "prompts": ["one"], "pull_request": {"limit": 1}},
        {"name": "two", "prompts": ["two"], "pull_request": {"limit": 1}},
    )
    world.save("Hello.", "one")
    world.save("Hello.", "two")

    world.settle()

    assert len(world.place.open()) == 2


def test_creations_keep_the_forges_minute_and_hour(make_world: MakeWorld) -> None:
    world = make_world(creations=((2, 60.0), (3, 3600.0)))
    for name in ("one", "two", "three", "four"):
        world.save("Hello.", name)
    world.settle(patience=30)
    assert len(world.place.open()) == 2
    assert {each.kind for each in world.ledger.stuck()} == {OutcomeKind.WAITING}

    world.settle(patience=90)
    assert len(world.place.open()) == 3

    world.settle(patience=2 * 3600)
    assert len(world.place.open()) == 4
    assert world.ledger.stuck() == ()


# Two at once


def test_two_bridges_that_race_for_one_proposal_open_one_pull_request(world: World) -> None:
    other = world.another_worker(world.database)
    proposal = Proposal("support", world.branch())
    for turn in range(4):
        world.save(f"Draft {turn}.")
        world.deliver()
        Dispatcher(world.worker).dispatch_deliveries(lambda _: None, lambda *_: None)
        race([world.worker, other], proposal)

        world.settle()

        assert world.proposed() == f"Draft {turn}."
        assert len(world.place.every(proposal.branch)) == 1


def race(workers: list[Worker], proposal: Proposal) -> None:
    start = Barrier(len(workers))

    def look(worker: Worker) -> None:
        start.wait(timeout=10)
        Reconciler(worker).reconcile(proposal)

    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(look, workers))


@pytest.mark.parametrize("forge_name", ["github", "gitlab"])
def test_two_bridges_that_know_nothing_of_each_other_open_one_pull_request(world: World) -> None:
    """Each has a database of its own, as after a failed move to another machine."""
    world.save("Answer kindly.")
    payloads = world.post.take()
    first, database = world.worker, world.database
    world.deliver(payloads)
    world.worker = world.another_worker(world.fresh_database())
    world.reopen_front_door()
    world.deliver(payloads)
    for worker in (first, world.worker):
        Dispatcher(worker).dispatch_deliveries(lambda _: None, lambda *_: None)
    race([first, world.worker], Proposal("support", world.branch()))

    world.settle()

    assert len(world.place.every(world.branch())) == 1
    first.inbox.close()
    database.close()
