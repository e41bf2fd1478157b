"""What is asked of a mapping that this process does not know: another may have heard of it sooner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from bridge.cli.opening import opened_worker
from bridge.config.whole import load
from bridge.engine.dispatcher import Dispatcher
from bridge.engine.errand_run import ErrandRun
from bridge.engine.errands import Errand, ErrandKind
from bridge.engine.polling import Timing
from bridge.engine.queues import Queues
from bridge.engine.resync import ResyncRunner
from bridge.engine.retention import Retention
from bridge.engine.worker import Worker
from bridge.promptlayer.events import parse
from bridge.storage.database import Database
from bridge.storage.inbox import Delivery, DeliveryState
from bridge.storage.members import Members
from bridge.wiring import now
from tests.integration.many.town import Town, mapping, work_off


@pytest.fixture
def worker(town: Town) -> Iterator[Worker]:
    town.configure(mapping("care", "care"))
    with opened_worker(load(town.config)) as worker:
        yield worker


def nobody(*_: object) -> None:
    raise AssertionError("nothing is to be looked at")


def test_a_sweep_or_an_errand_of_a_mapping_that_is_gone_does_nothing(worker: Worker) -> None:
    assert ResyncRunner(worker).resync("gone", nobody) is None
    assert ErrandRun(worker, Errand("gone", ErrandKind.FOLLOW, "main "), "").run(nobody) is None


def test_it_is_tried_again_a_few_times_and_then_given_up(worker: Worker, town: Town) -> None:
    with closing(Database(f"sqlite:///{town.folder}/bridge-data/bridge.sqlite")) as database:
        queues = Queues(
            worker,
            database=f"sqlite:///{town.folder}/engine.sqlite",
            members=Members(database, "one", "one"),
            workers=1,
            timing=Timing(timedelta(), timedelta(hours=1)),
            retention=Retention(database, now, timedelta(days=30)),
        )

    pauses = [queues.unheard_of("gone", attempt) for attempt in range(6)]

    assert pauses == [30.0] * 4 + [None] * 2
    assert queues.unheard_of("care", 0) is None
    assert queues.repository_of("gone") == "gone"


def test_what_a_process_of_former_settings_passed_over_is_looked_at_by_one_of_newer(
    worker: Worker, town: Town
) -> None:
    sales = town.workspaces["sales"]
    sales.save("pitch", "Be brief.")
    payload = sales.told[-1]
    delivery = Delivery.of(parse(payload), payload, now(), "promptlayer:sales")
    worker.inbox.put(delivery)
    (ignored,) = work_off(worker)
    assert ignored.state is DeliveryState.IGNORED
    assert Dispatcher(worker).redispatch_ignored() == 0

    town.configure(mapping("care", "care"), mapping("sales", "sales"))
    with opened_worker(load(town.config)) as newer:
        assert Dispatcher(newer).redispatch_ignored() == 1
        (done,) = work_off(newer)
        assert Dispatcher(newer).redispatch_ignored() == 0

    assert done.state is DeliveryState.DONE
    assert town.proposed().keys() == {"promptlayer/sales/latest/1"}
