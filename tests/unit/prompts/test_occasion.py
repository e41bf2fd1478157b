"""Is somebody waiting for an approval? Told from events that may come in any order, or never."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from bridge.prompts.memory import PendingRequest
from bridge.prompts.occasion import (
    APPROVAL_PATIENCE,
    APPROVED,
    DENIED,
    REQUESTED,
    SNIPPET_CHANGED,
    Cause,
    NotYet,
    newest_first,
    pending_request,
)
from bridge.prompts.story import ApprovalRequest

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOVED = "prompt_template_label_moved"
WAS, IS = 4, 5  # where the label stood, and where it goes


def event(
    type: str, minute: float, *, received: float | None = None, change: str = "move"
) -> Cause:
    """An event ``minute`` minutes after noon."""
    return Cause(
        type=type,
        prompt_id=17,
        label="prod",
        at=NOON + timedelta(minutes=minute),
        received_at=NOON + timedelta(minutes=minute if received is None else received),
        user_name="Jane",
        change_type=change,
    )


def request_at(minute: float, from_version: int = WAS) -> PendingRequest:
    at = (NOON + timedelta(minutes=minute)).isoformat()
    return PendingRequest(ApprovalRequest("Jane", "move", "prod", at), from_version)


def decide(
    newest: Cause | None,
    remembered: PendingRequest | None = None,
    version: int | None = WAS,
    minute: float = 3,
) -> PendingRequest | NotYet | None:
    """As it stands ``minute`` minutes after noon, when the base branch has version ``WAS``."""
    return pending_request(newest, remembered, version, WAS, NOON + timedelta(minutes=minute))


REMEMBERED = request_at(0)
HOURS = 600.0

SITUATIONS = {
    "nobody asked": (None, None, WAS, None),
    "nobody asked, and the label moved": (None, None, IS, None),
    "asked": (event(REQUESTED, 0), None, WAS, REMEMBERED),
    "asked, seen before": (event(REQUESTED, 0), REMEMBERED, WAS, REMEMBERED),
    "asked, and the event is lost since": (None, REMEMBERED, WAS, REMEMBERED),
    "asked again": (event(REQUESTED, 2), REMEMBERED, WAS, request_at(2)),
    "asked, and the label moved": (event(REQUESTED, 0), REMEMBERED, IS, None),
    "asked, the label moved, and the event is lost": (None, REMEMBERED, IS, None),
    "denied": (event(DENIED, 1), REMEMBERED, WAS, None),
    "denied before anybody looked": (event(DENIED, 1), None, WAS, None),
    "approved, and the label moved": (event(APPROVED, 3), REMEMBERED, IS, None),
    "approved before anybody looked, and the label moved": (event(APPROVED, 3), None, IS, None),
    "approved, and the label has not moved yet": (event(APPROVED, 3), REMEMBERED, WAS, NotYet()),
    "approved before anybody looked, not moved yet": (event(APPROVED, 3), None, WAS, NotYet()),
    "approved long ago, and the label stayed": (event(APPROVED, 1), REMEMBERED, WAS, None),
    "moved by hand": (event(MOVED, 1), REMEMBERED, IS, None),
    "moved to where it was": (event(MOVED, 1), REMEMBERED, WAS, None),
}


@pytest.mark.parametrize(
    ("newest", "remembered", "version", "expected"), SITUATIONS.values(), ids=SITUATIONS
)
def test_a_request_waits_until_it_is_decided(
    newest: Cause | None,
    remembered: PendingRequest | None,
    version: int,
    expected: PendingRequest | NotYet | None,
) -> None:
    assert decide(newest, remembered, version) == expected


@pytest.mark.parametrize("order", [*permutations([REQUESTED, APPROVED, MOVED])])
@pytest.mark.parametrize("remembered", [None, REMEMBERED], ids=["new", "remembered"])
def test_an_approved_change_is_decided_in_whatever_order_its_events_arrive(
    order: tuple[str, ...], remembered: PendingRequest | None
) -> None:
    at = {REQUESTED: 0.0, APPROVED: 1.0, MOVED: 1.01}
    arrived: list[Cause] = []
    for arrival, kind in enumerate(order):
        arrived.append(event(kind, at[kind], received=HOURS + arrival))
        newest = newest_first(arrived)[0]

        found = decide(newest, remembered, IS, HOURS + arrival)

        # The label has moved, whatever is heard of it first. Only who never saw it where it was,
        # and heard of nothing but the request, has to believe the request.
        unseen = remembered is None and newest.type == REQUESTED
        assert found == (request_at(0, IS) if unseen else None)


@pytest.mark.parametrize("order", [*permutations([REQUESTED, DENIED])])
def test_a_denied_change_is_decided_in_whatever_order_its_events_arrive(
    order: tuple[str, ...],
) -> None:
    at = {REQUESTED: 0.0, DENIED: 1.0}
    arrived = [event(kind, at[kind], received=number) for number, kind in enumerate(order)]

    assert decide(newest_first(arrived)[0], REMEMBERED) is None


def test_a_late_approval_is_waited_for_from_when_it_arrived() -> None:
    approved = event(APPROVED, 1, received=HOURS)
    patience = APPROVAL_PATIENCE.total_seconds() / 60

    assert decide(approved, REMEMBERED, minute=HOURS + patience * 0.9) == NotYet()
    assert decide(approved, REMEMBERED, minute=HOURS + patience) is None


def test_a_request_to_delete_the_label_says_so() -> None:
    found = decide(event(REQUESTED, 0, change="deletion"))

    assert isinstance(found, PendingRequest)
    assert found.request.change == "deletion"


def test_a_request_of_somebody_without_a_name_names_the_address() -> None:
    asked = Cause(REQUESTED, 17, "prod", NOON, NOON, user_email="jane@example.com")

    found = decide(asked)

    assert isinstance(found, PendingRequest)
    assert found.request.by == "jane@example.com"


def test_of_two_events_of_one_moment_the_later_arrival_is_newer() -> None:
    first, second = event(APPROVED, 1, received=2), event(DENIED, 1, received=3)

    assert newest_first([first, second]) == (second, first)


@pytest.mark.parametrize(
    ("type", "edits"), [(SNIPPET_CHANGED, False), (DENIED, False), (MOVED, True), (REQUESTED, True)]
)
def test_only_who_changed_the_file_is_its_editor(type: str, edits: bool) -> None:
    assert event(type, 0).edits is edits
