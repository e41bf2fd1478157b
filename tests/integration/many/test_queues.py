"""The queues of one process, on a database of their own: what another process had in hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from dbos import DBOS

from bridge.cli.opening import opened_worker
from bridge.config.whole import load
from bridge.engine.chores import Chores
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.errands import Errand, ErrandKind
from bridge.engine.jobs import asked_ahead
from bridge.engine.ledger import Ask, Ledger
from bridge.engine.polling import Timing
from bridge.engine.queues import LOOKS, WORK, Queues
from bridge.engine.retention import Retention
from bridge.engine.worker import Worker
from bridge.forge.webhooks import Pushed
from bridge.prompts.target import Proposal, Target
from bridge.storage.database import Database
from bridge.storage.forge_delivery import delivery_of
from bridge.storage.members import Members
from bridge.wiring import now
from tests.e2e.processes import until
from tests.integration.many.town import REPOSITORY, Town, mapping


@pytest.fixture
def worker(town: Town) -> Iterator[Worker]:
    town.configure(mapping("care", "care", base="main", branch="{prompt}"))
    with opened_worker(load(town.config)) as worker:
        yield worker


@pytest.fixture
def queues(town: Town, worker: Worker) -> Iterator[Queues]:
    """Whose looks wait for quiet for longer than any test."""
    with closing(Database(f"sqlite:///{town.folder}/bridge-data/bridge.sqlite")) as database:
        queues = Queues(
            worker,
            database=f"sqlite:///{town.folder}/engine.sqlite",
            members=Members(database, "one", "one"),
            workers=1,
            timing=Timing(timedelta(hours=1), timedelta(hours=1), polling=0.05),
            retention=Retention(database, now, timedelta(days=30)),
        )
        queues.start()
        try:
            until(lambda: over("sweep/") == 1, "the job is not over")
            yield queues
        finally:
            queues.stop()


@pytest.fixture
def chores(town: Town, queues: Queues) -> Iterator[Chores]:
    """Those of another process."""
    with closing(Database(f"sqlite:///{town.folder}/bridge-data/bridge.sqlite")) as database:
        retention = Retention(database, now, timedelta(days=30))
        yield Chores(queues, Members(database, "two", "two"), retention)


def over(start: str) -> int:
    """How many jobs whose id starts so are done."""
    return len(DBOS.list_workflows(workflow_id_prefix=start, status="SUCCESS"))


def awaited() -> set[str]:
    """The branches that a look is awaited at."""
    jobs = DBOS.list_workflows(queue_name=LOOKS, status="DELAYED")
    return {job.input["args"][1] for job in jobs if job.input}


def not_over(town: Town, job: str) -> None:
    """As if the process had ended before the job could say that it is done."""
    with closing(sqlite3.connect(town.folder / "engine.sqlite", timeout=10)) as connection:
        connection.execute(
            "UPDATE workflow_status SET status = 'PENDING' WHERE workflow_uuid = ?", (job,)
        )
        connection.commit()


def test_a_sweep_that_is_done_again_looks_at_what_was_saved_since(
    queues: Queues, town: Town
) -> None:
    town.workspaces["care"].save("b", "It was there the first time.")
    queues.sweep_now("noon")
    until(lambda: over("sweep/care/noon") == 1, "the job is not over")
    (first,) = awaited()
    not_over(town, "sweep/care/noon")

    town.workspaces["care"].save("a", "It is found before the other.")
    queues.take_over("one")
    until(lambda: over("sweep/care/noon") == 1, "the job is not over")

    assert len(awaited()) == 2
    assert sorted(awaited())[1] == first
    assert {("care", branch) for branch in awaited()} <= asked_ahead(), "they are not lost"


def test_what_waits_for_long_is_lost_if_no_job_is_to_look_at_it(
    queues: Queues, chores: Chores, town: Town
) -> None:
    before = now() - timedelta(hours=1)
    lost, awaited = Proposal("care", "lost"), Proposal("care", "awaited")
    with closing(Database(f"sqlite:///{town.folder}/bridge-data/bridge.sqlite")) as database:
        hour_ago = Ledger(database, lambda: before)
        hour_ago.ask(Ask(each, Target("care", 17, "latest")) for each in (lost, awaited))
        Ledger(database, now).ask([Ask(Proposal("care", "new"), Target("care", 18, "latest"))])
    queues.look_soon(awaited)

    assert chores.lost() == [lost]
    queues.look_soon(lost)
    assert chores.lost() == []


def test_a_sweep_and_an_errand_never_make_prompts_of_the_same_files_at_once(
    queues: Queues,
) -> None:
    hour = 3600.0
    queues.sweep_after(hour, "care", "later", 0)
    queues.send(Errand("care", ErrandKind.FOLLOW, "main "), "push", after=hour)

    waiting = DBOS.list_workflows(queue_name=WORK, status="DELAYED")

    assert len(waiting) == 2
    assert len({job.queue_partition_key for job in waiting}) == 1, "a lane runs one at a time"


def test_an_errand_is_the_same_after_a_crash_and_another_when_it_is_redelivered(
    worker: Worker,
) -> None:
    pushed = Pushed(REPOSITORY, "main", None, "0" * 40)
    delivery = delivery_of("local", "f" * 64, pushed, worker.clock())
    worker.inbox.put(delivery)
    occasions: list[str] = []

    def crash(_: Errand, occasion: str) -> None:
        occasions.append(occasion)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        Dispatcher(worker).dispatch_deliveries(lambda _: None, crash)
    Dispatcher(worker).dispatch_deliveries(
        lambda _: None, lambda _, occasion: occasions.append(occasion)
    )
    worker.inbox.redeliver(delivery.id)
    Dispatcher(worker).dispatch_deliveries(
        lambda _: None, lambda _, occasion: occasions.append(occasion)
    )

    first, again, redelivered = occasions
    assert first == again != redelivered
