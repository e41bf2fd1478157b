"""Labels, people and the status of a pull request: brought about, told where a forge refuses, and
left to people once they were set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.evals.telling import STATUS
from bridge.forge.base import PullRequest, StatusState
from bridge.prompts.memory import recall
from bridge.prompts.outcome import OutcomeKind
from bridge.prompts.publication import Side
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.test_choosing import choose, edited_on_both_sides
from tests.integration.lifecycle.test_publishing import PUBLISH, edited
from tests.integration.lifecycle.world import MakeWorld, World
from tests.standins.faults import status

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)
on_hosted_forges = pytest.mark.parametrize("forge_name", ["github", "gitlab"])
PEOPLE: dict[str, Any] = {"labels": ["prompt"], "reviewers": ["alice"], "assignees": ["bob"]}


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world({"pull_request": PEOPLE})


def propose(world: World, text: str) -> PullRequest:
    world.save(text)
    world.settle()
    return world.pull_request()


def configure(world: World, **pull_request: Any) -> None:
    """The mapping's pull requests are to be otherwise from now on."""
    (site,) = world.worker.sites.values()
    settings = site.mapping.pull_request.model_copy(update=pull_request)
    mapping = site.mapping.model_copy(update={"pull_request": settings})
    world.worker.sites = {mapping.name: replace(site, mapping=mapping)}


def everything(pull: PullRequest) -> set[str]:
    return {*pull.labels, *pull.reviewers, *pull.assignees}


@on_every_forge
def test_what_a_person_took_away_stays_away(world: World) -> None:
    opened = propose(world, "Answer kindly.")
    assert everything(opened) == {"prompt", "alice", "bob"}

    world.place.strip(opened.number)
    world.sweep()
    world.forget_everything()
    propose(world, "Answer briefly.")

    assert everything(world.pull_request()) == set()


@on_every_forge
def test_a_label_that_the_mapping_gains_is_added_to_what_is_open(world: World) -> None:
    opened = propose(world, "Answer kindly.")
    world.place.strip(opened.number)

    configure(world, labels=("prompt", "urgent"))
    world.sweep()

    assert everything(world.pull_request()) == {"urgent"}


@on_every_forge
def test_who_is_unknown_to_the_forge_is_told_at_every_look_and_asked_for_once(
    make_world: MakeWorld,
) -> None:
    world = make_world({"pull_request": {**PEOPLE, "reviewers": ["alice", "ghost"]}})

    opened = propose(world, "Answer kindly.")

    assert everything(opened) == {"prompt", "alice", "bob"}
    assert "did not take reviewer ghost" in world.standing().reason
    told = world.pull_request()
    world.sweep()
    assert world.standing().kind is OutcomeKind.UNCHANGED
    assert "did not take reviewer ghost" in world.standing().reason
    assert world.pull_request() == told

    configure(world, reviewers=("alice",))
    world.sweep()
    assert "ghost" not in world.standing().reason


def test_a_pull_request_of_an_older_bridge_gets_no_label_again(world: World) -> None:
    opened = propose(world, "Answer kindly.")
    memory = recall(opened.body)
    assert memory is not None
    older = replace(memory, requested=None, base=None).line()
    world.place.edit(opened, body=opened.body.replace(memory.line(), older))
    world.place.strip(opened.number)

    propose(world, "Answer briefly.")

    assert everything(world.pull_request()) == set()


# The label of a conflict


@on_every_forge
def test_the_label_of_a_conflict_goes_with_the_conflict_and_comes_with_the_next(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    edited_on_both_sides(world)
    world.settle()
    opened = world.pull_request()
    assert opened.labels == {"conflict"}
    world.place.label(opened, "urgent")

    choose(world, Side.PLATFORM)
    world.sweep()

    assert world.pull_request().number == opened.number
    assert world.pull_request().labels == {"urgent"}
    told = world.pull_request()
    world.sweep()
    assert world.pull_request() == told


@on_every_forge
def test_the_label_of_a_conflict_that_a_person_took_off_stays_off(make_world: MakeWorld) -> None:
    world = make_world(PUBLISH)
    edited_on_both_sides(world)
    world.settle()
    world.place.strip(world.pull_request().number)

    world.sweep()
    world.save("Answer at great length.")
    world.settle()

    assert world.pull_request().labels == set()


def test_a_label_named_like_that_of_a_conflict_stays_where_a_person_had_put_it(
    make_world: MakeWorld,
) -> None:
    world = make_world(PUBLISH)
    world.save("Answer kindly.")
    world.adopt()
    world.save("Answer at length.")
    world.settle()
    world.place.label(world.pull_request(), "conflict")
    edited(world, "kindly", "briefly")
    world.sweep()
    assert world.pull_request().title.startswith("Conflict: ")

    choose(world, Side.PLATFORM)
    world.sweep()

    assert not world.pull_request().title.startswith("Conflict: ")
    assert world.pull_request().labels == {"conflict"}


# The status of its commit


@on_hosted_forges
@pytest.mark.parametrize("code", [403, 404, 422, 502])
def test_a_status_that_cannot_be_set_does_not_keep_the_pull_request_from_being_opened(
    make_world: MakeWorld, code: int
) -> None:
    world = make_world({"evals": {"required": True}})
    faults = world.place.faults
    assert faults is not None
    refusal = status(code, {"message": "No."})
    faults.add(lambda method, path: method == "POST" and "/statuses/" in path, refusal, times=1000)
    world.save("Answer kindly.")

    world.settle(patience=0)

    commit = world.pull_request().head_commit
    assert "status" in world.standing().reason
    faults.clear()
    world.settle(patience=3600)
    world.sweep()
    assert world.place.said_on(commit)[STATUS][0] == "pending"
    assert "status" not in world.standing().reason


@on_every_forge
def test_what_an_evaluation_said_before_the_bridge_came_to_it_stays(make_world: MakeWorld) -> None:
    """A commit of a person on the branch, which its own pipeline evaluated at once."""
    world = make_world({"evals": {"required": True}})
    opened = propose(world, "Answer kindly.")
    commit = world.place.commit({"tests/test_bot.py": b"pass\n"}, opened.head)
    world.place.forge.set_status(commit, STATUS, StatusState.SUCCESS, "Score 0.90", None)

    world.sweep()

    assert world.place.said_on(commit)[STATUS][0] == "success"
