"""What people ask the books, on every database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from bridge.books.deliveries import DeliveryFilter, Listed, deliveries_page
from bridge.books.overview import Overview
from bridge.books.paging import Page
from bridge.books.targets import Filter, Order
from bridge.engine.ledger import Ask, Ledger
from bridge.errors import Rejected
from bridge.prompts.compare import Standing
from bridge.prompts.outcome import Outcome, OutcomeKind, Sight
from bridge.prompts.state import State
from bridge.prompts.target import Proposal, Target
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryState, Inbox
from bridge.storage.restraint import Restraint
from tests.integration.clock import Clock
from tests.integration.deliveries import NOON, version_delivery

Row = TypeVar("Row")


def looked(
    ledger: Ledger, clock: Clock, prompt_id: int, kind: OutcomeKind, name: str, label: str = "prod"
) -> Target:
    """A look at one prompt comes to this."""
    target, proposal = Target("support", prompt_id, label), Proposal("support", f"b/{prompt_id}")
    ledger.ask([Ask(proposal, target, name=name)])
    sight = Sight(target, Standing.PLATFORM_AHEAD, "told", name, f"{name}.yaml", 3, proposed=True)
    number = prompt_id if kind is OutcomeKind.PROPOSED else None
    outcome = Outcome(kind, "a reason", f"https://x/{prompt_id}", number, sights=(sight,))
    ledger.settle(proposal, ledger.waiting(proposal), outcome)
    clock.turn(1)
    return target


def pages(ask: Callable[[str | None], Page[Row]]) -> list[tuple[Row, ...]]:
    """All pages, the first one first."""
    found = [ask(None)]
    while found[-1].next is not None:
        found.append(ask(found[-1].next))
    return [page.rows for page in found]


@pytest.fixture
def seven(ledger: Ledger, clock: Clock) -> None:
    """Seven prompts, named against their ids, in several states."""
    looked(ledger, clock, 1, OutcomeKind.PROPOSED, "Zoo/Ä-grün")
    looked(ledger, clock, 2, OutcomeKind.IN_STEP, "sales/hello", "latest")
    looked(ledger, clock, 3, OutcomeKind.PARKED, "sales/100%")
    looked(ledger, clock, 4, OutcomeKind.REJECTED, "sales/bye_")
    looked(ledger, clock, 5, OutcomeKind.CONFLICT, "reply")
    looked(ledger, clock, 6, OutcomeKind.PROPOSED, "Reply/again")
    ledger.ask([Ask(Proposal("support", "b/7"), Target("support", 7, "prod"), name="answer")])


@pytest.mark.usefixtures("seven")
def test_every_state_is_counted(overview: Overview) -> None:
    assert overview.states() == {
        State.IN_STEP: 1,
        State.WAITING: 1,
        State.OPEN: 2,
        State.DECLINED: 1,
        State.PERSON: 1,
        State.PARKED: 1,
    }
    assert overview.states(Filter(text="sales", state=State.OPEN))[State.PARKED] == 1
    assert overview.choices() == (("support",), ("latest", "prod"))


@pytest.mark.usefixtures("seven")
@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Filter(text="REPLY"), {5, 6}),
        (Filter(text="ä-GRÜN"), {1}),
        (Filter(text="100%"), {3}),
        (Filter(text="bye_"), {4}),
        (Filter(text="_"), {4}),
        (Filter(text="5"), {5}),
        (Filter(text="9" * 30), set()),
        (Filter(state=State.OPEN), {1, 6}),
        (Filter(label="latest"), {2}),
        (Filter(mapping="other"), set()),
        (Filter(mapping="support", text="sales", state=State.DECLINED), {4}),
        (Filter(mapping="support", pull_request=6), {6}),
    ],
)
def test_targets_are_found_by_what_is_asked(
    overview: Overview, wanted: Filter, ids: set[int]
) -> None:
    assert {one.entry.prompt_id for one in overview.standings(wanted)} == ids


@pytest.mark.usefixtures("seven")
@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_pages_together_hold_every_target_once_and_in_order(
    overview: Overview, order: Order, limit: int
) -> None:
    found = pages(lambda after: overview.standings(after=after, limit=limit, order=order))

    rows = [row.entry for page in found for row in page]
    assert sorted(row.prompt_id for row in rows) == [1, 2, 3, 4, 5, 6, 7]
    assert all(len(page) == limit for page in found[:-1])
    if order is not Order.NAME:
        times = [row.since for row in rows]
        assert times == sorted(times, reverse=order is Order.NEWEST)


@pytest.mark.parametrize("after", ["nonsense", "W10", "WyJhIl0", "AAAA", "é", "W251bGxd" * 4])
def test_a_page_that_nobody_gave_is_refused(overview: Overview, after: str) -> None:
    for ask in (overview.standings, overview.deliveries, overview.queue):
        with pytest.raises(Rejected, match="no such page"):
            ask(after=after)


def test_a_way_can_be_followed_page_by_page(
    overview: Overview, ledger: Ledger, clock: Clock
) -> None:
    for _ in range(4):
        looked(ledger, clock, 1, OutcomeKind.PROPOSED, "reply")
        looked(ledger, clock, 1, OutcomeKind.PARKED, "reply")

    found = pages(lambda after: overview.timeline("support", 1, after=after, limit=3))

    steps = [step for page in found for step in page]
    assert steps == list(overview.timeline("support", 1).rows)
    assert [step.at for step in steps] == sorted((step.at for step in steps), reverse=True)
    assert [step.since_last for step in steps].count(None) == 1


def test_a_prompt_that_is_seen_on_neither_side_has_no_standing(
    overview: Overview, ledger: Ledger, clock: Clock
) -> None:
    target = looked(ledger, clock, 1, OutcomeKind.PROPOSED, "reply")
    nowhere = Sight(target, Standing.IN_STEP, "on neither side", None)
    proposal = Proposal("support", "b/1")
    ledger.ask([Ask(proposal, target)])

    outcome = Outcome(OutcomeKind.IN_STEP, "on neither side", sights=(nowhere,))
    ledger.settle(proposal, ledger.waiting(proposal), outcome)

    assert overview.prompt(1) == ()
    assert overview.timeline("support", 1).rows


def test_a_look_that_was_asked_for_meanwhile_is_awaited(
    overview: Overview, ledger: Ledger, clock: Clock
) -> None:
    target = looked(ledger, clock, 1, OutcomeKind.PROPOSED, "reply")
    proposal = Proposal("support", "b/1")
    ledger.ask([Ask(proposal, target)])
    first = ledger.waiting(proposal)
    clock.turn(1)
    ledger.ask([Ask(proposal, target)])

    ledger.settle(proposal, first, Outcome(OutcomeKind.IN_STEP, "same content"))
    (between,) = overview.prompt(1)
    ledger.settle(proposal, ledger.waiting(proposal), Outcome(OutcomeKind.IN_STEP, "same content"))

    (after,) = overview.prompt(1)
    assert (between.entry.state, after.entry.state) == (State.WAITING, State.IN_STEP)


def test_a_name_with_a_nul_is_kept_readable(
    overview: Overview, ledger: Ledger, clock: Clock
) -> None:
    looked(ledger, clock, 1, OutcomeKind.PROPOSED, "re\0ply")

    assert overview.prompt(1)[0].entry.name == "re\\x00ply"


# Deliveries


@pytest.fixture
def twelve(inbox: Inbox) -> list[str]:
    """Twelve deliveries, of three prompts in turn, the newest first; every fourth is parked."""
    ids = []
    for number in range(12):
        delivery = version_delivery(number + 1)
        prompt = 17 + number % 3
        named = replace(delivery, prompt_id=prompt, prompt_name=f"Support/{prompt}")
        ids.append(inbox.put(named).id)
    inbox.set_state(ids[::4], DeliveryState.PARKED, "no right to push")
    return ids[::-1]


def test_deliveries_come_page_by_page(overview: Overview, twelve: list[str]) -> None:
    found = pages(lambda after: overview.deliveries(after=after, limit=5))

    assert [[row.id for row in page] for page in found] == [twelve[:5], twelve[5:10], twelve[10:]]


def test_deliveries_are_found_by_what_is_asked(overview: Overview, twelve: list[str]) -> None:
    def found(wanted: DeliveryFilter) -> list[int]:
        """Their places among the twelve."""
        return [twelve.index(row.id) for row in overview.deliveries(wanted)]

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

    def ask(after: str | None) -> Page[Listed]:
        with database.reading() as connection:
            return deliveries_page(connection, wanted, after, 50, reach=2)

    found = pages(ask)

    places = [twelve.index(row.id) for page in found for row in page]
    assert places == [2, 5, 8, 11]
    assert max(len(page) for page in found) == 1
    assert () in found


def test_a_delivery_is_shown_with_its_looks(
    overview: Overview, ledger: Ledger, twelve: list[str]
) -> None:
    proposal = Proposal("support", "b/17")
    ledger.ask([Ask(proposal, Target("support", 17, "latest"), twelve[0])])

    shown = overview.delivery(twelve[0])

    assert shown is not None
    assert (shown.delivery.id, [look.proposal for look in shown.looks]) == (twelve[0], [proposal])
    assert overview.delivery("0" * 64) is None


# What waits


def test_the_queue_says_what_waits_why_and_until_when(
    overview: Overview, ledger: Ledger, database: Database, clock: Clock, twelve: list[str]
) -> None:
    first, second = Proposal("support", "b/1"), Proposal("support", "b/2")
    ledger.ask([Ask(first, Target("support", 1, "latest"))])
    asked_at = clock()
    clock.turn(5)
    ledger.ask(
        [Ask(second, Target("support", 2, "latest")), Ask(second, Target("support", 2, "prod"))]
    )
    pause = ledger.postpone(second, "The forge does not answer.", 60)
    Restraint(database, clock).pause_repository("github:acme/bot", "It is down.", 90)

    queue = overview.queue(limit=1)

    assert (queue.new, queue.oldest_new) == (9, NOON + timedelta(seconds=2))
    assert (queue.looks, queue.proposals, queue.oldest_look) == (3, 2, asked_at)
    (due,) = queue.waiting.rows
    assert (due.proposal, due.targets, due.reason, due.until) == (first, 1, None, None)
    (put_off,) = overview.queue(after=queue.waiting.next).waiting.rows
    assert (put_off.proposal, put_off.targets) == (second, 2)
    assert put_off.reason == "The forge does not answer."
    assert put_off.until == clock() + timedelta(seconds=pause)
    assert [(each.what, each.reason) for each in queue.pauses] == [
        ("github:acme/bot", "It is down.")
    ]
