"""Write many small items in few commits: while one batch is written to the disk, the next gathers.

One thread writes. Callers, from threads or from asyncio, wait until their own item is durable.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from bridge.errors import UnavailableError

_MOST_PER_COMMIT = 512  # items

Item = TypeVar("Item")
Result = TypeVar("Result")

_Waiter = Future[Result] | asyncio.Future[Result]
_QueuedItem = tuple[Item, _Waiter[Result]]
_Settlement = tuple[_Waiter[Result], Result | BaseException]


class GroupCommitWriter(Generic[Item, Result]):
    """Pass items in batches to ``write``, which makes them durable and returns one result each.

    An error of ``write`` is raised to the callers of that batch alone. At most ``backlog`` items
    wait; the next one raises UnavailableError, which bounds the memory in use.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        backlog: int = 4096,
    ) -> None:
        self._write = write
        self._backlog = backlog
        self._waiting: SimpleQueue[_QueuedItem[Item, Result] | None] = SimpleQueue()
        self._queue_lock = (
            threading.Lock()
        )  # no item is queued behind the None that ends the thread
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> Result:
        """Wait until ``item`` is durable. Raises what ``write`` raised, or UnavailableError."""
        future: Future[Result] = Future()
        self._enqueue(item, future)
        return future.result()

    async def put_async(self, item: Item) -> Result:
        """``put`` for asyncio. The item is written even when the caller is cancelled."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._enqueue(item, future)
        return await future

    def close(self) -> None:
        """Write the waiting items, then stop. A later ``put`` raises UnavailableError."""
        with self._queue_lock:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _enqueue(self, item: Item, waiter: _Waiter[Result]) -> None:
        with self._queue_lock:
            if self._closed:
                raise UnavailableError(
                    "The inbox is closing. Send the delivery again.", retry_after=5
                )
            if self._waiting.qsize() >= self._backlog:
                raise UnavailableError(
                    f"{self._backlog} deliveries are waiting for the disk. Send it again later.",
                    retry_after=1,
                )
            self._waiting.put((item, waiter))

    def _run(self) -> None:
        while batch := self._gather():
            _settle(list(zip((waiter for _, waiter in batch), self._results(batch), strict=True)))

    def _gather(self) -> list[_QueuedItem[Item, Result]]:
        """Wait for an item, and return all that are queued by then. Empty after ``close``."""
        entry = self._waiting.get()
        batch: list[_QueuedItem[Item, Result]] = []
        try:
            while entry is not None:
                batch.append(entry)
                if len(batch) == _MOST_PER_COMMIT:
                    return batch
                entry = self._waiting.get_nowait()
        except Empty:
            return batch
        if batch:  # put the end back behind these items, for the next call
            self._waiting.put(None)
        return batch

    def _results(self, batch: list[_QueuedItem[Item, Result]]) -> Sequence[Result | BaseException]:
        try:
            return self._write([item for item, _ in batch])
        except Exception as error:
            return [error] * len(batch)


def _settle(settlements: list[_Settlement[Result]]) -> None:
    """Set the results. Each event loop is woken once per batch, as a wake-up costs a system call."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Settlement[Result]]] = defaultdict(list)
    for waiter, result in settlements:
        if isinstance(waiter, asyncio.Future):
            by_loop[waiter.get_loop()].append((waiter, result))
        else:
            _settle_one(waiter, result)
    for loop, theirs in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle_all, theirs)


def _settle_all(settlements: list[_Settlement[Result]]) -> None:
    for waiter, result in settlements:
        if not waiter.done():  # the client went away
            _settle_one(waiter, result)


def _settle_one(waiter: _Waiter[Result], result: Result | BaseException) -> None:
    if isinstance(result, BaseException):
        waiter.set_exception(result)
    else:
        waiter.set_result(result)
