"""Labels, people and the status of a pull request: brought about, told where a forge refuses, and
left to people once they were set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.evals.pull_request_feedback import STATUS_NAME
from bridge.forge.forge import PullRequest, StatusState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from bridge.prompts.planning.publication import AdoptedSide
from bridge.prompts.pull_request.metadata import parse_metadata
from tests.integration.lifecycle.bridge_environment import BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.test_choosing import choose, edited_on_both_sides
from tests.integration.lifecycle.test_publishing import PUBLISH, edited
from tests.standins.fault_injection import status

on_every_forge = pytest.mark.parametrize("forge_name", FORGES)
on_hosted_forges = pytest.mark.parametrize("forge_name", ["github", "gitlab"])
PEOPLE: dict[str, Any] = {"labels": ["prompt"], "reviewers": ["alice"], "assignees": ["bob"]}


@pytest.fixture
def environment(make_world: MakeWorld) -> BridgeEnvironment:
    return make_world({"pull_request": PEOPLE})


def propose(environment: BridgeEnvironment, text: str) -> PullRequest:
    environment.save(text)
    environment.settle()
    return environment.pull_request()


def configure(environment: BridgeEnvironment, **pull_request: Any) -> None:
    """The mapping's pull requests are to be otherwise from now on."""
    (context,) = environment.controller.contexts.values()
    settings = context.mapping.pull_request.model_copy(update=pull_request)
    mapping = context.mapping.model_copy(update={"pull_request": settings})
    environment.controller.contexts = {mapping.name: replace(context, mapping=mapping)}


def everything(pull: PullRequest) -> set[str]:
    return {*pull.labels, *pull.reviewers, *pull.assignees}


@on_every_forge
def test_what_a_person_took_away_stays_away(environment: BridgeEnvironment) -> None:
    opened = propose(environment, "Answer kindly.")
    assert everything(opened) == {"prompt", "alice", "bob"}

    environment.repository.strip(opened.number)
    environment.sweep()
    environment.forget_everything()
    propose(environment, "Answer briefly.")

    assert everything(environment.pull_request()) == set()


@on_every_forge
def test_a_label_that_the_mapping_gains_is_added_to_what_is_open(
    environment: BridgeEnvironment,
) -> None:
    opened = propose(environment, "Answer kindly.")
    environment.repository.strip(opened.number)

    configure(environment, labels=("prompt", "urgent"))
    environment.sweep()

    assert everything(environment.pull_request()) == {"urgent"}


@on_every_forge
def test_who_is_unknown_to_the_forge_is_told_at_every_look_and_asked_for_once(
    make_world: MakeWorld,
) -> None:
    environment = make_world({"pull_request": {**PEOPLE, "reviewers": ["alice", "ghost"]}})

    opened = propose(environment, "Answer kindly.")

    assert everything(opened) == {"prompt", "alice", "bob"}
    assert "did not take reviewer ghost" in environment.standing().reason
    told = environment.pull_request()
    environment.sweep()
    assert environment.standing().kind is ReconcileOutcomeKind.UNCHANGED
    assert "did not take reviewer ghost" in environment.standing().reason
    assert environment.pull_request() == told

    configure(environment, reviewers=("alice",))
    environment.sweep()
    assert "ghost" not in environment.standing().reason


def test_a_pull_request_of_an_older_bridge_gets_no_label_again(
    environment: BridgeEnvironment,
) -> None:
    opened = propose(environment, "Answer kindly.")
    metadata = parse_metadata(opened.body)
    assert metadata is not None
    older = replace(metadata, requested=None, base=None).render_hidden_line()
    environment.repository.edit(
        opened, body=opened.body.replace(metadata.render_hidden_line(), older)
    )
    environment.repository.strip(opened.number)

    propose(environment, "Answer briefly.")

    assert everything(environment.pull_request()) == set()


# The label of a conflict


@on_every_forge
def test_the_label_of_a_conflict_goes_with_the_conflict_and_comes_with_the_next(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)
    environment.settle()
    opened = environment.pull_request()
    assert opened.labels == {"conflict"}
    environment.repository.label(opened, "urgent")

    choose(environment, AdoptedSide.PLATFORM)
    environment.sweep()

    assert environment.pull_request().number == opened.number
    assert environment.pull_request().labels == {"urgent"}
    told = environment.pull_request()
    environment.sweep()
    assert environment.pull_request() == told


@on_every_forge
def test_the_label_of_a_conflict_that_a_person_took_off_stays_off(make_world: MakeWorld) -> None:
    environment = make_world(PUBLISH)
    edited_on_both_sides(environment)
    environment.settle()
    environment.repository.strip(environment.pull_request().number)

    environment.sweep()
    environment.save("Answer at great length.")
    environment.settle()

    assert environment.pull_request().labels == set()


def test_a_label_named_like_that_of_a_conflict_stays_where_a_person_had_put_it(
    make_world: MakeWorld,
) -> None:
    environment = make_world(PUBLISH)
    environment.save("Answer kindly.")
    environment.adopt()
    environment.save("Answer at length.")
    environment.settle()
    environment.repository.label(environment.pull_request(), "conflict")
    edited(environment, "kindly", "briefly")
    environment.sweep()
    assert environment.pull_request().title.startswith("Conflict: ")

    choose(environment, AdoptedSide.PLATFORM)
    environment.sweep()

    assert not environment.pull_request().title.startswith("Conflict: ")
    assert environment.pull_request().labels == {"conflict"}


# The status of its commit


@on_hosted_forges
@pytest.mark.parametrize("code", [403, 404, 422, 502])
def test_a_status_that_cannot_be_set_does_not_keep_the_pull_request_from_being_opened(
    make_world: MakeWorld, code: int
) -> None:
    environment = make_world({"evals": {"required": True}})
    faults = environment.repository.faults
    assert faults is not None
    refusal = status(code, {"message": "No."})
    faults.add(lambda method, path: method == "POST" and "/statuses/" in path, refusal, times=1000)
    environment.save("Answer kindly.")

    environment.settle(patience=0)

    commit = environment.pull_request().head_commit
    assert "status" in environment.standing().reason
    faults.clear()
    environment.settle(patience=3600)
    environment.sweep()
    assert environment.repository.said_on(commit)[STATUS_NAME][0] == "pending"
    assert "status" not in environment.standing().reason


@on_every_forge
def test_what_an_evaluation_said_before_the_bridge_came_to_it_stays(make_world: MakeWorld) -> None:
    """A commit of a person on the branch, which its own pipeline evaluated at once."""
    environment = make_world({"evals": {"required": True}})
    opened = propose(environment, "Answer kindly.")
    commit = environment.repository.commit({"tests/test_bot.py": b"pass\n"}, opened.head_branch)
    environment.repository.forge.set_commit_status(
        commit, STATUS_NAME, StatusState.SUCCESS, "Score 0.90", None
    )

    environment.sweep()

    assert environment.repository.said_on(commit)[STATUS_NAME][0] == "success"
