"""Protected labels: asked for, approved, denied, and every order in which that may be told."""

from __future__ import annotations

from itertools import permutations

import pytest

from bridge.forge.draft_fallback import NOTE
from bridge.forge.forge import PullRequestState
from bridge.prompts.planning.outcome import ReconcileOutcomeKind
from tests.integration.lifecycle.bridge_environment import BOB, JANE, BridgeEnvironment, MakeWorld
from tests.integration.lifecycle.forge_repository import EVERY_FORGE

on_every_forge = pytest.mark.parametrize("forge_name", EVERY_FORGE)
PROD = "prompts/prod/support/reply.yaml"
ASKED_FOR = "Answer briefly."  # the newest version when somebody asks
BRANCH = BridgeEnvironment.branch(label="prod")


@pytest.fixture
def environment(make_world: MakeWorld) -> BridgeEnvironment:
    """Label prod is protected, on version 1 on both sides; version 2 is there."""
    environment = make_world({"track": ["prod"]})
    environment.save("Answer kindly.", labels=["prod"])
    environment.adopt(PROD, label="prod")
    environment.registry.protect_label("prod")
    environment.save("Answer briefly.")
    environment.post.lose()
    return environment


def not_moved_yet(environment: BridgeEnvironment) -> None:
    """PromptLayer has said that the change is approved, and still shows the label where it was."""
    place_label(environment, 1)


def place_label(environment: BridgeEnvironment, version: int) -> None:
    entry = environment.registry.find_entry(1)
    entry.labels["prod"].version = version
    entry.list_item_by_version.clear()


# Asked for


@on_every_forge
def test_a_request_opens_a_draft_that_says_who_asked(environment: BridgeEnvironment) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)

    environment.settle()

    draft = environment.pull_request()
    assert draft.is_draft or draft.body.startswith(NOTE)
    assert "Jane Doe asked" in draft.body
    assert environment.proposed(PROD) == "Answer briefly."


@on_every_forge
def test_an_approval_makes_the_draft_ready_with_the_version_that_was_approved(
    environment: BridgeEnvironment,
) -> None:
    environment.save("Answer in verse.")
    environment.registry.request_label(1, "prod", version=2, actor=JANE)
    environment.settle()
    draft = environment.pull_request()
    assert (
        environment.proposed(PROD) == "Answer in verse."
    )  # the newest stands for what nobody tells

    environment.registry.approve_label(1, "prod", actor=BOB)
    environment.settle()

    ready = environment.pull_request()
    assert (ready.number, ready.is_draft) == (draft.number, False)
    assert environment.proposed(PROD) == "Answer briefly."
    assert "asked" not in ready.body


@on_every_forge
def test_a_denial_withdraws_the_draft(environment: BridgeEnvironment) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.settle()
    draft = environment.pull_request()

    environment.registry.deny_label(1, "prod", actor=BOB)
    environment.settle()

    assert environment.repository.open() == []
    assert environment.repository.newest(BRANCH).state is PullRequestState.CLOSED
    assert "did not come about" in environment.repository.comments(draft.number)[0]
    assert not environment.repository.branches()


def test_a_request_that_comes_again_after_a_denial_is_a_draft_again(
    environment: BridgeEnvironment,
) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.settle()
    environment.registry.deny_label(1, "prod", actor=BOB)
    environment.settle()

    environment.registry.request_label(1, "prod", actor=BOB)
    environment.settle()

    assert environment.pull_request().is_draft
    assert "Bob Ray asked" in environment.pull_request().body


@on_every_forge
@pytest.mark.parametrize("heard", ["at once", "after the next save"])
def test_a_version_saved_after_the_request_is_not_shown_as_asked_for(
    environment: BridgeEnvironment, heard: str
) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    if heard == "at once":
        environment.settle()
    environment.save("Answer in verse.")

    environment.settle()
    environment.sweep()

    draft = environment.pull_request()
    assert draft.is_draft or draft.body.startswith(NOTE)
    assert environment.proposed(PROD) == ASKED_FOR


def test_a_person_cannot_make_an_undecided_draft_ready_for_good(
    environment: BridgeEnvironment,
) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.settle()
    environment.repository.turn(environment.pull_request(), draft=False)

    environment.sweep()

    assert environment.pull_request().is_draft


def test_an_approved_request_becomes_what_the_mapping_says(make_world: MakeWorld) -> None:
    environment = make_world({"track": ["prod"], "pull_request": {"draft": True}})
    environment.save("Answer kindly.")
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.settle()
    assert environment.pull_request().is_draft

    environment.registry.approve_label(1, "prod", actor=BOB)
    environment.settle()

    assert environment.pull_request().is_draft
    assert "asked" not in environment.pull_request().body


# Late and early


def test_an_approval_that_comes_before_the_label_moves_waits_for_it(
    environment: BridgeEnvironment,
) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.settle()
    environment.registry.approve_label(1, "prod", actor=BOB, also_moved=False)
    not_moved_yet(environment)
    environment.settle(patience=5)
    assert environment.pull_request().is_draft
    assert environment.standing(BRANCH).kind is ReconcileOutcomeKind.WAITING

    place_label(environment, 2)
    environment.settle()

    assert not environment.pull_request().is_draft
    assert environment.proposed(PROD) == "Answer briefly."


def test_an_approval_alone_proposes_what_was_approved(environment: BridgeEnvironment) -> None:
    """The request was never heard of, and PromptLayer may not tell of the move."""
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.registry.approve_label(1, "prod", actor=BOB, also_moved=False)
    environment.deliver(environment.post.take()[-1:])

    environment.settle()

    assert not environment.pull_request().is_draft
    assert environment.proposed(PROD) == "Answer briefly."


def test_an_approval_after_which_the_label_never_moves_is_not_waited_for_forever(
    environment: BridgeEnvironment,
) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.settle()
    environment.registry.approve_label(1, "prod", actor=BOB, also_moved=False)
    not_moved_yet(environment)

    environment.settle(patience=120)

    assert environment.repository.open() == []


def test_a_request_that_comes_after_its_denial_opens_nothing(
    environment: BridgeEnvironment,
) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.registry.deny_label(1, "prod", actor=BOB)
    request, denial = environment.post.take()
    environment.deliver([denial])
    environment.settle()

    environment.deliver([request])
    environment.settle()

    assert environment.repository.every(BRANCH) == []


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_every_order_of_request_move_and_approval_ends_the_same(
    environment: BridgeEnvironment, order: tuple[int, ...]
) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.registry.approve_label(1, "prod", actor=BOB)
    payloads = environment.post.take()

    for at in (*order, order[0]):
        environment.deliver([payloads[at]])
        environment.settle()

    assert not environment.pull_request().is_draft
    assert environment.proposed(PROD) == "Answer briefly."
    assert "asked" not in environment.pull_request().body
    assert len(environment.repository.every(BRANCH)) == 1


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_events_in_any_order_while_the_label_has_not_moved_end_the_same(
    environment: BridgeEnvironment, order: tuple[int, ...]
) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.registry.approve_label(1, "prod", actor=BOB)
    payloads = environment.post.take()
    not_moved_yet(environment)
    for at in order[:2]:
        environment.deliver([payloads[at]])
        environment.settle(patience=2)

    place_label(environment, 2)
    environment.deliver([payloads[order[2]]])
    environment.settle()

    assert not environment.pull_request().is_draft
    assert environment.proposed(PROD) == "Answer briefly."


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (1, 0, 1)], ids=str)
def test_every_order_of_request_and_denial_ends_with_nothing(
    environment: BridgeEnvironment, order: tuple[int, ...]
) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.registry.deny_label(1, "prod", actor=BOB)
    payloads = environment.post.take()

    for at in order:
        environment.deliver([payloads[at]])
        environment.settle()

    assert environment.repository.open() == []
    assert not environment.repository.branches()


# Deletion


@on_every_forge
def test_a_request_to_delete_the_label_is_a_draft_that_removes_the_file(
    environment: BridgeEnvironment,
) -> None:
    environment.registry.request_label(1, "prod", "deletion", actor=JANE)
    environment.settle()
    draft = environment.pull_request()
    assert draft.is_draft or draft.body.startswith(NOTE)
    assert "to delete label" in draft.body
    assert environment.repository.text(PROD, draft.head_branch) is None

    environment.registry.approve_label(1, "prod", actor=BOB)
    environment.settle()

    assert not environment.pull_request().is_draft
    assert environment.repository.text(PROD, draft.head_branch) is None


def test_a_denied_deletion_is_withdrawn(environment: BridgeEnvironment) -> None:
    environment.registry.request_label(1, "prod", "deletion", actor=JANE)
    environment.settle()

    environment.registry.deny_label(1, "prod", actor=BOB)
    environment.settle()

    assert environment.repository.open() == []
    assert environment.says(PROD) == "Answer kindly."


# Without those events


def test_a_protected_label_that_moves_without_them_is_proposed(
    environment: BridgeEnvironment,
) -> None:
    environment.registry.protected.clear()
    environment.registry.move_label(1, "prod", 2, actor=JANE)

    environment.settle()

    assert not environment.pull_request().is_draft
    assert environment.proposed(PROD) == "Answer briefly."


def test_a_draft_whose_label_moves_without_an_approval_becomes_ready(
    environment: BridgeEnvironment,
) -> None:
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.settle()
    environment.registry.protected.clear()
    environment.registry.move_label(1, "prod", 2, actor=JANE)
    environment.post.lose()

    environment.sweep()

    assert not environment.pull_request().is_draft


def test_a_rejected_request_is_not_asked_again_by_its_approval(
    environment: BridgeEnvironment,
) -> None:
    """A person closed the draft: the same version is not proposed once it is approved."""
    environment.registry.request_label(1, "prod", actor=JANE)
    environment.settle()
    environment.repository.close(environment.pull_request().number)

    environment.registry.approve_label(1, "prod", actor=BOB)
    environment.settle()

    assert environment.repository.open() == []
    assert environment.standing(BRANCH).kind is ReconcileOutcomeKind.REJECTED
