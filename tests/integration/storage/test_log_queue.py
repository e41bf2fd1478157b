"""The log queue on both kinds of database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.storage.database import Database
from bridge.storage.log_queue import (
    IDS_STAY,
    PARKED_STAY,
    LogDeliveryResult,
    LogQueue,
    LogQueueStatus,
    LogState,
    QueuedLog,
    read_log_queue_status,
)

LEASE = timedelta(minutes=1)
LIMIT = 1000
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class SettableClock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def settable_clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def queue(database: Database, settable_clock: SettableClock) -> Iterator[LogQueue]:
    with closing(LogQueue(database, settable_clock, limit=LIMIT)) as opened:
        yield opened


def log(id: str, subject: str = "", body: str = "{}") -> QueuedLog:
    return QueuedLog(id, "promptlayer", "bot", "/track-request", subject or id, body, START)


def claim(queue: LogQueue, limit: int = 10, lease: timedelta = LEASE) -> list[str]:
    return [one.id for one in queue.claim_due(limit, lease)]


def read_status(database: Database, now: datetime = START) -> LogQueueStatus:
    with database.open_read_transaction() as connection:
        return read_log_queue_status(connection, now)


def test_a_call_comes_out_as_it_went_in(queue: LogQueue) -> None:
    put = log("pb_1", body='{"a": "\\u0000 \\ud800"}')

    queue.put(put)

    assert queue.claim_due(10, LEASE) == [put]


def test_the_oldest_come_first_and_only_so_many(queue: LogQueue) -> None:
    for number in range(5):
        queue.put(log(f"pb_{number}"))

    assert claim(queue, 2) == ["pb_0", "pb_1"]
    assert claim(queue, 2) == ["pb_2", "pb_3"]


def test_calls_of_one_subject_wait_for_each_other(queue: LogQueue) -> None:
    for number in range(3):
        queue.put(log(f"pb_{number}", "pb_0"))
    (first,) = queue.claim_due(10, LEASE)
    assert claim(queue) == []

    queue.record_results([LogDeliveryResult(first, LogState.DELIVERED, 7)])

    assert claim(queue) == ["pb_1"]


def test_a_claim_ends_with_its_lease(queue: LogQueue) -> None:
    queue.put(log("pb_1"))

    assert claim(queue, lease=timedelta()) == ["pb_1"]
    assert claim(queue) == ["pb_1"]
    assert claim(queue) == []


def test_processes_never_claim_the_same(same_database: list[Database]) -> None:
    queues = [LogQueue(one, lambda: START, limit=LIMIT) for one in same_database[:4]]
    for number in range(40):
        queues[0].put(log(f"pb_{number}"))

    with ThreadPoolExecutor(4) as threads:
        claimed = list(threads.map(lambda queue: claim(queue, 5) + claim(queue, 5), queues))

    found = [id for ids in claimed for id in ids]
    assert len(found) == len(set(found))
    for queue in queues:
        queue.close()


def test_a_file_that_is_opened_anew_has_no_claims(database: Database, queue: LogQueue) -> None:
    queue.put(log("pb_1"))
    claim(queue)

    queue.release_claims()

    assert claim(queue) == (["pb_1"] if database.dialect == "sqlite" else [])


def test_what_promptlayer_calls_a_delivered_call_is_known_in_its_workspace(
    queue: LogQueue,
) -> None:
    queue.put(log("pb_1"))
    (claimed,) = queue.claim_due(1, LEASE)

    delivered = LogDeliveryResult(claimed, LogState.DELIVERED, 132)
    queue.record_results([delivered])
    queue.record_results([delivered])  # by another process, whose claim had ended

    assert queue.find_platform_ids("promptlayer", ["pb_1", "pb_2"]) == {"pb_1": 132}
    assert queue.find_platform_ids("promptlayer:other", ["pb_1"]) == {}
    assert queue.find_states("promptlayer", ["pb_1"]) == {}


def test_a_call_that_waits_is_due_after_its_pause(queue: LogQueue) -> None:
    for number in range(2):
        queue.put(log(f"pb_{number}"))
    first, second = queue.claim_due(2, LEASE)

    queue.record_results(
        [
            LogDeliveryResult(first, LogState.WAITING, retry_after=60, reason="503"),
            LogDeliveryResult(second, LogState.WAITING, reason="503"),
        ]
    )

    assert queue.claim_due(2, LEASE) == [replace(second, attempts=1)]


def test_a_parked_call_is_counted_and_holds_up_nothing(database: Database, queue: LogQueue) -> None:
    for number in range(2):
        queue.put(log(f"pb_{number}", "pb_0"))
    (first,) = queue.claim_due(1, LEASE)

    queue.record_results([LogDeliveryResult(first, LogState.PARKED, reason="refused with 422")])

    status = read_status(database, START + timedelta(seconds=5))
    assert status == LogQueueStatus(1, 2, 5.0, 1, (("refused with 422", 1),))
    assert queue.find_states("promptlayer", ["pb_0", "pb_1"]) == {
        "pb_0": LogState.PARKED,
        "pb_1": LogState.WAITING,
    }
    assert claim(queue) == ["pb_1"]


def test_the_queue_is_full_at_its_limit_until_calls_are_delivered(
    queue: LogQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.storage.log_queue._MEASURED", 0.0)
    queue.put(log("pb_1", body="x" * (LIMIT - 1)))
    assert not queue.is_full()
    queue.put(log("pb_2"))
    assert queue.is_full()

    delivered = [LogDeliveryResult(one, LogState.DELIVERED) for one in queue.claim_due(2, LEASE)]
    queue.record_results(delivered)
    claim(queue)

    assert not queue.is_full()


def test_old_ids_and_parked_calls_are_deleted(
    database: Database, queue: LogQueue, settable_clock: SettableClock
) -> None:
    for number in range(2):
        queue.put(log(f"pb_{number}"))
    first, second = queue.claim_due(2, LEASE)
    queue.record_results([LogDeliveryResult(first, LogState.DELIVERED, 1)])
    queue.record_results([LogDeliveryResult(second, LogState.PARKED, reason="refused")])

    settable_clock.now = datetime.now(UTC) + PARKED_STAY - LEASE
    queue.delete_old()
    assert read_status(database).parked == 1

    settable_clock.now = datetime.now(UTC) + PARKED_STAY + IDS_STAY
    queue.delete_old()
    assert read_status(database).parked == 0
    assert queue.find_platform_ids("promptlayer", ["pb_0"]) == {}


def test_parked_calls_beyond_the_limit_are_deleted_the_oldest_first(
    database: Database, queue: LogQueue
) -> None:
    for number in range(3):
        queue.put(log(f"pb_{number}", body="x" * (LIMIT // 2)))
    claimed = queue.claim_due(3, LEASE)
    queue.record_results(
        [LogDeliveryResult(one, LogState.PARKED, reason="refused") for one in claimed]
    )

    queue.delete_old()

    assert list(queue.find_states("promptlayer", ["pb_0", "pb_1", "pb_2"])) == ["pb_1", "pb_2"]


def test_many_put_at_once(database: Database, queue: LogQueue) -> None:
    async def put_all() -> None:
        await asyncio.gather(*(queue.put_async(log(f"pb_{number}")) for number in range(500)))

    asyncio.run(put_all())

    assert read_status(database).waiting == 500
