"""The queues of one process, on a database of their own: what another process had in hand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from dbos import DBOS

from bridge.cli.resources import open_controller
from bridge.config.bridge_config import load_config
from bridge.engine.adaptive_polling import QueueTiming
from bridge.engine.background_loops import BackgroundLoops
from bridge.engine.controller import BridgeController
from bridge.engine.dbos_jobs import list_pending_job_arguments
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.durable_queues import RECONCILE_QUEUE, WORK_QUEUE, DurableQueues
from bridge.engine.reconcile_store import ReconcileRequest, ReconcileStore
from bridge.engine.repository_jobs import RepositoryJob, RepositoryJobKind
from bridge.engine.retention import RetentionPruner
from bridge.forge.forge_webhooks import PushEvent
from bridge.prompts.target import Proposal, Target
from bridge.status.problems import ANY_MAPPING
from bridge.storage.database import Database
from bridge.storage.forge_delivery import build_forge_delivery
from bridge.storage.instances import InstanceRegistry
from bridge.wiring import get_current_time
from tests.e2e.bridge_process import until
from tests.integration.many.two_workspaces import REPOSITORY, TwoWorkspacesEnvironment, mapping


@pytest.fixture
def controller(environment: TwoWorkspacesEnvironment) -> Iterator[BridgeController]:
    environment.configure(mapping("care", "care", base="main", branch="{prompt}"))
    with open_controller(load_config(environment.config)) as controller:
        yield controller


@pytest.fixture
def queues(
    environment: TwoWorkspacesEnvironment, controller: BridgeController
) -> Iterator[DurableQueues]:
    """Whose looks wait for quiet for longer than any test."""
    with closing(Database(f"sqlite:///{environment.folder}/bridge-data/bridge.sqlite")) as database:
        queues = DurableQueues(
            controller,
            database=f"sqlite:///{environment.folder}/engine.sqlite",
            instances=InstanceRegistry(database, "one", "one"),
            workers=1,
            timing=QueueTiming(timedelta(hours=1), timedelta(hours=1), polling=0.05),
            retention=RetentionPruner(database, get_current_time, timedelta(days=30)),
        )
        queues.start()
        try:
            until(lambda: over("sweep/") == 1, "the job is not over")
            yield queues
        finally:
            queues.stop()


@pytest.fixture
def loops(
    environment: TwoWorkspacesEnvironment, queues: DurableQueues
) -> Iterator[BackgroundLoops]:
    """Those of another process."""
    with closing(Database(f"sqlite:///{environment.folder}/bridge-data/bridge.sqlite")) as database:
        retention = RetentionPruner(database, get_current_time, timedelta(days=30))
        yield BackgroundLoops(queues, InstanceRegistry(database, "two", "two"), retention)


def over(start: str) -> int:
    """How many jobs whose id starts so are done."""
    return len(DBOS.list_workflows(workflow_id_prefix=start, status="SUCCESS"))


def awaited() -> set[str]:
    """The branches that a look is awaited at."""
    jobs = DBOS.list_workflows(queue_name=RECONCILE_QUEUE, status="DELAYED")
    return {job.input["args"][1] for job in jobs if job.input}


def not_over(environment: TwoWorkspacesEnvironment, job: str) -> None:
    """As if the process had ended before the job could say that it is done."""
    with closing(sqlite3.connect(environment.folder / "engine.sqlite", timeout=10)) as connection:
        connection.execute(
            "UPDATE workflow_status SET status = 'PENDING' WHERE workflow_uuid = ?", (job,)
        )
        connection.commit()


def test_a_sweep_that_is_done_again_looks_at_what_was_saved_since(
    queues: DurableQueues, environment: TwoWorkspacesEnvironment
) -> None:
    environment.workspaces["care"].save("b", "It was there the first time.")
    queues.enqueue_resync("noon")
    until(lambda: over("sweep/care/noon") == 1, "the job is not over")
    (first,) = awaited()
    not_over(environment, "sweep/care/noon")

    environment.workspaces["care"].save("a", "It is found before the other.")
    queues.requeue_jobs_of("one")
    until(lambda: over("sweep/care/noon") == 1, "the job is not over")

    assert len(awaited()) == 2
    assert sorted(awaited())[1] == first
    assert {("care", branch) for branch in awaited()} <= list_pending_job_arguments(), (
        "they are not lost"
    )


def test_what_waits_for_long_is_lost_if_no_job_is_to_look_at_it(
    queues: DurableQueues, loops: BackgroundLoops, environment: TwoWorkspacesEnvironment
) -> None:
    before = get_current_time() - timedelta(hours=1)
    lost, awaited = Proposal("care", "lost"), Proposal("care", "awaited")
    with closing(Database(f"sqlite:///{environment.folder}/bridge-data/bridge.sqlite")) as database:
        hour_ago = ReconcileStore(database, lambda: before)
        hour_ago.request(
            ReconcileRequest(each, Target("care", 17, "latest")) for each in (lost, awaited)
        )
        ReconcileStore(database, get_current_time).request(
            [ReconcileRequest(Proposal("care", "new"), Target("care", 18, "latest"))]
        )
    queues.enqueue_reconcile(awaited)

    assert loops.find_orphaned_proposals() == [lost]
    queues.enqueue_reconcile(lost)
    assert loops.find_orphaned_proposals() == []


def test_an_error_of_a_loop_is_over_once_the_loop_goes_on(
    controller: BridgeController, loops: BackgroundLoops
) -> None:
    """Also one that a former process wrote down, and though the loop has no end."""
    for name in ("sweeper", "caretaker"):
        controller.failures.record(ANY_MAPPING, name, KeyError())

    loops.start()
    try:
        until(lambda: controller.store.problems.list_open(ANY_MAPPING) == [], "they are still told")
    finally:
        loops.stop()


def test_a_sweep_and_an_errand_never_make_prompts_of_the_same_files_at_once(
    queues: DurableQueues,
) -> None:
    hour = 3600.0
    queues.enqueue_resync_after(hour, "care", "later", 0)
    queues.enqueue_job(RepositoryJob("care", RepositoryJobKind.PUSH, "main "), "push", after=hour)

    waiting = DBOS.list_workflows(queue_name=WORK_QUEUE, status="DELAYED")

    assert len(waiting) == 2
    assert len({job.queue_partition_key for job in waiting}) == 1, "a lane runs one at a time"


def test_an_errand_is_the_same_after_a_crash_and_another_when_it_is_redelivered(
    controller: BridgeController,
) -> None:
    pushed = PushEvent(REPOSITORY, "main", None, "0" * 40)
    delivery = build_forge_delivery("local", "f" * 64, pushed, controller.clock())
    controller.inbox.put(delivery)
    occasions: list[str] = []

    def crash(_: RepositoryJob, occasion: str) -> None:
        occasions.append(occasion)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        Dispatcher(controller).dispatch_deliveries(lambda _: None, crash)
    Dispatcher(controller).dispatch_deliveries(
        lambda _: None, lambda _, occasion: occasions.append(occasion)
    )
    controller.inbox.redeliver(delivery.id)
    Dispatcher(controller).dispatch_deliveries(
        lambda _: None, lambda _, occasion: occasions.append(occasion)
    )

    first, again, redelivered = occasions
    assert first == again != redelivered
