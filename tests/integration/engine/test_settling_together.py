"""Several processes settle the looks of one delivery at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

from sqlalchemy import Connection

from bridge.engine.ledger import Ask, Ledger
from bridge.prompts.outcome import Outcome, OutcomeKind
from bridge.prompts.target import Proposal, Target
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryState, Inbox
from tests.integration.clock import Clock
from tests.integration.deliveries import version_delivery

LATEST, PROD = Target("support", 17, "latest"), Target("support", 17, "prod")
ONE, TWO = Proposal("support", "p/latest/17"), Proposal("support", "p/prod/17")
IN_STEP = Outcome(OutcomeKind.IN_STEP, "same content")


class Meeting(Database):
    """Commits when the other one is about to as well, or cannot be."""

    def __init__(self, url: str, meeting: threading.Barrier) -> None:
        self._meeting: threading.Barrier | None = None
        super().__init__(url)
        self._meeting = meeting

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with super().transaction() as connection:
            yield connection
            if self._meeting is not None:
                with suppress(threading.BrokenBarrierError):
                    self._meeting.wait(0.5)


def test_a_delivery_is_done_when_two_processes_settle_its_last_looks_at_once(
    database: Database, database_url: str, clock: Clock
) -> None:
    with closing(Inbox(database, clock)) as inbox:
        id = inbox.put(version_delivery()).id
    Ledger(database, clock).ask([Ask(ONE, LATEST, id), Ask(TWO, PROD, id)])
    meeting = threading.Barrier(2)

    def settle(proposal: Proposal) -> None:
        with closing(Meeting(database_url, meeting)) as mine:
            ledger = Ledger(mine, clock)
            ledger.settle(proposal, ledger.waiting(proposal), IN_STEP)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(settle, (ONE, TWO)))

    (delivery,) = inbox.several([id])
    assert delivery.state is DeliveryState.DONE
    assert delivery.outcome == "in step: same content"
