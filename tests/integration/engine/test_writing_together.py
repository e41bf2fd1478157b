"""Several processes write about the same things at the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest
from sqlalchemy import Connection

from bridge.books.entry import fresh
from bridge.engine.ledger import Ask, Ledger
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.state import State
from bridge.prompts.target import Proposal, Target
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryState, Inbox
from tests.integration.clock import Clock
from tests.integration.deliveries import version_delivery

LATEST, PROD = Target("support", 17, "latest"), Target("support", 17, "prod")
ONE, TWO = Proposal("support", "p/latest/17"), Proposal("support", "p/prod/17")
IN_STEP = Outcome(OutcomeKind.IN_STEP, "same content")
PROPOSED = Outcome(OutcomeKind.PROPOSED, "version 2", "https://x/1", 1, "c" * 40)
A_WHILE = 0.5  # seconds that a process holds what it has written


class Held(Database):
    """``hold`` is done between writing and committing."""

    def __init__(self, url: str, hold: Callable[[], object]) -> None:
        self._hold: Callable[[], object] = lambda: None
        super().__init__(url)
        self._hold = hold

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with super().transaction() as connection:
            yield connection
            self._hold()


def settle(url: str, proposal: Proposal, outcome: Outcome, hold: Callable[[], object]) -> None:
    """As a process of its own does."""
    with closing(Held(url, hold)) as database:
        ledger = Ledger(database, Clock())
        ledger.settle(proposal, ledger.waiting(proposal), outcome)


def test_a_delivery_is_done_when_two_processes_settle_its_last_looks_at_once(
    database: Database, database_url: str, clock: Clock
) -> None:
    with closing(Inbox(database, clock)) as inbox:
        id = inbox.put(version_delivery()).id
    ledger = Ledger(database, clock)
    ledger.ask([Ask(ONE, LATEST, id), Ask(TWO, PROD, id)])
    ledger.dispatched([id])
    meeting = threading.Barrier(2)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):  # the other one has to wait for this one
            meeting.wait(A_WHILE)

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(settle, database_url, each, IN_STEP, meet) for each in (ONE, TWO)]
        for job in jobs:
            job.result()

    (delivery,) = inbox.several([id])
    assert delivery.state is DeliveryState.DONE
    assert delivery.outcome == "in step: same content"


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_a_sweep_has_read_does_not_replace_what_a_look_is_just_writing(
    database: Database, database_url: str, clock: Clock, *, is_gone: bool
) -> None:
    clock.turn(-2)
    ledger = Ledger(database, clock)
    ledger.ask([Ask(ONE, LATEST)])
    ledger.settle(ONE, ledger.waiting(ONE), IN_STEP)
    ledger.ask([Ask(ONE, LATEST)])
    clock.turn(1)
    started, written = clock(), threading.Event()
    read = [fresh(LATEST, "", State.IN_STEP, "same content", started)]

    def hold() -> None:
        written.set()
        time.sleep(A_WHILE)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(settle, database_url, ONE, PROPOSED, hold)
        written.wait(10)
        ledger.standings.take_in([] if is_gone else read, [LATEST] if is_gone else [], started)
        looking.result()

    assert ledger.standings.of_mapping("support")[LATEST].state is State.OPEN
