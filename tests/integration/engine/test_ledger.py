"""The ledger: what is to be looked at, and what came of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.engine.ledger import Ask, Ledger
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.inbox import Delivery, DeliveryState, Inbox
from tests.integration.clock import Clock
from tests.integration.deliveries import version_delivery

REPLY, THANK = Target("support", 17, "latest"), Target("support", 18, "latest")
ONE, TWO = Proposal("support", "p/17"), Proposal("support", "p/18")
PROPOSED = Outcome(OutcomeKind.PROPOSED, "version 2", "https://x/1", 1, "c" * 40)
IN_STEP = Outcome(OutcomeKind.IN_STEP, "same content")
PARKED = Outcome(OutcomeKind.PARKED, "no such branch")
NUL = Outcome(OutcomeKind.PARKED, "an error that quotes \0")


def put(inbox: Inbox, number: int = 1) -> str:
    return inbox.put(version_delivery(number)).id


def delivery(inbox: Inbox, id: str) -> Delivery:
    found = inbox.find(id)
    assert found is not None
    return found


def test_what_is_asked_for_waits_until_it_is_settled(ledger: Ledger) -> None:
    ledger.ask([Ask(ONE, REPLY, "d1"), Ask(TWO, THANK)])

    waiting = ledger.waiting(ONE)
    ledger.settle(ONE, waiting, IN_STEP)

    assert [(look.target, look.delivery_id) for look in waiting] == [(REPLY, "d1")]
    assert ledger.waiting(ONE) == ()
    assert ledger.waiting_proposals() == (TWO,)


def test_asking_twice_is_one_look(ledger: Ledger) -> None:
    ledger.ask([Ask(ONE, REPLY), Ask(ONE, REPLY)])
    ledger.ask([Ask(ONE, REPLY)])

    assert len(ledger.waiting(ONE)) == 1


def test_an_ask_during_a_look_is_not_settled_by_it(ledger: Ledger, clock: Clock) -> None:
    ledger.ask([Ask(ONE, REPLY)])
    looked_at = ledger.waiting(ONE)
    clock.turn(0.001)
    ledger.ask([Ask(ONE, REPLY)])

    ledger.settle(ONE, looked_at, PROPOSED)

    assert [look.target for look in ledger.waiting(ONE)] == [REPLY]


def test_what_should_have_been_looked_at_is_overdue(ledger: Ledger, clock: Clock) -> None:
    ledger.ask([Ask(ONE, REPLY), Ask(TWO, THANK)])
    ledger.postpone(TWO, "the forge is down", 100.0)

    clock.turn(120)
    early = ledger.waiting_proposals(timedelta(minutes=1))
    clock.turn(60)

    assert early == (ONE,)
    assert set(ledger.waiting_proposals(timedelta(minutes=1))) == {ONE, TWO}


def test_another_delivery_during_a_look_is_not_settled_by_it(ledger: Ledger) -> None:
    ledger.ask([Ask(ONE, REPLY, "d1")])
    looked_at = ledger.waiting(ONE)
    ledger.ask([Ask(ONE, REPLY, "d2")])

    ledger.settle(ONE, looked_at, PROPOSED)

    assert [look.delivery_id for look in ledger.waiting(ONE)] == ["d2"]


def test_what_was_settled_can_be_asked_for_again(ledger: Ledger, clock: Clock) -> None:
    ledger.ask([Ask(ONE, REPLY)])
    ledger.settle(ONE, ledger.waiting(ONE), IN_STEP)
    clock.turn(1)

    ledger.ask([Ask(ONE, REPLY)])

    assert len(ledger.waiting(ONE)) == 1


def test_a_delivery_is_done_when_its_last_look_is_settled(ledger: Ledger, inbox: Inbox) -> None:
    id = put(inbox)
    ledger.ask([Ask(ONE, REPLY, id), Ask(TWO, THANK, id)])
    ledger.dispatched([id])

    ledger.settle(ONE, ledger.waiting(ONE), PROPOSED)
    before = delivery(inbox, id)
    ledger.settle(TWO, ledger.waiting(TWO), IN_STEP)
    after = delivery(inbox, id)

    assert before.state is not DeliveryState.DONE
    assert after.state is DeliveryState.DONE
    assert after.outcome == "proposed: version 2; in step: same content"


def test_a_delivery_with_a_parked_look_is_parked(ledger: Ledger, inbox: Inbox) -> None:
    id = put(inbox)
    ledger.ask([Ask(ONE, REPLY, id), Ask(TWO, THANK, id)])
    ledger.dispatched([id])

    ledger.settle(ONE, ledger.waiting(ONE), PARKED)
    ledger.settle(TWO, ledger.waiting(TWO), IN_STEP)

    assert delivery(inbox, id).state is DeliveryState.PARKED


def test_a_refused_target_parks_its_own_delivery_alone(ledger: Ledger, inbox: Inbox) -> None:
    good, bad = put(inbox, 1), put(inbox, 2)
    ledger.ask([Ask(ONE, REPLY, good), Ask(ONE, THANK, bad)])
    ledger.dispatched([good, bad])
    refused = Outcome(OutcomeKind.PROPOSED, "version 2", refusals=((THANK, "a symlink"),))

    ledger.settle(ONE, ledger.waiting(ONE), refused)

    assert delivery(inbox, good).outcome == "proposed: version 2"
    assert delivery(inbox, bad).state is DeliveryState.PARKED
    assert delivery(inbox, bad).outcome == "parked: a symlink"


def test_the_last_word_on_a_proposal_is_kept(ledger: Ledger, clock: Clock) -> None:
    ledger.settle(ONE, (), PROPOSED)
    clock.turn(1)
    ledger.settle(ONE, (), IN_STEP)

    standing = ledger.standing(ONE)

    assert standing is not None
    assert (standing.kind, standing.reason) == (OutcomeKind.IN_STEP, "same content")
    assert standing.changed_at == clock.now
    assert ledger.standing(TWO) is None


def test_a_delivery_that_is_redelivered_during_a_look_is_not_done_by_that_look(
    ledger: Ledger, inbox: Inbox
) -> None:
    id = inbox.put(version_delivery()).id
    ledger.ask([Ask(ONE, REPLY, id)])
    ledger.dispatched([id])
    under_way = ledger.waiting(ONE)

    inbox.redeliver(id)
    ledger.settle(ONE, under_way, IN_STEP)
    assert delivery(inbox, id).state is DeliveryState.NEW

    ledger.ask([Ask(ONE, REPLY, id)])
    ledger.settle(ONE, ledger.waiting(ONE), PROPOSED)
    assert delivery(inbox, id).state is DeliveryState.NEW, "it may ask for more"
    ledger.dispatched([id])
    assert delivery(inbox, id).state is DeliveryState.DONE


def test_what_waits_or_is_parked_is_stuck(ledger: Ledger) -> None:
    ledger.settle(ONE, (), PARKED)
    ledger.postpone(TWO, "the forge is slow", None)
    ledger.settle(Proposal("support", "p/19"), (), PROPOSED)

    assert [(one.proposal, one.kind, one.reason) for one in ledger.stuck()] == [
        (ONE, OutcomeKind.PARKED, "no such branch"),
        (TWO, OutcomeKind.WAITING, "the forge is slow"),
    ]


@pytest.mark.parametrize("prompt", [17, "support/reply"])
def test_of_one_prompt_only_what_is_its_own_is_stuck(ledger: Ledger, prompt: int | str) -> None:
    ledger.ask([Ask(ONE, REPLY, name="support/reply"), Ask(TWO, THANK, name="support/thank")])
    ledger.settle(ONE, ledger.waiting(ONE), PARKED)
    ledger.settle(TWO, ledger.waiting(TWO), PARKED)

    assert [one.proposal for one in ledger.stuck()] == [ONE, TWO]
    assert [one.proposal for one in ledger.stuck(prompt)] == [ONE]
    assert ledger.stuck("support/nobody") == ()


def test_pauses_grow_up_to_a_minute(ledger: Ledger) -> None:
    pauses = [ledger.postpone(ONE, "no", None) for _ in range(12)]

    assert pauses[:4] == [2.0, 4.0, 8.0, 16.0]
    assert pauses == sorted(pauses)
    assert pauses[5:] == [60.0] * 7


def test_a_pause_is_as_long_as_the_other_side_asked_for(ledger: Ledger) -> None:
    assert ledger.postpone(ONE, "slow down", 60.0) == 60.0
    assert ledger.postpone(ONE, "slow down", 3600.0) == 3600.0


def test_a_pause_that_was_asked_for_and_does_not_suffice_grows_up_to_five_minutes(
    ledger: Ledger,
) -> None:
    pauses = [ledger.postpone(ONE, "slow down", 30.0) for _ in range(12)]

    assert pauses[:5] == [30.0] * 5
    assert pauses[5:9] == [60.0, 120.0, 240.0, 300.0]
    assert pauses[9:] == [300.0] * 3
    assert ledger.postpone(ONE, "at once", 0.0) == 256.0
    assert ledger.postpone(ONE, "slow down", 900.0) == 900.0


def test_waiting_for_others_is_no_failure_of_ones_own(ledger: Ledger) -> None:
    assert [ledger.hold(ONE, "the forge is paused", 7.0) for _ in range(12)] == [7.0] * 12

    assert ledger.postpone(ONE, "no", None) == 2.0


def test_a_success_ends_the_growing(ledger: Ledger) -> None:
    for _ in range(5):
        ledger.postpone(ONE, "no", None)
    ledger.settle(ONE, (), IN_STEP)

    assert ledger.postpone(ONE, "no", None) == 2.0


def test_one_proposal_waits_without_another(ledger: Ledger) -> None:
    for _ in range(5):
        ledger.postpone(ONE, "no", None)

    assert ledger.postpone(TWO, "no", None) == 2.0


def test_what_came_of_a_delivery_is_told_look_by_look(ledger: Ledger) -> None:
    ledger.ask([Ask(ONE, REPLY, "d1"), Ask(TWO, THANK, "d1"), Ask(TWO, THANK, "d2")])
    ledger.settle(ONE, ledger.waiting(ONE), PROPOSED)

    told = ledger.looks_of("d1")

    assert [(look.proposal, look.kind, look.reason, look.pull_request) for look in told] == [
        (ONE, "proposed", "version 2", "https://x/1"),
        (TWO, None, None, None),
    ]


def test_a_reason_may_quote_any_text(ledger: Ledger, inbox: Inbox) -> None:
    id = put(inbox)
    ledger.ask([Ask(ONE, REPLY, id)])
    ledger.dispatched([id])
    ledger.settle(ONE, ledger.waiting(ONE), NUL)

    assert [standing.reason for standing in ledger.stuck()] == ["an error that quotes \\x00"]
    assert delivery(inbox, id).outcome == "parked: an error that quotes \\x00"


def test_what_is_parked_is_due_again_after_pauses_that_grow_to_an_hour(
    ledger: Ledger, clock: Clock
) -> None:
    pauses = []
    ledger.ask([Ask(ONE, REPLY), Ask(TWO, THANK)])
    ledger.settle(TWO, ledger.waiting(TWO), IN_STEP)
    for _ in range(9):
        ledger.settle(ONE, ledger.waiting(ONE), PARKED)
        pause = 0
        while not ledger.due_retries():
            clock.turn(30)
            pause += 30
        assert ledger.due_retries() == (Ask(ONE, REPLY),)
        ledger.ask(ledger.due_retries())
        pauses.append(pause)

    assert pauses == [60, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    ledger.settle(ONE, ledger.waiting(ONE), PROPOSED)
    assert ledger.attempts(ONE) == 0
    clock.turn(7200)
    assert ledger.due_retries() == ()
