"""A step that is cut short anywhere is completed by the next look: the pull request ends as it
should be, whatever was done and whatever was not. Every request of a creation, an update, an
approval, a withdrawal and a change of base fails once, before and after it was carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest

from bridge.evals.telling import STATUS
from bridge.forge.base import PullRequest, PullRequestState
from bridge.prompts.prompt import LATEST
from tests.integration.lifecycle.interruptions import FAULTS, every_interruption
from tests.integration.lifecycle.place import FORGES
from tests.integration.lifecycle.test_bases import change_base, start_develop
from tests.integration.lifecycle.world import JANE, MakeWorld, World, template

PEOPLE: dict[str, Any] = {"labels": ["prompt"], "reviewers": ["alice"], "assignees": ["bob"]}
WHOLE: dict[str, Any] = {"pull_request": PEOPLE, "evals": {"required": True}}
everywhere = pytest.mark.parametrize(("forge_name", "how"), list(product(FORGES, FAULTS)))


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(WHOLE)


def save(world: World, number: int, text: str, labels: Sequence[str] = ()) -> int:
    """A prompt of its own for each interruption, whose id is the number; the version's."""
    version = world.registry.save(f"prompts/{number}", template(text), labels=labels)
    assert version.prompt_id == number
    return version.number


def path(number: int, label: str = LATEST) -> str:
    return f"prompts/{label}/prompts/{number}.yaml"


def adopt(world: World, number: int, text: str, label: str = LATEST) -> None:
    """A prompt that both sides have."""
    save(world, number, text, () if label == LATEST else (label,))
    world.adopt(path(number, label), label=label, prompt_id=number)


def only(world: World, branch: str) -> PullRequest:
    """The only pull request of a branch."""
    (found,) = world.place.every(branch)
    return found


def require_whole(world: World, pull: PullRequest, *, draft: bool = False) -> None:
    """It is all that a proposal should be."""
    assert pull.state is PullRequestState.OPEN
    assert pull.draft is draft
    assert pull.labels == {"prompt"}
    assert pull.reviewers == {"alice"}
    assert pull.assignees == {"bob"}
    assert world.place.head(pull.head) == pull.head_commit
    state, _, _ = world.place.said_on(pull.head_commit)[STATUS]
    assert state == "pending"


@everywhere
def test_a_creation_that_is_cut_short_anywhere_is_completed(world: World, how: str) -> None:
    def act(number: int) -> None:
        save(world, number, f"Text {number}")

    def check(number: int) -> None:
        pull = only(world, world.branch(number))
        require_whole(world, pull)
        assert world.says(path(number), pull.head) == f"Text {number}"
        assert f"prompts/{number}" in pull.title

    asked = every_interruption(world, how, act, check)

    assert len(asked) >= 4


@everywhere
def test_an_update_that_is_cut_short_anywhere_is_completed(world: World, how: str) -> None:
    save(world, 1, "Text 0")
    world.settle()

    def act(number: int) -> None:
        save(world, 1, f"Text {number}")

    def check(number: int) -> None:
        pull = only(world, world.branch())
        require_whole(world, pull)
        assert world.says(path(1), pull.head) == f"Text {number}"
        assert f"version {number + 1}" in pull.title
        assert f"Text {number}" in pull.body

    asked = every_interruption(world, how, act, check)

    assert len(asked) >= 4


@everywhere
def test_a_request_that_is_cut_short_anywhere_is_a_draft(make_world: MakeWorld, how: str) -> None:
    """Of a proposal that was open before, and ready for review."""
    world = protected_world(make_world)

    def prepare(number: int) -> None:
        adopt(world, number, "Text 1", "prod")
        propose_on_prod(world, number)

    def check(number: int) -> None:
        require_whole(world, only(world, world.branch(number, "prod")), draft=True)

    asked = every_interruption(world, how, request(world), check, prepare)

    assert len(asked) >= 3


@everywhere
def test_an_approval_that_is_cut_short_anywhere_is_ready_for_review(
    make_world: MakeWorld, how: str
) -> None:
    world = protected_world(make_world)

    def prepare(number: int) -> None:
        adopt(world, number, "Text 1", "prod")
        save(world, number, "Text 2")
        request(world)(number)
        world.settle()
        require_whole(world, only(world, world.branch(number, "prod")), draft=True)

    def approve(number: int) -> None:
        world.registry.approve_label(number, "prod", actor=JANE)

    def check(number: int) -> None:
        pull = only(world, world.branch(number, "prod"))
        require_whole(world, pull)
        assert "asked" not in pull.body

    asked = every_interruption(world, how, approve, check, prepare)

    assert len(asked) >= 2


@everywhere
def test_a_withdrawal_that_is_cut_short_anywhere_is_completed(world: World, how: str) -> None:
    def prepare(number: int) -> None:
        adopt(world, number, "The same.")
        save(world, number, "Another.")
        world.settle()
        require_whole(world, only(world, world.branch(number)))

    def check(number: int) -> None:
        closed = only(world, world.branch(number))
        assert closed.state is PullRequestState.CLOSED
        (words,) = world.place.comments(closed.number)
        assert words.count("Withdrawn") == 1
        assert closed.head not in world.place.branches()

    asked = every_interruption(
        world, how, lambda number: save(world, number, "The same."), check, prepare
    )

    assert len(asked) >= 4


@everywhere
def test_a_change_of_base_that_is_cut_short_anywhere_is_completed(world: World, how: str) -> None:
    start_develop(world)
    save(world, 1, "Text 1")
    world.settle()

    def base(number: int) -> str:
        return "develop" if number % 2 else "main"

    def check(number: int) -> None:
        pull = only(world, world.branch())
        assert pull.base == base(number)
        assert f"`{pull.base}`" in pull.body
        assert world.place.changed(pull.head, pull.base) == {path(1)}
        assert world.place.foreign_work() == []
        require_whole(world, pull)

    asked = every_interruption(
        world,
        how,
        lambda number: save(world, 1, f"Text {number + 1}"),
        check,
        lambda number: change_base(world, base(number)),
    )

    assert len(asked) >= 5


def protected_world(make_world: MakeWorld) -> World:
    world = make_world({**WHOLE, "track": ["prod"]})
    world.registry.protect("prod")
    return world


def propose_on_prod(world: World, number: int) -> None:
    """Label prod moves, and its move is proposed."""
    world.registry.protected.clear()
    version = save(world, number, "Text 2")
    world.registry.move_label(number, "prod", version)
    world.settle()
    world.registry.protect("prod")
    save(world, number, "Text 3")
    world.post.lose()
    require_whole(world, only(world, world.branch(number, "prod")))


def request(world: World) -> Callable[[int], None]:
    return lambda number: world.registry.request_label(number, "prod", actor=JANE)
