"""Is somebody waiting for an approval? Told from events that may come in any order, or never."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from bridge.prompts.planning.reconcile_context import (
    DELETED,
    LABEL_CHANGE_APPROVED,
    LABEL_CHANGE_DENIED,
    LABEL_CHANGE_REQUESTED,
    SNIPPET_CHANGED,
    STALE_READ_WINDOW,
    VERSION_CREATED,
    ApprovalNotYetVisible,
    TriggerEvent,
    find_pending_approval,
    is_read_stale,
    sort_events_newest_first,
)
from bridge.prompts.prompt import LATEST
from bridge.prompts.pull_request.metadata import PendingApproval
from bridge.prompts.pull_request.proposal_summary import ApprovalRequest
from bridge.prompts.target import Target

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOVED = "prompt_template_label_moved"
WAS, IS = 4, 5  # where the label stood, and where it goes


def event(
    type: str, minute: float, *, received: float | None = None, change: str = "move"
) -> TriggerEvent:
    """An event ``minute`` minutes after noon."""
    return TriggerEvent(
        type=type,
        prompt_id=17,
        label="prod",
        occurred_at=NOON + timedelta(minutes=minute),
        received_at=NOON + timedelta(minutes=minute if received is None else received),
        user_name="Jane",
        change_type=change,
    )


def request_at(minute: float, from_version: int = WAS) -> PendingApproval:
    at = (NOON + timedelta(minutes=minute)).isoformat()
    return PendingApproval(ApprovalRequest("Jane", "move", "prod", at), from_version)


def decide(
    newest: TriggerEvent | None,
    pending_approval: PendingApproval | None = None,
    version: int | None = WAS,
    minute: float = 3,
) -> PendingApproval | ApprovalNotYetVisible | None:
    """As it stands ``minute`` minutes after noon, when the base branch has version ``WAS``."""
    return find_pending_approval(
        newest, pending_approval, version, WAS, NOON + timedelta(minutes=minute)
    )


REMEMBERED = request_at(0)
HOURS = 600.0

SITUATIONS = {
    "nobody asked": (None, None, WAS, None),
    "nobody asked, and the label moved": (None, None, IS, None),
    "asked": (event(LABEL_CHANGE_REQUESTED, 0), None, WAS, REMEMBERED),
    "asked, seen before": (event(LABEL_CHANGE_REQUESTED, 0), REMEMBERED, WAS, REMEMBERED),
    "asked, and the event is lost since": (None, REMEMBERED, WAS, REMEMBERED),
    "asked again": (event(LABEL_CHANGE_REQUESTED, 2), REMEMBERED, WAS, request_at(2)),
    "asked, and the label moved": (event(LABEL_CHANGE_REQUESTED, 0), REMEMBERED, IS, None),
    "asked, the label moved, and the event is lost": (None, REMEMBERED, IS, None),
    "denied": (event(LABEL_CHANGE_DENIED, 1), REMEMBERED, WAS, None),
    "denied before anybody looked": (event(LABEL_CHANGE_DENIED, 1), None, WAS, None),
    "approved, and the label moved": (event(LABEL_CHANGE_APPROVED, 3), REMEMBERED, IS, None),
    "approved before anybody looked, and the label moved": (
        event(LABEL_CHANGE_APPROVED, 3),
        None,
        IS,
        None,
    ),
    "approved, and the label has not moved yet": (
        event(LABEL_CHANGE_APPROVED, 3),
        REMEMBERED,
        WAS,
        ApprovalNotYetVisible(),
    ),
    "approved before anybody looked, not moved yet": (
        event(LABEL_CHANGE_APPROVED, 3),
        None,
        WAS,
        ApprovalNotYetVisible(),
    ),
    "approved long ago, and the label stayed": (
        event(LABEL_CHANGE_APPROVED, 1),
        REMEMBERED,
        WAS,
        None,
    ),
    "moved by hand": (event(MOVED, 1), REMEMBERED, IS, None),
    "moved to where it was": (event(MOVED, 1), REMEMBERED, WAS, None),
}


@pytest.mark.parametrize(
    ("newest", "pending_approval", "version", "expected"), SITUATIONS.values(), ids=SITUATIONS
)
def test_a_request_waits_until_it_is_decided(
    newest: TriggerEvent | None,
    pending_approval: PendingApproval | None,
    version: int,
    expected: PendingApproval | ApprovalNotYetVisible | None,
) -> None:
    assert decide(newest, pending_approval, version) == expected


@pytest.mark.parametrize(
    "order", [*permutations([LABEL_CHANGE_REQUESTED, LABEL_CHANGE_APPROVED, MOVED])]
)
@pytest.mark.parametrize("pending_approval", [None, REMEMBERED], ids=["new", "pending_approval"])
def test_an_approved_change_is_decided_in_whatever_order_its_events_arrive(
    order: tuple[str, ...], pending_approval: PendingApproval | None
) -> None:
    at = {LABEL_CHANGE_REQUESTED: 0.0, LABEL_CHANGE_APPROVED: 1.0, MOVED: 1.01}
    arrived: list[TriggerEvent] = []
    for arrival, kind in enumerate(order):
        arrived.append(event(kind, at[kind], received=HOURS + arrival))
        newest = sort_events_newest_first(arrived)[0]

        found = decide(newest, pending_approval, IS, HOURS + arrival)

        # The label has moved, whatever is heard of it first. Only who never saw it where it was,
        # and heard of nothing but the request, has to believe the request.
        unseen = pending_approval is None and newest.type == LABEL_CHANGE_REQUESTED
        assert found == (request_at(0, IS) if unseen else None)


@pytest.mark.parametrize("order", [*permutations([LABEL_CHANGE_REQUESTED, LABEL_CHANGE_DENIED])])
def test_a_denied_change_is_decided_in_whatever_order_its_events_arrive(
    order: tuple[str, ...],
) -> None:
    at = {LABEL_CHANGE_REQUESTED: 0.0, LABEL_CHANGE_DENIED: 1.0}
    arrived = [event(kind, at[kind], received=number) for number, kind in enumerate(order)]

    assert decide(sort_events_newest_first(arrived)[0], REMEMBERED) is None


def test_a_late_approval_is_waited_for_from_when_it_arrived() -> None:
    approved = event(LABEL_CHANGE_APPROVED, 1, received=HOURS)
    patience = STALE_READ_WINDOW.total_seconds() / 60

    assert decide(approved, REMEMBERED, minute=HOURS + patience * 0.9) == ApprovalNotYetVisible()
    assert decide(approved, REMEMBERED, minute=HOURS + patience) is None


def test_a_request_to_delete_the_label_says_so() -> None:
    found = decide(event(LABEL_CHANGE_REQUESTED, 0, change="deletion"))

    assert isinstance(found, PendingApproval)
    assert found.request.change == "deletion"


def test_a_request_of_somebody_without_a_name_names_the_address() -> None:
    asked = TriggerEvent(
        LABEL_CHANGE_REQUESTED, 17, "prod", NOON, NOON, user_email="jane@example.com"
    )

    found = decide(asked)

    assert isinstance(found, PendingApproval)
    assert found.request.by == "jane@example.com"


def test_of_two_events_of_one_moment_the_later_arrival_is_newer() -> None:
    first, second = (
        event(LABEL_CHANGE_APPROVED, 1, received=2),
        event(LABEL_CHANGE_DENIED, 1, received=3),
    )

    assert sort_events_newest_first([first, second]) == (second, first)


@pytest.mark.parametrize(
    ("type", "edits"),
    [
        (SNIPPET_CHANGED, False),
        (LABEL_CHANGE_DENIED, False),
        (MOVED, True),
        (LABEL_CHANGE_REQUESTED, True),
    ],
)
def test_only_who_changed_the_file_is_its_editor(type: str, edits: bool) -> None:
    assert event(type, 0).is_edit is edits


SAVED = TriggerEvent(VERSION_CREATED, 17, None, NOON, NOON, version=9)
NEWEST = Target("support", 17, LATEST)


@pytest.mark.parametrize("shown", [8, None])
def test_a_version_that_an_event_told_and_nobody_shows_yet_is_waited_for(shown: int | None) -> None:
    assert is_read_stale(NEWEST, shown, [SAVED], NOON + STALE_READ_WINDOW / 2)


@pytest.mark.parametrize("shown", [9, 10])
def test_a_version_that_is_shown_is_not_waited_for(shown: int) -> None:
    assert not is_read_stale(NEWEST, shown, [SAVED], NOON)


def test_patience_with_what_an_event_told_ends() -> None:
    assert not is_read_stale(NEWEST, 8, [SAVED], NOON + STALE_READ_WINDOW)


def test_nobody_waits_for_a_version_of_a_prompt_that_was_deleted() -> None:
    assert not is_read_stale(
        NEWEST, None, [SAVED, TriggerEvent(DELETED, 17, None, NOON, NOON)], NOON
    )


@pytest.mark.parametrize("other", [Target("support", 17, "prod"), Target("support", 18, LATEST)])
def test_only_the_newest_version_of_the_same_prompt_is_waited_for(other: Target) -> None:
    assert not is_read_stale(other, 8, [SAVED], NOON)
