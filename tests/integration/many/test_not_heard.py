"""What is asked of a mapping that this process does not know: another may have heard of it sooner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from bridge.cli.resources import open_controller
from bridge.config.bridge_config import load_config
from bridge.engine.adaptive_polling import QueueTiming
from bridge.engine.controller import BridgeController
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.durable_queues import DurableQueues
from bridge.engine.repository_job_runner import RepositoryJobRunner
from bridge.engine.repository_jobs import RepositoryJob, RepositoryJobKind
from bridge.engine.resync import ResyncRunner
from bridge.engine.retention import RetentionPruner
from bridge.promptlayer.webhook_events import parse_event
from bridge.storage.database import Database
from bridge.storage.inbox import Delivery, DeliveryState
from bridge.storage.instances import InstanceRegistry
from bridge.wiring import get_current_time
from tests.integration.many.two_workspaces import TwoWorkspacesEnvironment, mapping, work_off


@pytest.fixture
def controller(environment: TwoWorkspacesEnvironment) -> Iterator[BridgeController]:
    environment.configure(mapping("care", "care"))
    with open_controller(load_config(environment.config)) as controller:
        yield controller


def nobody(*_: object) -> None:
    raise AssertionError("nothing is to be looked at")


def test_a_sweep_or_an_errand_of_a_mapping_that_is_gone_does_nothing(
    controller: BridgeController,
) -> None:
    assert ResyncRunner(controller).resync("gone", nobody) is None
    assert (
        RepositoryJobRunner(
            controller, RepositoryJob("gone", RepositoryJobKind.PUSH, "main "), ""
        ).run(nobody)
        is None
    )


def test_it_is_tried_again_a_few_times_and_then_given_up(
    controller: BridgeController, environment: TwoWorkspacesEnvironment
) -> None:
    with closing(Database(f"sqlite:///{environment.folder}/bridge-data/bridge.sqlite")) as database:
        queues = DurableQueues(
            controller,
            database=f"sqlite:///{environment.folder}/engine.sqlite",
            instances=InstanceRegistry(database, "one", "one"),
            workers=1,
            timing=QueueTiming(timedelta(), timedelta(hours=1)),
            retention=RetentionPruner(database, get_current_time, timedelta(days=30)),
        )

    pauses = [queues.find_retry_delay_of_unknown_mapping("gone", attempt) for attempt in range(6)]

    assert pauses == [30.0] * 4 + [None] * 2
    assert queues.find_retry_delay_of_unknown_mapping("care", 0) is None
    assert queues.find_repository("gone") == "gone"


def test_what_a_process_of_former_settings_passed_over_is_looked_at_by_one_of_newer(
    controller: BridgeController, environment: TwoWorkspacesEnvironment
) -> None:
    sales = environment.workspaces["sales"]
    sales.save("pitch", "Be brief.")
    payload = sales.told[-1]
    delivery = Delivery.from_event(
        parse_event(payload), payload, get_current_time(), "promptlayer:sales"
    )
    controller.inbox.put(delivery)
    (ignored,) = work_off(controller)
    assert ignored.state is DeliveryState.IGNORED
    assert Dispatcher(controller).redispatch_ignored() == 0

    environment.configure(mapping("care", "care"), mapping("sales", "sales"))
    with open_controller(load_config(environment.config)) as newer:
        assert Dispatcher(newer).redispatch_ignored() == 1
        (done,) = work_off(newer)
        assert Dispatcher(newer).redispatch_ignored() == 0

    assert done.state is DeliveryState.DONE
    assert environment.proposed().keys() == {"promptlayer/sales/latest/1"}
