"""A step that is cut short anywhere is completed by the next look: the pull request ends as it
should be, whatever was done and whatever was not. Every request of a creation, an update, an
approval, a withdrawal and a change of base fails once, before and after it was carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest

from bridge.evals.pull_request_feedback import STATUS_NAME
from bridge.forge.forge import PullRequest, PullRequestState
from bridge.prompts.prompt import LATEST
from tests.integration.lifecycle.bridge_environment import (
    JANE,
    BridgeEnvironment,
    MakeWorld,
    template,
)
from tests.integration.lifecycle.forge_repository import FORGES
from tests.integration.lifecycle.interruptions import FAULTS, every_interruption
from tests.integration.lifecycle.test_bases import change_base, start_develop

PEOPLE: dict[str, Any] = {"labels": ["prompt"], "reviewers": ["alice"], "assignees": ["bob"]}
WHOLE: dict[str, Any] = {"pull_request": PEOPLE, "evals": {"required": True}}
everywhere = pytest.mark.parametrize(("forge_name", "how"), list(product(FORGES, FAULTS)))


@pytest.fixture
def environment(make_world: MakeWorld) -> BridgeEnvironment:
    return make_world(WHOLE)


def save(environment: BridgeEnvironment, number: int, text: str, labels: Sequence[str] = ()) -> int:
    """A prompt of its own for each interruption, whose id is the number; the version's."""
    version = environment.registry.save_version(f"prompts/{number}", template(text), labels=labels)
    assert version.prompt_id == number
    return version.number


def path(number: int, label: str = LATEST) -> str:
    return f"prompts/{label}/prompts/{number}.yaml"


def adopt(environment: BridgeEnvironment, number: int, text: str, label: str = LATEST) -> None:
    """A prompt that both sides have."""
    save(environment, number, text, () if label == LATEST else (label,))
    environment.adopt(path(number, label), label=label, prompt_id=number)


def only(environment: BridgeEnvironment, branch: str) -> PullRequest:
    """The only pull request of a branch."""
    (found,) = environment.repository.every(branch)
    return found


def require_whole(
    environment: BridgeEnvironment, pull: PullRequest, *, draft: bool = False
) -> None:
    """It is all that a proposal should be."""
    assert pull.state is PullRequestState.OPEN
    assert pull.is_draft is draft
    assert pull.labels == {"prompt"}
    assert pull.reviewers == {"alice"}
    assert pull.assignees == {"bob"}
    assert environment.repository.head(pull.head_branch) == pull.head_commit
    state, _, _ = environment.repository.said_on(pull.head_commit)[STATUS_NAME]
    assert state == "pending"


@everywhere
def test_a_creation_that_is_cut_short_anywhere_is_completed(
    environment: BridgeEnvironment, how: str
) -> None:
    def act(number: int) -> None:
        save(environment, number, f"Text {number}")

    def check(number: int) -> None:
        pull = only(environment, environment.branch(number))
        require_whole(environment, pull)
        assert environment.says(path(number), pull.head_branch) == f"Text {number}"
        assert f"prompts/{number}" in pull.title

    asked = every_interruption(environment, how, act, check)

    assert len(asked) >= 4


@everywhere
def test_an_update_that_is_cut_short_anywhere_is_completed(
    environment: BridgeEnvironment, how: str
) -> None:
    save(environment, 1, "Text 0")
    environment.settle()

    def act(number: int) -> None:
        save(environment, 1, f"Text {number}")

    def check(number: int) -> None:
        pull = only(environment, environment.branch())
        require_whole(environment, pull)
        assert environment.says(path(1), pull.head_branch) == f"Text {number}"
        assert f"version {number + 1}" in pull.title
        assert f"Text {number}" in pull.body

    asked = every_interruption(environment, how, act, check)

    assert len(asked) >= 4


@everywhere
def test_a_request_that_is_cut_short_anywhere_is_a_draft(make_world: MakeWorld, how: str) -> None:
    """Of a proposal that was open before, and ready for review."""
    environment = protected_world(make_world)

    def prepare(number: int) -> None:
        adopt(environment, number, "Text 1", "prod")
        propose_on_prod(environment, number)

    def check(number: int) -> None:
        require_whole(
            environment, only(environment, environment.branch(number, "prod")), draft=True
        )

    asked = every_interruption(environment, how, request(environment), check, prepare)

    assert len(asked) >= 3


@everywhere
def test_an_approval_that_is_cut_short_anywhere_is_ready_for_review(
    make_world: MakeWorld, how: str
) -> None:
    environment = protected_world(make_world)

    def prepare(number: int) -> None:
        adopt(environment, number, "Text 1", "prod")
        save(environment, number, "Text 2")
        request(environment)(number)
        environment.settle()
        require_whole(
            environment, only(environment, environment.branch(number, "prod")), draft=True
        )

    def approve(number: int) -> None:
        environment.registry.approve_label(number, "prod", actor=JANE)

    def check(number: int) -> None:
        pull = only(environment, environment.branch(number, "prod"))
        require_whole(environment, pull)
        assert "asked" not in pull.body

    asked = every_interruption(environment, how, approve, check, prepare)

    assert len(asked) >= 2


@everywhere
def test_a_withdrawal_that_is_cut_short_anywhere_is_completed(
    environment: BridgeEnvironment, how: str
) -> None:
    def prepare(number: int) -> None:
        adopt(environment, number, "The same.")
        save(environment, number, "Another.")
        environment.settle()
        require_whole(environment, only(environment, environment.branch(number)))

    def check(number: int) -> None:
        closed = only(environment, environment.branch(number))
        assert closed.state is PullRequestState.CLOSED
        (words,) = environment.repository.comments(closed.number)
        assert words.count("Withdrawn") == 1
        assert closed.head_branch not in environment.repository.branches()

    asked = every_interruption(
        environment, how, lambda number: save(environment, number, "The same."), check, prepare
    )

    assert len(asked) >= 4


@everywhere
def test_a_change_of_base_that_is_cut_short_anywhere_is_completed(
    environment: BridgeEnvironment, how: str
) -> None:
    start_develop(environment)
    save(environment, 1, "Text 1")
    environment.settle()

    def base(number: int) -> str:
        return "develop" if number % 2 else "main"

    def check(number: int) -> None:
        pull = only(environment, environment.branch())
        assert pull.base_branch == base(number)
        assert f"`{pull.base_branch}`" in pull.body
        assert environment.repository.changed(pull.head_branch, pull.base_branch) == {path(1)}
        assert environment.repository.foreign_work() == []
        require_whole(environment, pull)

    asked = every_interruption(
        environment,
        how,
        lambda number: save(environment, 1, f"Text {number + 1}"),
        check,
        lambda number: change_base(environment, base(number)),
    )

    assert len(asked) >= 5


def protected_world(make_world: MakeWorld) -> BridgeEnvironment:
    environment = make_world({**WHOLE, "track": ["prod"]})
    environment.registry.protect_label("prod")
    return environment


def propose_on_prod(environment: BridgeEnvironment, number: int) -> None:
    """Label prod moves, and its move is proposed."""
    environment.registry.protected.clear()
    version = save(environment, number, "Text 2")
    environment.registry.move_label(number, "prod", version)
    environment.settle()
    environment.registry.protect_label("prod")
    save(environment, number, "Text 3")
    environment.post.lose()
    require_whole(environment, only(environment, environment.branch(number, "prod")))


def request(environment: BridgeEnvironment) -> Callable[[int], None]:
    return lambda number: environment.registry.request_label(number, "prod", actor=JANE)
