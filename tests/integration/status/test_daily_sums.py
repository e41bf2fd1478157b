"""Sums by day: counted once, kept for good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete

from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.status.daily_statistics import DailyStatistics
from bridge.status.daily_sums import DailySumStore, find_final_before
from bridge.status.status_reader import StatusReader
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox, DeliveryState, deliveries_table
from tests.integration.manual_clock import ManualClock
from tests.integration.sample_deliveries import version_delivery

DAY = 86_400


def proposed(
    database: Database, inbox: DeliveryInbox, clock: ManualClock, number: int, after: float
) -> None:
    """A delivery arrives, and so many seconds later there is a pull request."""
    store = ReconcileStore(database, clock)
    target, proposal = Target("support", number, "latest"), Proposal("support", f"b/{number}")
    delivery = version_delivery(number)
    clock.now = delivery.received_at
    id = inbox.put(delivery).id
    store.request([ReconcileRequest(proposal, target, id, "reply")])
    store.mark_dispatched([id])
    clock.advance(after)
    outcome = ReconcileOutcome(ReconcileOutcomeKind.PROPOSED, "new", f"https://x/{number}", number)
    store.record_outcome(proposal, store.find_pending(proposal), outcome)


def test_today_is_counted_as_it_is(
    database: Database, inbox: DeliveryInbox, reader: StatusReader, clock: ManualClock
) -> None:
    for number, seconds in enumerate([2.0, 3.0, 4.0, 60.0], start=1):
        proposed(database, inbox, clock, number, seconds)
    inbox.put(version_delivery(9))

    *before, today = reader.list_daily_statistics(7)

    assert [day.opened_pull_requests for day in before] == [0] * 6
    assert today.day == clock().date()
    assert (today.opened_pull_requests, today.deliveries) == (
        4,
        {DeliveryState.DONE: 4, DeliveryState.NEW: 1},
    )
    assert today.median == pytest.approx(3, rel=0.3)
    assert today.p90 == pytest.approx(60, rel=0.3)


def test_a_past_day_outlives_its_deliveries(
    database: Database, inbox: DeliveryInbox, reader: StatusReader, clock: ManualClock
) -> None:
    proposed(database, inbox, clock, 1, 2.0)
    clock.advance(4 * DAY)
    counted = told(reader)

    assert DailySumStore(database).sum_up_past_days(clock()) == 4
    with database.open_transaction() as connection:
        connection.execute(delete(deliveries_table))

    assert told(reader) == counted
    assert counted.deliveries == {DeliveryState.DONE: 1}
    DailySumStore(database).sum_up_past_days(clock())
    assert told(reader) == counted


def told(reader: StatusReader) -> DailyStatistics:
    """The only day of the last ten on which anything happened."""
    (busy,) = (day for day in reader.list_daily_statistics(10) if day.deliveries)
    return busy


def test_a_day_that_has_just_ended_is_counted_again(
    database: Database, inbox: DeliveryInbox, reader: StatusReader, clock: ManualClock
) -> None:
    id = inbox.put(version_delivery(1)).id
    clock.advance(DAY)
    DailySumStore(database).sum_up_past_days(clock())
    inbox.set_state([id], DeliveryState.DONE)

    DailySumStore(database).sum_up_past_days(clock())

    assert told(reader).deliveries == {DeliveryState.DONE: 1}
    assert find_final_before(clock()) < clock() - timedelta(days=2)


def test_one_pull_request_of_many_prompts_is_one(
    database: Database, reader: StatusReader, clock: ManualClock
) -> None:
    store, proposal = ReconcileStore(database, clock), Proposal("support", "b/all")
    store.request(
        [ReconcileRequest(proposal, Target("support", number, "latest")) for number in range(1, 6)]
    )
    outcome = ReconcileOutcome(ReconcileOutcomeKind.PROPOSED, "new", "https://x/1", 1)
    store.record_outcome(proposal, store.find_pending(proposal), outcome)

    assert reader.list_daily_statistics(1)[0].opened_pull_requests == 1
