"""``evals: {required: true}``: a proposal waits for its evaluation, and says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridge.evals.report import Bar
from bridge.evals.results import EvalRun, PromptRef
from bridge.evals.telling import MARKER, STATUS, WAITING, judged, proposed, tell
from bridge.forge.base import StatusState
from bridge.forge.local import LocalForge
from bridge.forge.local_statuses import Status
from tests.integration.lifecycle.world import NAME, MakeWorld, World

REQUIRED: dict[str, Any] = {"evals": {"required": True}}
PENDING = Status(StatusState.PENDING, WAITING)


def local(world: World) -> LocalForge:
    assert isinstance(world.place.forge, LocalForge)
    return world.place.forge


def status(world: World, commit: str) -> Status | None:
    return local(world).statuses(commit).get(STATUS)


def evaluated(world: World, score: float) -> None:
    """An evaluation of what is proposed is told."""
    pull = world.pull_request()
    (prompt,) = proposed(pull, world.platform)
    results = judged([EvalRun("a test", prompt, overall=score)], [], Bar(minimum=0.8))
    tell(world.place.forge, pull.head_commit, pull, results)


def test_a_proposal_waits_for_its_evaluation(make_world: MakeWorld) -> None:
    world = make_world(REQUIRED)
    world.save("Answer kindly.")

    world.settle()

    assert status(world, world.pull_request().head_commit) == PENDING


def test_where_none_is_required_nothing_waits(world: World) -> None:
    world.save("Answer kindly.")

    world.settle()

    assert status(world, world.pull_request().head_commit) is None


def test_an_evaluation_ends_the_wait_and_another_look_does_not_begin_it_again(
    make_world: MakeWorld,
) -> None:
    world = make_world(REQUIRED)
    world.save("Answer kindly.")
    world.settle()

    evaluated(world, 0.9)
    world.sweep()

    said = status(world, world.pull_request().head_commit)
    assert said == Status(StatusState.SUCCESS, "Score 0.90")
    assert MARKER in local(world).comments(world.pull_request().number)


def test_a_newer_version_waits_for_an_evaluation_of_its_own(make_world: MakeWorld) -> None:
    world = make_world(REQUIRED)
    world.save("Answer kindly.")
    world.settle()
    evaluated(world, 0.9)
    first = world.pull_request().head_commit

    world.save("Answer briefly.")
    world.settle()

    second = world.pull_request().head_commit
    assert second != first
    assert status(world, second) == PENDING
    assert status(world, first) == Status(StatusState.SUCCESS, "Score 0.90")
    assert proposed(world.pull_request(), world.platform) == (PromptRef(NAME, 1, 2, "latest"),)


def test_what_a_pull_request_of_a_fork_says_it_proposes_is_not_believed(world: World) -> None:
    world.save("Answer kindly.")
    world.settle()
    pull = world.pull_request()

    assert proposed(pull, world.platform)
    assert proposed(replace(pull, from_fork=True), world.platform) == ()
