"""What is older than it is kept goes; what is needed stays."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.engine.retention import DeletedRowCounts, RetentionPruner
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.status.audit_log import AuditAction, AuditActor, AuditChannel, AuditLog
from bridge.status.daily_sums import StatisticKind, read_stored_sums
from bridge.status.history_events import HistoryEvent, HistoryEventKind, index_by_event_id
from bridge.status.status_reader import StatusReader
from bridge.storage import operator_delivery
from bridge.storage.database import Database
from bridge.storage.inbox import Delivery, DeliveryInbox, DeliveryState
from bridge.storage.operator_delivery import OperatorRequest
from tests.integration.manual_clock import ManualClock
from tests.integration.sample_deliveries import NOON, delivery_of, payload_of, version_delivery

DAY = 24 * 3600.0
MINUTE = 60.0  # seconds
REPLY = Target("support", 17, "latest")
ONE = Proposal("support", "p/17")
IN_STEP = ReconcileOutcome(ReconcileOutcomeKind.IN_STEP, "same content")


def tidy(
    database: Database, clock: ManualClock, *mappings: str, stop: bool = False
) -> DeletedRowCounts:
    retention = RetentionPruner(database, clock, timedelta(days=30))
    return retention.prune(mappings or ("support",), lambda _seconds: stop)


def put(inbox: DeliveryInbox, delivery: Delivery, state: DeliveryState) -> str:
    id = inbox.put(delivery).id
    inbox.set_state([id], state)
    return id


def left(inbox: DeliveryInbox) -> set[str]:
    return {delivery.id for delivery in inbox.list_recent(10_000)}


def label_event(kind: str, number: int) -> Delivery:
    told = {
        "prompt_template_label": "prod",
        "old_prompt_template_version_number": 1,
        "change_type": "move",
    }
    payload = payload_of(f"prompt_template_label_{kind}", number, **told)
    return delivery_of(payload, NOON + timedelta(seconds=number))


@pytest.mark.parametrize("state", [DeliveryState.DONE, DeliveryState.IGNORED, DeliveryState.PARKED])
def test_a_settled_delivery_goes_after_its_time(
    database: Database, clock: ManualClock, inbox: DeliveryInbox, state: DeliveryState
) -> None:
    put(inbox, version_delivery(), state)
    clock.advance(29 * DAY)
    assert not tidy(database, clock)

    clock.advance(2 * DAY)

    assert tidy(database, clock).deliveries == 1
    assert not left(inbox)


@pytest.mark.parametrize("state", [DeliveryState.NEW, DeliveryState.DISPATCHED])
def test_a_delivery_that_waits_stays_however_old_it_is(
    database: Database, clock: ManualClock, inbox: DeliveryInbox, state: DeliveryState
) -> None:
    id = put(inbox, version_delivery(), state)
    clock.advance(400 * DAY)

    assert not tidy(database, clock)
    assert left(inbox) == {id}


def test_what_goes_was_counted_before(
    database: Database, clock: ManualClock, inbox: DeliveryInbox
) -> None:
    for number in range(1, 4):
        put(inbox, version_delivery(number), DeliveryState.DONE)
    clock.advance(31 * DAY)

    tidy(database, clock)

    with database.open_read_transaction() as connection:
        sums = [
            one
            for one in read_stored_sums(connection, date(2026, 1, 1))
            if one.measure != StatisticKind.SUMMED_UP_MARK
        ]
    assert [(one.day, one.outcome, one.count) for one in sums] == [(NOON.date(), "done", 3)]


def test_many_deliveries_go_and_those_between_that_wait_stay(
    database: Database, clock: ManualClock, inbox: DeliveryInbox
) -> None:
    ids = [put(inbox, version_delivery(number), DeliveryState.DONE) for number in range(1, 451)]
    waiting = set(ids[::90])
    inbox.set_state(waiting, DeliveryState.DISPATCHED)
    clock.advance(31 * DAY)

    assert tidy(database, clock).deliveries == 445
    assert left(inbox) == waiting


def test_a_process_that_ends_leaves_the_rest_for_the_next_time(
    database: Database, clock: ManualClock, inbox: DeliveryInbox
) -> None:
    for number in range(1, 251):
        put(inbox, version_delivery(number), DeliveryState.DONE)
    clock.advance(31 * DAY)

    assert tidy(database, clock, stop=True).deliveries == 200
    assert tidy(database, clock).deliveries == 50


def test_the_events_that_tell_of_an_approval_stay(
    database: Database, clock: ManualClock, inbox: DeliveryInbox
) -> None:
    kinds = ("created", "moved", "change_requested", "moved", "change_approved")
    ids = [
        put(inbox, label_event(kind, number), DeliveryState.DONE)
        for number, kind in enumerate(kinds, 1)
    ]
    clock.advance(400 * DAY)

    assert tidy(database, clock).deliveries == 2
    assert left(inbox) == set(ids[2:])


def test_what_a_person_asked_for_goes_after_its_time(
    database: Database, clock: ManualClock, inbox: DeliveryInbox
) -> None:
    asked = OperatorRequest(REPLY, "support/reply", ONE.branch)
    put(
        inbox, operator_delivery.build_operator_delivery(asked, "jane", clock()), DeliveryState.DONE
    )
    clock.advance(31 * DAY)

    assert tidy(database, clock).deliveries == 1


def test_of_the_looks_at_a_target_the_last_stays(
    database: Database, clock: ManualClock, inbox: DeliveryInbox, store: ReconcileStore
) -> None:
    for number in range(1, 4):
        id = inbox.put(version_delivery(number)).id
        store.request([ReconcileRequest(ONE, REPLY, id)])
        store.mark_dispatched([id])
        store.record_outcome(ONE, store.find_pending(ONE), IN_STEP)
        clock.advance(1)
    clock.advance(31 * DAY)

    gone = tidy(database, clock)

    assert (gone.deliveries, gone.reconcile_requests) == (3, 2)
    assert store.find_targets(ONE) == (REPLY,), "nobody knows what the proposal is about"


def test_a_look_that_waits_stays(
    database: Database, clock: ManualClock, inbox: DeliveryInbox, store: ReconcileStore
) -> None:
    """Asked for twice: by a delivery that was looked at, and by one that was not."""
    looked_at = inbox.put(version_delivery(1)).id
    store.request([ReconcileRequest(ONE, REPLY, looked_at)])
    store.mark_dispatched([looked_at])
    store.record_outcome(ONE, store.find_pending(ONE), IN_STEP)
    clock.advance(1)
    waiting = inbox.put(version_delivery(2)).id
    store.request([ReconcileRequest(ONE, REPLY, waiting)])
    store.mark_dispatched([waiting])
    clock.advance(31 * DAY)

    assert tidy(database, clock).reconcile_requests == 1
    assert [pending.delivery_id for pending in store.find_pending(ONE)] == [waiting]


def moments_of(prompt_id: int, count: int, mapping: str = "support") -> dict[int, HistoryEvent]:
    return index_by_event_id(
        (
            HistoryEvent(
                HistoryEventKind.VERSION_SAVED,
                mapping,
                prompt_id,
                "latest",
                NOON + timedelta(hours=number),
            ),
            (number,),
        )
        for number in range(count)
    )


def count(database: Database, table: str) -> int:
    with database.open_read_transaction() as connection:
        found = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
    return int(found or 0)


def test_of_each_prompt_the_last_moments_stay(
    database: Database, clock: ManualClock, store: ReconcileStore
) -> None:
    store.request([ReconcileRequest(ONE, REPLY)], moments_of(17, 25))
    clock.advance(400 * DAY)

    assert tidy(database, clock).history_events == 15
    with database.open_read_transaction() as connection:
        first = connection.exec_driver_sql("SELECT min(at) FROM moments").scalar()
    assert first == (NOON + timedelta(hours=15)).timestamp() * 1_000_000


def test_of_a_prompt_that_is_gone_no_old_moment_stays(
    database: Database, clock: ManualClock, store: ReconcileStore
) -> None:
    store.request([ReconcileRequest(ONE, REPLY)], moments_of(17, 5) | moments_of(99, 5))
    clock.advance(400 * DAY)

    assert tidy(database, clock).history_events == 5


def test_the_books_of_a_mapping_of_which_only_others_have_heard_stay_for_a_while(
    database: Database, clock: ManualClock, store: ReconcileStore
) -> None:
    store.request([ReconcileRequest(ONE, REPLY)])

    clock.advance(10 * MINUTE)
    tidy(database, clock, "billing")
    young = count(database, "standings")
    clock.advance(10 * MINUTE)
    tidy(database, clock, "billing")

    assert (young, count(database, "standings")) == (1, 0)


def test_of_a_mapping_that_is_gone_nothing_old_stays(
    database: Database, clock: ManualClock, store: ReconcileStore
) -> None:
    here, gone = Proposal("billing", "p/3"), ONE
    for proposal, target in ((here, Target("billing", 3, "latest")), (gone, REPLY)):
        store.request(
            [ReconcileRequest(proposal, target)], moments_of(target.prompt_id, 2, target.mapping)
        )
        store.record_outcome(proposal, store.find_pending(proposal), IN_STEP)
    clock.advance(10 * DAY)
    tidy(database, clock, "billing")
    assert store.find_latest_outcome(gone), "what is young may be a mapping that comes back"

    clock.advance(30 * DAY)
    tidy(database, clock, "billing")

    assert not store.find_latest_outcome(gone)
    assert store.find_latest_outcome(here)
    assert [count(database, table) for table in ("looks", "standings", "proposals")] == [1, 1, 1]
    assert count(database, "moments") == 2 + 1  # that it was looked at


def test_a_second_time_there_is_nothing_to_do(
    database: Database, clock: ManualClock, inbox: DeliveryInbox
) -> None:
    put(inbox, version_delivery(), DeliveryState.DONE)
    clock.advance(31 * DAY)
    tidy(database, clock)

    assert tidy(database, clock) == DeletedRowCounts()


def test_an_entry_of_the_audit_list_goes_after_its_time(
    database: Database, clock: ManualClock
) -> None:
    audit, jane = AuditLog(database, clock), AuditActor("jane", AuditChannel.DASHBOARD)
    audit.record(jane, AuditAction.SIGNED_IN)
    clock.advance(20 * DAY)
    audit.record(jane, AuditAction.PRUNED, mapping="gone")
    clock.advance(11 * DAY)

    assert tidy(database, clock).audit_entries == 1

    left = StatusReader(database, clock).list_audit_entries().rows
    assert [(one.action, one.mapping) for one in left] == [(AuditAction.PRUNED, "gone")]
