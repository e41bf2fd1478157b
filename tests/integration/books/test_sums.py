"""Sums by day: counted once, kept for good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete

from bridge.books.charts import Day
from bridge.books.overview import Overview
from bridge.books.sums import Sums, settled_before
from bridge.engine.ledger import Ask, Ledger
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryState, Inbox, deliveries
from tests.integration.clock import Clock
from tests.integration.deliveries import version_delivery

DAY = 86_400


def proposed(database: Database, inbox: Inbox, clock: Clock, number: int, after: float) -> None:
    """A delivery arrives, and so many seconds later there is a pull request."""
    ledger = Ledger(database, clock)
    target, proposal = Target("support", number, "latest"), Proposal("support", f"b/{number}")
    delivery = version_delivery(number)
    clock.now = delivery.received_at
    id = inbox.put(delivery).id
    ledger.ask([Ask(proposal, target, id, "reply")])
    ledger.dispatched([id])
    clock.turn(after)
    outcome = Outcome(OutcomeKind.PROPOSED, "new", f"https://x/{number}", number)
    ledger.settle(proposal, ledger.waiting(proposal), outcome)


def test_today_is_counted_as_it_is(
    database: Database, inbox: Inbox, overview: Overview, clock: Clock
) -> None:
    for number, seconds in enumerate([2.0, 3.0, 4.0, 60.0], start=1):
        proposed(database, inbox, clock, number, seconds)
    inbox.put(version_delivery(9))

    *before, today = overview.days(7)

    assert [day.opened for day in before] == [0] * 6
    assert today.day == clock().date()
    assert (today.opened, today.deliveries) == (4, {DeliveryState.DONE: 4, DeliveryState.NEW: 1})
    assert today.median == pytest.approx(3, rel=0.3)
    assert today.p90 == pytest.approx(60, rel=0.3)


def test_a_past_day_outlives_its_deliveries(
    database: Database, inbox: Inbox, overview: Overview, clock: Clock
) -> None:
    proposed(database, inbox, clock, 1, 2.0)
    clock.turn(4 * DAY)
    counted = told(overview)

    assert Sums(database).sum_up(clock()) == 4
    with database.transaction() as connection:
        connection.execute(delete(deliveries))

    assert told(overview) == counted
    assert counted.deliveries == {DeliveryState.DONE: 1}
    Sums(database).sum_up(clock())
    assert told(overview) == counted


def told(overview: Overview) -> Day:
    """The only day of the last ten on which anything happened."""
    (busy,) = (day for day in overview.days(10) if day.deliveries)
    return busy


def test_a_day_that_has_just_ended_is_counted_again(
    database: Database, inbox: Inbox, overview: Overview, clock: Clock
) -> None:
    id = inbox.put(version_delivery(1)).id
    clock.turn(DAY)
    Sums(database).sum_up(clock())
    inbox.set_state([id], DeliveryState.DONE)

    Sums(database).sum_up(clock())

    assert told(overview).deliveries == {DeliveryState.DONE: 1}
    assert settled_before(clock()) < clock() - timedelta(days=2)


def test_one_pull_request_of_many_prompts_is_one(
    database: Database, overview: Overview, clock: Clock
) -> None:
    ledger, proposal = Ledger(database, clock), Proposal("support", "b/all")
    ledger.ask([Ask(proposal, Target("support", number, "latest")) for number in range(1, 6)])
    outcome = Outcome(OutcomeKind.PROPOSED, "new", "https://x/1", 1)
    ledger.settle(proposal, ledger.waiting(proposal), outcome)

    assert overview.days(1)[0].opened == 1
