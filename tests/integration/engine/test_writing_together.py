"""Several processes write about the same things at the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest
from sqlalchemy import Connection

from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.prompts.planning.outcome import ReconcileOutcome, ReconcileOutcomeKind
from bridge.prompts.planning.target_state import TargetState
from bridge.prompts.target import Proposal, Target
from bridge.status.target_status import new_target_status
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox, DeliveryState
from tests.integration.manual_clock import ManualClock
from tests.integration.sample_deliveries import version_delivery

LATEST, PROD = Target("support", 17, "latest"), Target("support", 17, "prod")
ONE, TWO = Proposal("support", "p/latest/17"), Proposal("support", "p/prod/17")
IN_STEP = ReconcileOutcome(ReconcileOutcomeKind.IN_STEP, "same content")
PROPOSED = ReconcileOutcome(ReconcileOutcomeKind.PROPOSED, "version 2", "https://x/1", 1, "c" * 40)
A_WHILE = 0.5  # seconds that a process holds what it has written


class Held(Database):
    """``hold`` is done between writing and committing."""

    def __init__(self, url: str, hold: Callable[[], object]) -> None:
        self._hold: Callable[[], object] = lambda: None
        super().__init__(url)
        self._hold = hold

    @contextmanager
    def open_transaction(self) -> Iterator[Connection]:
        with super().open_transaction() as connection:
            yield connection
            self._hold()


def settle(
    url: str, proposal: Proposal, outcome: ReconcileOutcome, hold: Callable[[], object]
) -> None:
    """As a process of its own does."""
    with closing(Held(url, hold)) as database:
        store = ReconcileStore(database, ManualClock())
        store.record_outcome(proposal, store.find_pending(proposal), outcome)


def test_a_delivery_is_done_when_two_processes_settle_its_last_looks_at_once(
    database: Database, database_url: str, clock: ManualClock
) -> None:
    with closing(DeliveryInbox(database, clock)) as inbox:
        id = inbox.put(version_delivery()).id
    store = ReconcileStore(database, clock)
    store.request([ReconcileRequest(ONE, LATEST, id), ReconcileRequest(TWO, PROD, id)])
    store.mark_dispatched([id])
    meeting = threading.Barrier(2)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):  # the other one has to wait for this one
            meeting.wait(A_WHILE)

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(settle, database_url, each, IN_STEP, meet) for each in (ONE, TWO)]
        for job in jobs:
            job.result()

    (delivery,) = inbox.find_by_ids([id])
    assert delivery.state is DeliveryState.DONE
    assert delivery.outcome == "in step: same content"


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_a_sweep_has_read_does_not_replace_what_a_look_is_just_writing(
    database: Database, database_url: str, clock: ManualClock, *, is_gone: bool
) -> None:
    clock.advance(-2)
    store = ReconcileStore(database, clock)
    store.request([ReconcileRequest(ONE, LATEST)])
    store.record_outcome(ONE, store.find_pending(ONE), IN_STEP)
    store.request([ReconcileRequest(ONE, LATEST)])
    clock.advance(1)
    started, written = clock(), threading.Event()
    read = [new_target_status(LATEST, "", TargetState.IN_STEP, "same content", started)]

    def hold() -> None:
        written.set()
        time.sleep(A_WHILE)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(settle, database_url, ONE, PROPOSED, hold)
        written.wait(10)
        store.target_statuses.apply_scan(
            [] if is_gone else read, [LATEST] if is_gone else [], started
        )
        looking.result()

    assert store.target_statuses.find_by_mapping("support")[LATEST].state is TargetState.OPEN
