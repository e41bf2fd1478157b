"""The ledger: what is to be looked at, and what came of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.inbox import Delivery, DeliveryInbox, DeliveryState
from tests.integration.manual_clock import ManualClock
from tests.integration.sample_deliveries import version_delivery

REPLY, THANK = Target("support", 17, "latest"), Target("support", 18, "latest")
ONE, TWO = Proposal("support", "p/17"), Proposal("support", "p/18")
PROPOSED = ReconcileOutcome(ReconcileOutcomeKind.PROPOSED, "version 2", "https://x/1", 1, "c" * 40)
IN_STEP = ReconcileOutcome(ReconcileOutcomeKind.IN_STEP, "same content")
PARKED = ReconcileOutcome(ReconcileOutcomeKind.PARKED, "no such branch")
NUL = ReconcileOutcome(ReconcileOutcomeKind.PARKED, "an error that quotes \0")


def put(inbox: DeliveryInbox, number: int = 1) -> str:
    return inbox.put(version_delivery(number)).id


def delivery(inbox: DeliveryInbox, id: str) -> Delivery:
    found = inbox.find(id)
    assert found is not None
    return found


def test_what_is_asked_for_waits_until_it_is_settled(store: ReconcileStore) -> None:
    store.request([ReconcileRequest(ONE, REPLY, "d1"), ReconcileRequest(TWO, THANK)])

    waiting = store.find_pending(ONE)
    store.record_outcome(ONE, waiting, IN_STEP)

    assert [(pending.target, pending.delivery_id) for pending in waiting] == [(REPLY, "d1")]
    assert store.find_pending(ONE) == ()
    assert store.find_pending_proposals() == (TWO,)


def test_asking_twice_is_one_look(store: ReconcileStore) -> None:
    store.request([ReconcileRequest(ONE, REPLY), ReconcileRequest(ONE, REPLY)])
    store.request([ReconcileRequest(ONE, REPLY)])

    assert len(store.find_pending(ONE)) == 1


def test_an_ask_during_a_look_is_not_settled_by_it(
    store: ReconcileStore, clock: ManualClock
) -> None:
    store.request([ReconcileRequest(ONE, REPLY)])
    looked_at = store.find_pending(ONE)
    clock.advance(0.001)
    store.request([ReconcileRequest(ONE, REPLY)])

    store.record_outcome(ONE, looked_at, PROPOSED)

    assert [pending.target for pending in store.find_pending(ONE)] == [REPLY]


def test_what_should_have_been_looked_at_is_overdue(
    store: ReconcileStore, clock: ManualClock
) -> None:
    store.request([ReconcileRequest(ONE, REPLY), ReconcileRequest(TWO, THANK)])
    store.postpone(TWO, "the forge is down", 100.0)

    clock.advance(120)
    early = store.find_pending_proposals(timedelta(minutes=1))
    clock.advance(60)

    assert early == (ONE,)
    assert set(store.find_pending_proposals(timedelta(minutes=1))) == {ONE, TWO}


def test_another_delivery_during_a_look_is_not_settled_by_it(store: ReconcileStore) -> None:
    store.request([ReconcileRequest(ONE, REPLY, "d1")])
    looked_at = store.find_pending(ONE)
    store.request([ReconcileRequest(ONE, REPLY, "d2")])

    store.record_outcome(ONE, looked_at, PROPOSED)

    assert [pending.delivery_id for pending in store.find_pending(ONE)] == ["d2"]


def test_what_was_settled_can_be_asked_for_again(store: ReconcileStore, clock: ManualClock) -> None:
    store.request([ReconcileRequest(ONE, REPLY)])
    store.record_outcome(ONE, store.find_pending(ONE), IN_STEP)
    clock.advance(1)

    store.request([ReconcileRequest(ONE, REPLY)])

    assert len(store.find_pending(ONE)) == 1


def test_a_delivery_is_done_when_its_last_look_is_settled(
    store: ReconcileStore, inbox: DeliveryInbox
) -> None:
    id = put(inbox)
    store.request([ReconcileRequest(ONE, REPLY, id), ReconcileRequest(TWO, THANK, id)])
    store.mark_dispatched([id])

    store.record_outcome(ONE, store.find_pending(ONE), PROPOSED)
    before = delivery(inbox, id)
    store.record_outcome(TWO, store.find_pending(TWO), IN_STEP)
    after = delivery(inbox, id)

    assert before.state is not DeliveryState.DONE
    assert after.state is DeliveryState.DONE
    assert after.outcome == "proposed: version 2; in step: same content"


def test_a_delivery_with_a_parked_look_is_parked(
    store: ReconcileStore, inbox: DeliveryInbox
) -> None:
    id = put(inbox)
    store.request([ReconcileRequest(ONE, REPLY, id), ReconcileRequest(TWO, THANK, id)])
    store.mark_dispatched([id])

    store.record_outcome(ONE, store.find_pending(ONE), PARKED)
    store.record_outcome(TWO, store.find_pending(TWO), IN_STEP)

    assert delivery(inbox, id).state is DeliveryState.PARKED


def test_a_refused_target_parks_its_own_delivery_alone(
    store: ReconcileStore, inbox: DeliveryInbox
) -> None:
    good, bad = put(inbox, 1), put(inbox, 2)
    store.request([ReconcileRequest(ONE, REPLY, good), ReconcileRequest(ONE, THANK, bad)])
    store.mark_dispatched([good, bad])
    refused = ReconcileOutcome(
        ReconcileOutcomeKind.PROPOSED, "version 2", refusals=((THANK, "a symlink"),)
    )

    store.record_outcome(ONE, store.find_pending(ONE), refused)

    assert delivery(inbox, good).outcome == "proposed: version 2"
    assert delivery(inbox, bad).state is DeliveryState.PARKED
    assert delivery(inbox, bad).outcome == "parked: a symlink"


def test_the_last_word_on_a_proposal_is_kept(store: ReconcileStore, clock: ManualClock) -> None:
    store.record_outcome(ONE, (), PROPOSED)
    clock.advance(1)
    store.record_outcome(ONE, (), IN_STEP)

    standing = store.find_latest_outcome(ONE)

    assert standing is not None
    assert (standing.kind, standing.reason) == (ReconcileOutcomeKind.IN_STEP, "same content")
    assert standing.changed_at == clock.now
    assert store.find_latest_outcome(TWO) is None


def test_a_delivery_that_is_redelivered_during_a_look_is_not_done_by_that_look(
    store: ReconcileStore, inbox: DeliveryInbox
) -> None:
    id = inbox.put(version_delivery()).id
    store.request([ReconcileRequest(ONE, REPLY, id)])
    store.mark_dispatched([id])
    under_way = store.find_pending(ONE)

    inbox.redeliver(id)
    store.record_outcome(ONE, under_way, IN_STEP)
    assert delivery(inbox, id).state is DeliveryState.NEW

    store.request([ReconcileRequest(ONE, REPLY, id)])
    store.record_outcome(ONE, store.find_pending(ONE), PROPOSED)
    assert delivery(inbox, id).state is DeliveryState.NEW, "it may ask for more"
    store.mark_dispatched([id])
    assert delivery(inbox, id).state is DeliveryState.DONE


def test_what_waits_or_is_parked_is_stuck(store: ReconcileStore) -> None:
    store.record_outcome(ONE, (), PARKED)
    store.postpone(TWO, "the forge is slow", None)
    store.record_outcome(Proposal("support", "p/19"), (), PROPOSED)

    assert [(one.proposal, one.kind, one.reason) for one in store.find_stuck()] == [
        (ONE, ReconcileOutcomeKind.PARKED, "no such branch"),
        (TWO, ReconcileOutcomeKind.WAITING, "the forge is slow"),
    ]


@pytest.mark.parametrize("prompt", [17, "support/reply"])
def test_of_one_prompt_only_what_is_its_own_is_stuck(
    store: ReconcileStore, prompt: int | str
) -> None:
    store.request(
        [
            ReconcileRequest(ONE, REPLY, name="support/reply"),
            ReconcileRequest(TWO, THANK, name="support/thank"),
        ]
    )
    store.record_outcome(ONE, store.find_pending(ONE), PARKED)
    store.record_outcome(TWO, store.find_pending(TWO), PARKED)

    assert [one.proposal for one in store.find_stuck()] == [ONE, TWO]
    assert [one.proposal for one in store.find_stuck(prompt)] == [ONE]
    assert store.find_stuck("support/nobody") == ()


def test_pauses_grow_up_to_a_minute(store: ReconcileStore) -> None:
    pauses = [store.postpone(ONE, "no", None) for _ in range(12)]

    assert pauses[:4] == [2.0, 4.0, 8.0, 16.0]
    assert pauses == sorted(pauses)
    assert pauses[5:] == [60.0] * 7


def test_a_pause_is_as_long_as_the_other_side_asked_for(store: ReconcileStore) -> None:
    assert store.postpone(ONE, "slow down", 60.0) == 60.0
    assert store.postpone(ONE, "slow down", 3600.0) == 3600.0


def test_a_pause_that_was_asked_for_and_does_not_suffice_grows_up_to_five_minutes(
    store: ReconcileStore,
) -> None:
    pauses = [store.postpone(ONE, "slow down", 30.0) for _ in range(12)]

    assert pauses[:5] == [30.0] * 5
    assert pauses[5:9] == [60.0, 120.0, 240.0, 300.0]
    assert pauses[9:] == [300.0] * 3
    assert store.postpone(ONE, "at once", 0.0) == 256.0
    assert store.postpone(ONE, "slow down", 900.0) == 900.0


def test_waiting_for_others_is_no_failure_of_ones_own(store: ReconcileStore) -> None:
    assert [store.postpone_without_attempt(ONE, "the forge is paused", 7.0) for _ in range(12)] == [
        7.0
    ] * 12

    assert store.postpone(ONE, "no", None) == 2.0


def test_a_success_ends_the_growing(store: ReconcileStore) -> None:
    for _ in range(5):
        store.postpone(ONE, "no", None)
    store.record_outcome(ONE, (), IN_STEP)

    assert store.postpone(ONE, "no", None) == 2.0


def test_one_proposal_waits_without_another(store: ReconcileStore) -> None:
    for _ in range(5):
        store.postpone(ONE, "no", None)

    assert store.postpone(TWO, "no", None) == 2.0


def test_what_came_of_a_delivery_is_told_look_by_look(store: ReconcileStore) -> None:
    store.request(
        [
            ReconcileRequest(ONE, REPLY, "d1"),
            ReconcileRequest(TWO, THANK, "d1"),
            ReconcileRequest(TWO, THANK, "d2"),
        ]
    )
    store.record_outcome(ONE, store.find_pending(ONE), PROPOSED)

    told = store.find_reconciles_of_delivery("d1")

    assert [(look.proposal, look.kind, look.reason, look.pull_request) for look in told] == [
        (ONE, "proposed", "version 2", "https://x/1"),
        (TWO, None, None, None),
    ]


def test_a_reason_may_quote_any_text(store: ReconcileStore, inbox: DeliveryInbox) -> None:
    id = put(inbox)
    store.request([ReconcileRequest(ONE, REPLY, id)])
    store.mark_dispatched([id])
    store.record_outcome(ONE, store.find_pending(ONE), NUL)

    assert [standing.reason for standing in store.find_stuck()] == ["an error that quotes \\x00"]
    assert delivery(inbox, id).outcome == "parked: an error that quotes \\x00"


def test_what_is_parked_is_due_again_after_pauses_that_grow_to_an_hour(
    store: ReconcileStore, clock: ManualClock
) -> None:
    pauses = []
    store.request([ReconcileRequest(ONE, REPLY), ReconcileRequest(TWO, THANK)])
    store.record_outcome(TWO, store.find_pending(TWO), IN_STEP)
    for _ in range(9):
        store.record_outcome(ONE, store.find_pending(ONE), PARKED)
        pause = 0
        while not store.list_due_retries():
            clock.advance(30)
            pause += 30
        assert store.list_due_retries() == (ReconcileRequest(ONE, REPLY),)
        store.request(store.list_due_retries())
        pauses.append(pause)

    assert pauses == [60, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    store.record_outcome(ONE, store.find_pending(ONE), PROPOSED)
    assert store.count_attempts(ONE) == 0
    clock.advance(7200)
    assert store.list_due_retries() == ()
