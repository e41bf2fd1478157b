"""What people ask the books, on every database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.errors import InvalidInputError
from bridge.prompts.planning.drift import DriftStatus
from bridge.prompts.planning.outcome import (
    ReconcileOutcome,
    ReconcileOutcomeKind,
    TargetObservation,
)
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Proposal, Target
from bridge.status.delivery_queries import DeliveryFilter, DeliverySummary, list_deliveries
from bridge.status.pagination import Page
from bridge.status.status_reader import StatusReader
from bridge.status.target_queries import TargetFilter, TargetOrder
from bridge.storage.backoff import RepositoryBackoff
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox, DeliveryState
from tests.integration.manual_clock import ManualClock
from tests.integration.sample_deliveries import NOON, version_delivery

Row = TypeVar("Row")


def looked(
    store: ReconcileStore,
    clock: ManualClock,
    prompt_id: int,
    kind: ReconcileOutcomeKind,
    name: str,
    label: str = "prod",
) -> Target:
    """A look at one prompt comes to this."""
    target, proposal = Target("support", prompt_id, label), Proposal("support", f"b/{prompt_id}")
    store.request([ReconcileRequest(proposal, target, name=name)])
    sight = TargetObservation(
        target, DriftStatus.PLATFORM_AHEAD, "told", name, f"{name}.yaml", 3, is_proposed=True
    )
    number = prompt_id if kind is ReconcileOutcomeKind.PROPOSED else None
    outcome = ReconcileOutcome(
        kind, "a reason", f"https://x/{prompt_id}", number, observations=(sight,)
    )
    store.record_outcome(proposal, store.find_pending(proposal), outcome)
    clock.advance(1)
    return target


def pages(ask: Callable[[str | None], Page[Row]]) -> list[tuple[Row, ...]]:
    """All pages, the first one first."""
    found = [ask(None)]
    while found[-1].next_cursor is not None:
        found.append(ask(found[-1].next_cursor))
    return [page.rows for page in found]


@pytest.fixture
def seven(store: ReconcileStore, clock: ManualClock) -> None:
    """Seven prompts, named against their ids, in several states."""
    looked(store, clock, 1, ReconcileOutcomeKind.PROPOSED, "Zoo/Ä-grün")
    looked(store, clock, 2, ReconcileOutcomeKind.IN_STEP, "sales/hello", "latest")
    looked(store, clock, 3, ReconcileOutcomeKind.PARKED, "sales/100%")
    looked(store, clock, 4, ReconcileOutcomeKind.REJECTED, "sales/bye_")
    looked(store, clock, 5, ReconcileOutcomeKind.CONFLICT, "reply")
    looked(store, clock, 6, ReconcileOutcomeKind.PROPOSED, "Reply/again")
    store.request(
        [ReconcileRequest(Proposal("support", "b/7"), Target("support", 7, "prod"), name="answer")]
    )


@pytest.mark.usefixtures("seven")
def test_every_state_is_counted(reader: StatusReader) -> None:
    assert reader.count_states() == {
        TargetState.IN_STEP: 1,
        TargetState.WAITING: 1,
        TargetState.OPEN: 2,
        TargetState.DECLINED: 1,
        TargetState.PERSON: 1,
        TargetState.PARKED: 1,
        TargetState.CONFLICT: 0,
        TargetState.NOT_FOLLOWED: 0,
    }
    assert (
        reader.count_states(TargetFilter(text="sales", state=TargetState.OPEN))[TargetState.PARKED]
        == 1
    )
    assert reader.list_filter_choices() == (("support",), ("latest", "prod"))


@pytest.mark.usefixtures("seven")
@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (TargetFilter(text="REPLY"), {5, 6}),
        (TargetFilter(text="ä-GRÜN"), {1}),
        (TargetFilter(text="100%"), {3}),
        (TargetFilter(text="bye_"), {4}),
        (TargetFilter(text="_"), {4}),
        (TargetFilter(text="5"), {5}),
        (TargetFilter(text="9" * 30), set()),
        (TargetFilter(state=TargetState.OPEN), {1, 6}),
        (TargetFilter(label="latest"), {2}),
        (TargetFilter(mapping="other"), set()),
        (TargetFilter(mapping="support", text="sales", state=TargetState.DECLINED), {4}),
        (TargetFilter(mapping="support", pull_request=6), {6}),
    ],
)
def test_targets_are_found_by_what_is_asked(
    reader: StatusReader, wanted: TargetFilter, ids: set[int]
) -> None:
    assert {one.status.prompt_id for one in reader.list_targets(wanted)} == ids


@pytest.mark.usefixtures("seven")
@pytest.mark.parametrize("order", TargetOrder)
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_pages_together_hold_every_target_once_and_in_order(
    reader: StatusReader, order: TargetOrder, limit: int
) -> None:
    found = pages(lambda after: reader.list_targets(after=after, limit=limit, order=order))

    rows = [row.status for page in found for row in page]
    assert sorted(row.prompt_id for row in rows) == [1, 2, 3, 4, 5, 6, 7]
    assert all(len(page) == limit for page in found[:-1])
    if order is not TargetOrder.NAME:
        times = [row.since for row in rows]
        assert times == sorted(times, reverse=order is TargetOrder.NEWEST)


@pytest.mark.parametrize("after", ["nonsense", "W10", "WyJhIl0", "AAAA", "é", "W251bGxd" * 4])
def test_a_page_that_nobody_gave_is_refused(reader: StatusReader, after: str) -> None:
    for ask in (reader.list_targets, reader.list_deliveries, reader.read_queue_status):
        with pytest.raises(InvalidInputError, match="no such page"):
            ask(after=after)


def test_a_way_can_be_followed_page_by_page(
    reader: StatusReader, store: ReconcileStore, clock: ManualClock
) -> None:
    for _ in range(4):
        looked(store, clock, 1, ReconcileOutcomeKind.PROPOSED, "reply")
        looked(store, clock, 1, ReconcileOutcomeKind.PARKED, "reply")

    found = pages(lambda after: reader.list_timeline("support", 1, after=after, limit=3))

    steps = [step for page in found for step in page]
    assert steps == list(reader.list_timeline("support", 1).rows)
    assert [step.at for step in steps] == sorted((step.at for step in steps), reverse=True)
    assert [step.time_since_previous for step in steps].count(None) == 1


def test_a_prompt_that_is_seen_on_neither_side_has_no_standing(
    reader: StatusReader, store: ReconcileStore, clock: ManualClock
) -> None:
    target = looked(store, clock, 1, ReconcileOutcomeKind.PROPOSED, "reply")
    nowhere = TargetObservation(target, DriftStatus.IN_STEP, "on neither side", None)
    proposal = Proposal("support", "b/1")
    store.request([ReconcileRequest(proposal, target)])

    outcome = ReconcileOutcome(
        ReconcileOutcomeKind.IN_STEP, "on neither side", observations=(nowhere,)
    )
    store.record_outcome(proposal, store.find_pending(proposal), outcome)

    assert reader.find_targets_of_prompt(1) == ()
    assert reader.list_timeline("support", 1).rows


def test_a_look_that_was_asked_for_meanwhile_is_awaited(
    reader: StatusReader, store: ReconcileStore, clock: ManualClock
) -> None:
    target = looked(store, clock, 1, ReconcileOutcomeKind.PROPOSED, "reply")
    proposal = Proposal("support", "b/1")
    store.request([ReconcileRequest(proposal, target)])
    first = store.find_pending(proposal)
    clock.advance(1)
    store.request([ReconcileRequest(proposal, target)])

    store.record_outcome(
        proposal, first, ReconcileOutcome(ReconcileOutcomeKind.IN_STEP, "same content")
    )
    (between,) = reader.find_targets_of_prompt(1)
    store.record_outcome(
        proposal,
        store.find_pending(proposal),
        ReconcileOutcome(ReconcileOutcomeKind.IN_STEP, "same content"),
    )

    (after,) = reader.find_targets_of_prompt(1)
    assert (between.status.state, after.status.state) == (TargetState.WAITING, TargetState.IN_STEP)


def test_a_name_with_a_nul_is_kept_readable(
    reader: StatusReader, store: ReconcileStore, clock: ManualClock
) -> None:
    looked(store, clock, 1, ReconcileOutcomeKind.PROPOSED, "re\0ply")

    assert reader.find_targets_of_prompt(1)[0].status.name == "re\\x00ply"


# Deliveries


@pytest.fixture
def twelve(inbox: DeliveryInbox) -> list[str]:
    """Twelve deliveries, of three prompts in turn, the newest first; every fourth is parked."""
    ids = []
    for number in range(12):
        delivery = version_delivery(number + 1)
        prompt = 17 + number % 3
        named = replace(delivery, prompt_id=prompt, prompt_name=f"Support/{prompt}")
        ids.append(inbox.put(named).id)
    inbox.set_state(ids[::4], DeliveryState.PARKED, "no right to push")
    return ids[::-1]


def test_deliveries_come_page_by_page(reader: StatusReader, twelve: list[str]) -> None:
    found = pages(lambda after: reader.list_deliveries(after=after, limit=5))

    assert [[row.id for row in page] for page in found] == [twelve[:5], twelve[5:10], twelve[10:]]


def test_deliveries_are_found_by_what_is_asked(reader: StatusReader, twelve: list[str]) -> None:
    def found(wanted: DeliveryFilter) -> list[int]:
        """Their places among the twelve."""
        return [twelve.index(row.id) for row in reader.list_deliveries(wanted)]

    assert found(DeliveryFilter(state=DeliveryState.PARKED)) == [3, 7, 11]
    assert found(DeliveryFilter(prompt_id=18)) == [1, 4, 7, 10]
    assert found(DeliveryFilter(prompt_id=18, state=DeliveryState.PARKED)) == [7]
    assert found(DeliveryFilter(text="support/19")) == [0, 3, 6, 9]
    assert found(DeliveryFilter(text=twelve[5][:9])) == [5]
    assert found(DeliveryFilter(text=twelve[5][:9], prompt_id=18)) == []
    assert found(DeliveryFilter(type="prompt_template_version_created", source="promptlayer")) == [
        *range(12)
    ]
    assert found(DeliveryFilter(source="forge:github")) == []


def test_what_no_index_finds_is_looked_for_a_stretch_at_a_time(
    database: Database, twelve: list[str]
) -> None:
    wanted = DeliveryFilter(text="support/17")

    def ask(after: str | None) -> Page[DeliverySummary]:
        with database.open_read_transaction() as connection:
            return list_deliveries(connection, wanted, after, 50, reach=2)

    found = pages(ask)

    places = [twelve.index(row.id) for page in found for row in page]
    assert places == [2, 5, 8, 11]
    assert max(len(page) for page in found) == 1
    assert () in found


def test_a_delivery_is_shown_with_its_looks(
    reader: StatusReader, store: ReconcileStore, twelve: list[str]
) -> None:
    proposal = Proposal("support", "b/17")
    store.request([ReconcileRequest(proposal, Target("support", 17, "latest"), twelve[0])])

    shown = reader.find_delivery(twelve[0])

    assert shown is not None
    assert (shown.delivery.id, [look.proposal for look in shown.reconciles]) == (
        twelve[0],
        [proposal],
    )
    assert reader.find_delivery("0" * 64) is None


# What waits


def test_the_queue_says_what_waits_why_and_until_when(
    reader: StatusReader,
    store: ReconcileStore,
    database: Database,
    clock: ManualClock,
    twelve: list[str],
) -> None:
    first, second = Proposal("support", "b/1"), Proposal("support", "b/2")
    store.request([ReconcileRequest(first, Target("support", 1, "latest"))])
    asked_at = clock()
    clock.advance(5)
    store.request(
        [
            ReconcileRequest(second, Target("support", 2, "latest")),
            ReconcileRequest(second, Target("support", 2, "prod")),
        ]
    )
    pause = store.postpone(second, "The forge does not answer.", 60)
    RepositoryBackoff(database, clock).pause_repository("github:acme/bot", "It is down.", 90)

    queue = reader.read_queue_status(limit=1)

    assert (queue.new_deliveries, queue.oldest_delivery_at) == (9, NOON + timedelta(seconds=2))
    assert (queue.pending_reconciles, queue.pending_proposals, queue.oldest_reconcile_at) == (
        3,
        2,
        asked_at,
    )
    (due,) = queue.proposals_page.rows
    assert (due.proposal, due.targets, due.reason, due.retry_at) == (first, 1, None, None)
    (put_off,) = reader.read_queue_status(
        after=queue.proposals_page.next_cursor
    ).proposals_page.rows
    assert (put_off.proposal, put_off.targets) == (second, 2)
    assert put_off.reason == "The forge does not answer."
    assert put_off.retry_at == clock() + timedelta(seconds=pause)
    assert [(each.subject, each.reason) for each in queue.pauses] == [
        ("github:acme/bot", "It is down.")
    ]
