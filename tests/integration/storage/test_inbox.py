"""The inbox on a real database file, from many threads, from asyncio and from two processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from bridge.errors import InvalidInputError, NotFoundError, UnavailableError
from bridge.promptlayer.webhook_events import UnknownWebhookEvent
from bridge.storage.database import Database
from bridge.storage.inbox import Delivery, DeliveryInbox, DeliveryState, InboxPutResult
from tests.integration.sample_deliveries import (
    NOON,
    delivery_of,
    payload_of,
    version_created,
    version_delivery,
)
from tests.standins.postgresql import PostgreSQL

SPAWN = multiprocessing.get_context("spawn")
DEADLINE = 20.0  # seconds, for what should happen at once


def numbers(found: Sequence[Delivery]) -> list[int]:
    return [round((each.received_at - NOON).total_seconds()) for each in found]


# Putting


def test_a_delivery_comes_out_as_it_went_in(inbox: DeliveryInbox) -> None:
    put = version_delivery()

    result = inbox.put(put)

    assert result == InboxPutResult(put.id, is_duplicate=False)
    assert inbox.find_new(10) == [replace(put, changed_at=NOON)]
    assert inbox.find_new(10)[0].parse_event() == put.parse_event()


def test_a_doubled_delivery_is_one_row_that_was_seen_twice(inbox: DeliveryInbox) -> None:
    first = inbox.put(version_delivery())

    second = inbox.put(version_delivery())

    assert (first.is_duplicate, second.is_duplicate) == (False, True)
    assert [each.seen for each in inbox.find_new(10)] == [2]


def test_a_doubled_delivery_does_not_become_new_again(inbox: DeliveryInbox) -> None:
    put = inbox.put(version_delivery())
    inbox.set_state([put.id], DeliveryState.DONE, "in step")

    inbox.put(version_delivery())

    assert inbox.find_new(10) == []


def test_twins_in_one_commit_are_told_apart(database: Database) -> None:
    inbox = DeliveryInbox(database, lambda: NOON)

    async def twice() -> list[InboxPutResult]:
        return list(await asyncio.gather(*(inbox.put_async(version_delivery()) for _ in range(5))))

    results = asyncio.run(twice())

    assert sorted(result.is_duplicate for result in results) == [False, True, True, True, True]
    assert inbox.find_new(10)[0].seen == 5
    inbox.close()


def test_events_nobody_acts_on_are_kept_as_ignored(inbox: DeliveryInbox) -> None:
    unknown = {"event_type": "tea_ready", "workspace_id": [2**200], "details": "🍵"}

    inbox.put(delivery_of(unknown))

    (kept,) = inbox.list_recent(10)
    assert (kept.state, kept.occurred_at) == (DeliveryState.IGNORED, NOON)
    assert kept.parse_event() == UnknownWebhookEvent("tea_ready", unknown)
    assert inbox.find_new(10) == []


def test_two_hundred_concurrent_puts_share_a_few_commits(
    database: Database, inbox: DeliveryInbox
) -> None:
    commits: list[object] = []
    event.listen(database._engine, "commit", commits.append)

    async def put_all() -> list[InboxPutResult]:
        puts = (inbox.put_async(version_delivery(number)) for number in range(1, 201))
        return list(await asyncio.gather(*puts))

    results = asyncio.run(put_all())
    writes = len(commits)

    assert len({result.id for result in results}) == 200
    assert len(inbox.find_new(500)) == 200
    assert writes <= 20


def test_threads_put_at_once_and_nothing_is_lost(inbox: DeliveryInbox) -> None:
    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(lambda n: inbox.put(version_delivery(n % 50 + 1)), range(200)))

    assert sum(not result.is_duplicate for result in results) == 50
    assert sum(each.seen for each in inbox.find_new(500)) == 200


def put_numbers(url: str, first: int, results: "multiprocessing.Queue[int]") -> None:  # noqa: UP037
    database = Database(url)
    inbox = DeliveryInbox(database, lambda: NOON)
    put = [inbox.put(version_delivery(number)) for number in range(first, first + 40)]
    inbox.close()
    database.close()
    results.put(sum(not result.is_duplicate for result in put))


def test_two_processes_share_one_database_and_agree_on_duplicates(database_url: str) -> None:
    results = SPAWN.Queue()
    processes = [
        SPAWN.Process(target=put_numbers, args=(database_url, n, results)) for n in (1, 21)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0]
    assert results.get(timeout=DEADLINE) + results.get(timeout=DEADLINE) == 60
    database = Database(database_url)
    inbox = DeliveryInbox(database, lambda: NOON)
    assert len(inbox.find_new(100)) == 60
    inbox.close()
    database.close()


def test_two_processes_that_store_the_same_in_another_order_do_not_wait_for_each_other(
    postgresql: PostgreSQL,
) -> None:
    url = postgresql.new_database()
    with closing(Database(url)) as one, closing(Database(url)) as other:
        inboxes = [DeliveryInbox(database, lambda: NOON) for database in (one, other)]
        for first in range(1, 2000, 400):
            batch = [version_delivery(number) for number in range(first, first + 400)]
            with ThreadPoolExecutor(2) as threads:
                list(threads.map(DeliveryInbox._write, inboxes, (batch, batch[::-1])))

        assert {each.seen for each in inboxes[0].find_new(5000)} == {2}
        for inbox in inboxes:
            inbox.close()


def test_closing_stores_what_waits_and_turns_the_rest_away(inbox: DeliveryInbox) -> None:
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(inbox.put, version_delivery(n)) for n in range(1, 9)]
        stored = [future.result() for future in waiting]
        inbox.close()

    assert len(inbox.find_new(100)) == len(stored)
    with pytest.raises(UnavailableError, match="closing"):
        inbox.put(version_delivery(99))


# What the dispatcher asks


def test_fresh_deliveries_come_oldest_first_and_no_more_than_asked(inbox: DeliveryInbox) -> None:
    for number in (3, 1, 2):
        inbox.put(version_delivery(number))

    assert numbers(inbox.find_new(2)) == [1, 2]


def test_a_settled_delivery_is_not_fresh_and_says_what_came_of_it(inbox: DeliveryInbox) -> None:
    with ThreadPoolExecutor(32) as threads:
        puts = threads.map(inbox.put, [version_delivery(number) for number in range(1, 1201)])
        ids = [put.id for put in puts]

    changed = inbox.set_state(ids, DeliveryState.DONE, "pull request 7")

    assert changed == 1200
    assert inbox.find_new(10) == []
    assert {each.outcome for each in inbox.list_recent(5)} == {"pull request 7"}


def test_the_dispatcher_does_not_overtake_the_worker(inbox: DeliveryInbox) -> None:
    put = inbox.put(version_delivery())
    inbox.set_state([put.id], DeliveryState.DONE, "in step")

    changed = inbox.set_state([put.id], DeliveryState.DISPATCHED, only_from={DeliveryState.NEW})

    assert changed == 0
    assert inbox.list_recent(1)[0].state is DeliveryState.DONE


def test_a_put_wakes_the_dispatcher(inbox: DeliveryInbox) -> None:
    woken: list[bool] = []
    dispatcher = threading.Thread(target=lambda: woken.append(inbox.wait_for_new(DEADLINE)))
    dispatcher.start()

    inbox.put(version_delivery())
    dispatcher.join(DEADLINE)

    assert woken == [True]


def test_duplicates_and_ignored_events_let_the_dispatcher_sleep(inbox: DeliveryInbox) -> None:
    inbox.put(version_delivery())
    assert inbox.wait_for_new(DEADLINE)

    inbox.put(version_delivery())
    inbox.put(delivery_of({"event_type": "tea_ready"}))

    assert not inbox.wait_for_new(0)


def test_a_redelivered_delivery_is_new_again(inbox: DeliveryInbox) -> None:
    put = inbox.put(version_delivery())
    inbox.wait_for_new(DEADLINE)
    inbox.set_state([put.id], DeliveryState.PARKED, "The repository is archived.")

    inbox.redeliver(put.id)

    assert [(each.id, each.outcome) for each in inbox.find_new(10)] == [(put.id, None)]
    assert inbox.wait_for_new(0)


def test_what_was_never_delivered_cannot_be_redelivered(inbox: DeliveryInbox) -> None:
    with pytest.raises(NotFoundError, match="no delivery"):
        inbox.redeliver("0" * 64)


# What people ask


def test_a_delivery_is_found_by_the_start_of_its_id(inbox: DeliveryInbox) -> None:
    put = inbox.put(version_delivery())

    found = inbox.find(put.id[:8])

    assert found is not None
    assert found.id == put.id
    assert inbox.find(put.id) == found
    assert inbox.find("%") is None
    assert inbox.find("f" * 64) is None


def test_a_start_that_fits_several_is_refused(inbox: DeliveryInbox) -> None:
    ids = [inbox.put(version_delivery(number)).id for number in range(1, 18)]
    starts = [each[0] for each in ids]
    shared = next(start for start in starts if starts.count(start) > 1)

    with pytest.raises(InvalidInputError, match="more digits"):
        inbox.find(shared)


def test_recent_deliveries_are_read_page_by_page(inbox: DeliveryInbox) -> None:
    for number in range(1, 6):
        inbox.put(delivery_of(version_created(number), NOON + timedelta(seconds=number // 2)))

    pages, before = [], None
    while page := inbox.list_recent(2, before=before):
        pages.append([each.id for each in page])
        before = page[-1].id

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [each for page in pages for each in page] == [each.id for each in inbox.list_recent(10)]


def test_recent_deliveries_are_narrowed_by_state_and_prompt(inbox: DeliveryInbox) -> None:
    inbox.put(version_delivery(1))
    inbox.put(delivery_of(version_created(2, prompt_template_id=18, prompt_template_name="other")))
    done = inbox.put(version_delivery(3))
    inbox.set_state([done.id], DeliveryState.DONE)

    assert [each.prompt_id for each in inbox.list_recent(10, prompt="other")] == [18]
    assert numbers(inbox.list_recent(10, prompt=17)) == [3, 1]
    assert numbers(inbox.list_recent(10, prompt=17, state=DeliveryState.NEW)) == [1]


def test_the_events_of_a_label_come_last_happened_first(inbox: DeliveryInbox) -> None:
    label = {"prompt_template_label": "prod"}
    asked = payload_of("prompt_template_label_change_requested", 2, **label, change_type="move")
    approved = payload_of("prompt_template_label_change_approved", 3, **label, change_type="move")
    created = payload_of("prompt_template_label_created", 1, **label)
    elsewhere = payload_of("prompt_template_label_created", 4, prompt_template_label="test")
    for payload in (approved, elsewhere, created, version_created(5), asked):
        inbox.put(delivery_of(payload))

    found = inbox.list_label_events(1, 17, "prod")

    assert [each.event_type.removeprefix("prompt_template_label_") for each in found] == [
        "change_approved",
        "change_requested",
        "created",
    ]
    assert inbox.list_label_events(2, 17, "prod") == []
    assert inbox.list_label_events(1, 17, "prod", "promptlayer:other") == []


def test_names_of_any_text_are_kept(inbox: DeliveryInbox) -> None:
    name = "\0../\n💬'; DROP TABLE deliveries; --"
    inbox.put(delivery_of(version_created(1, prompt_template_name=name)))

    (kept,) = inbox.list_recent(10)

    assert kept.parse_event().details.prompt_name == name  # type: ignore[union-attr]
    assert inbox.list_recent(10, prompt=name) == [kept]
