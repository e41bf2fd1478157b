"""Protected labels: asked for, approved, denied, and every order in which that may be told."""

from __future__ import annotations

from itertools import permutations

import pytest

from bridge.forge.base import PullRequestState
from bridge.forge.draft_fallback import NOTE
from bridge.prompts.outcome import OutcomeKind
from tests.integration.lifecycle.place import EVERY_FORGE
from tests.integration.lifecycle.world import BOB, JANE, MakeWorld, World

on_every_forge = pytest.mark.parametrize("forge_name", EVERY_FORGE)
PROD = "prompts/prod/support/reply.yaml"
ASKED_FOR = "Answer briefly."  # the newest version when somebody asks
BRANCH = World.branch(label="prod")


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Label prod is protected, on version 1 on both sides; version 2 is there."""
    world = make_world({"track": ["prod"]})
    world.save("Answer kindly.", labels=["prod"])
    world.adopt(PROD, label="prod")
    world.registry.protect("prod")
    world.save("Answer briefly.")
    world.post.lose()
    return world


def not_moved_yet(world: World) -> None:
    """PromptLayer has said that the change is approved, and still shows the label where it was."""
    place_label(world, 1)


def place_label(world: World, version: int) -> None:
    entry = world.registry.entry(1)
    entry.labels["prod"].version = version
    entry.listed.clear()


# Asked for


@on_every_forge
def test_a_request_opens_a_draft_that_says_who_asked(world: World) -> None:
    world.registry.request_label(1, "prod", actor=JANE)

    world.settle()

    draft = world.pull_request()
    assert draft.draft or draft.body.startswith(NOTE)
    assert "Jane Doe asked" in draft.body
    assert world.proposed(PROD) == "Answer briefly."


@on_every_forge
def test_an_approval_makes_the_draft_ready_with_the_version_that_was_approved(world: World) -> None:
    world.save("Answer in verse.")
    world.registry.request_label(1, "prod", version=2, actor=JANE)
    world.settle()
    draft = world.pull_request()
    assert world.proposed(PROD) == "Answer in verse."  # the newest stands for what nobody tells

    world.registry.approve_label(1, "prod", actor=BOB)
    world.settle()

    ready = world.pull_request()
    assert (ready.number, ready.draft) == (draft.number, False)
    assert world.proposed(PROD) == "Answer briefly."
    assert "asked" not in ready.body


@on_every_forge
def test_a_denial_withdraws_the_draft(world: World) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    world.settle()
    draft = world.pull_request()

    world.registry.deny_label(1, "prod", actor=BOB)
    world.settle()

    assert world.place.open() == []
    assert world.place.newest(BRANCH).state is PullRequestState.CLOSED
    assert "did not come about" in world.place.comments(draft.number)[0]
    assert not world.place.branches()


def test_a_request_that_comes_again_after_a_denial_is_a_draft_again(world: World) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    world.settle()
    world.registry.deny_label(1, "prod", actor=BOB)
    world.settle()

    world.registry.request_label(1, "prod", actor=BOB)
    world.settle()

    assert world.pull_request().draft
    assert "Bob Ray asked" in world.pull_request().body


@on_every_forge
@pytest.mark.parametrize("heard", ["at once", "after the next save"])
def test_a_version_saved_after_the_request_is_not_shown_as_asked_for(
    world: World, heard: str
) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    if heard == "at once":
        world.settle()
    world.save("Answer in verse.")

    world.settle()
    world.sweep()

    assert world.pull_request().draft
    assert world.proposed(PROD) == ASKED_FOR


def test_a_person_cannot_make_an_undecided_draft_ready_for_good(world: World) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    world.settle()
    world.place.turn(world.pull_request(), draft=False)

    world.sweep()

    assert world.pull_request().draft


def test_an_approved_request_becomes_what_the_mapping_says(make_world: MakeWorld) -> None:
    world = make_world({"track": ["prod"], "pull_request": {"draft": True}})
    world.save("Answer kindly.")
    world.registry.request_label(1, "prod", actor=JANE)
    world.settle()
    assert world.pull_request().draft

    world.registry.approve_label(1, "prod", actor=BOB)
    world.settle()

    assert world.pull_request().draft
    assert "asked" not in world.pull_request().body


# Late and early


def test_an_approval_that_comes_before_the_label_moves_waits_for_it(world: World) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    world.settle()
    world.registry.approve_label(1, "prod", actor=BOB, also_moved=False)
    not_moved_yet(world)
    world.settle(patience=5)
    assert world.pull_request().draft
    assert world.standing(BRANCH).kind is OutcomeKind.WAITING

    place_label(world, 2)
    world.settle()

    assert not world.pull_request().draft
    assert world.proposed(PROD) == "Answer briefly."


def test_an_approval_alone_proposes_what_was_approved(world: World) -> None:
    """The request was never heard of, and PromptLayer may not tell of the move."""
    world.registry.request_label(1, "prod", actor=JANE)
    world.registry.approve_label(1, "prod", actor=BOB, also_moved=False)
    world.deliver(world.post.take()[-1:])

    world.settle()

    assert not world.pull_request().draft
    assert world.proposed(PROD) == "Answer briefly."


def test_an_approval_after_which_the_label_never_moves_is_not_waited_for_forever(
    world: World,
) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    world.settle()
    world.registry.approve_label(1, "prod", actor=BOB, also_moved=False)
    not_moved_yet(world)

    world.settle(patience=120)

    assert world.place.open() == []


def test_a_request_that_comes_after_its_denial_opens_nothing(world: World) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    world.registry.deny_label(1, "prod", actor=BOB)
    request, denial = world.post.take()
    world.deliver([denial])
    world.settle()

    world.deliver([request])
    world.settle()

    assert world.place.every(BRANCH) == []


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_every_order_of_request_move_and_approval_ends_the_same(
    world: World, order: tuple[int, ...]
) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    world.registry.approve_label(1, "prod", actor=BOB)
    payloads = world.post.take()

    for at in (*order, order[0]):
        world.deliver([payloads[at]])
        world.settle()

    assert not world.pull_request().draft
    assert world.proposed(PROD) == "Answer briefly."
    assert "asked" not in world.pull_request().body
    assert len(world.place.every(BRANCH)) == 1


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_events_in_any_order_while_the_label_has_not_moved_end_the_same(
    world: World, order: tuple[int, ...]
) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    world.registry.approve_label(1, "prod", actor=BOB)
    payloads = world.post.take()
    not_moved_yet(world)
    for at in order[:2]:
        world.deliver([payloads[at]])
        world.settle(patience=2)

    place_label(world, 2)
    world.deliver([payloads[order[2]]])
    world.settle()

    assert not world.pull_request().draft
    assert world.proposed(PROD) == "Answer briefly."


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (1, 0, 1)], ids=str)
def test_every_order_of_request_and_denial_ends_with_nothing(
    world: World, order: tuple[int, ...]
) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    world.registry.deny_label(1, "prod", actor=BOB)
    payloads = world.post.take()

    for at in order:
        world.deliver([payloads[at]])
        world.settle()

    assert world.place.open() == []
    assert not world.place.branches()


# Deletion


@on_every_forge
def test_a_request_to_delete_the_label_is_a_draft_that_removes_the_file(world: World) -> None:
    world.registry.request_label(1, "prod", "deletion", actor=JANE)
    world.settle()
    draft = world.pull_request()
    assert draft.draft or draft.body.startswith(NOTE)
    assert "to delete label" in draft.body
    assert world.place.text(PROD, draft.head) is None

    world.registry.approve_label(1, "prod", actor=BOB)
    world.settle()

    assert not world.pull_request().draft
    assert world.place.text(PROD, draft.head) is None


def test_a_denied_deletion_is_withdrawn(world: World) -> None:
    world.registry.request_label(1, "prod", "deletion", actor=JANE)
    world.settle()

    world.registry.deny_label(1, "prod", actor=BOB)
    world.settle()

    assert world.place.open() == []
    assert world.says(PROD) == "Answer kindly."


# Without those events


def test_a_protected_label_that_moves_without_them_is_proposed(world: World) -> None:
    world.registry.protected.clear()
    world.registry.move_label(1, "prod", 2, actor=JANE)

    world.settle()

    assert not world.pull_request().draft
    assert world.proposed(PROD) == "Answer briefly."


def test_a_draft_whose_label_moves_without_an_approval_becomes_ready(world: World) -> None:
    world.registry.request_label(1, "prod", actor=JANE)
    world.settle()
    world.registry.protected.clear()
    world.registry.move_label(1, "prod", 2, actor=JANE)
    world.post.lose()

    world.sweep()

    assert not world.pull_request().draft


def test_a_rejected_request_is_not_asked_again_by_its_approval(world: World) -> None:
    """A person closed the draft: the same version is not proposed once it is approved."""
    world.registry.request_label(1, "prod", actor=JANE)
    world.settle()
    world.place.close(world.pull_request().number)

    world.registry.approve_label(1, "prod", actor=BOB)
    world.settle()

    assert world.place.open() == []
    assert world.standing(BRANCH).kind is OutcomeKind.REJECTED
