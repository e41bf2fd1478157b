"""Many small writes, one commit: while one batch is on its way to the disk, the next one gathers.

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

Item = TypeVar("Item")
Result = TypeVar("Result")

_Waiter = Future[Result] | asyncio.Future[Result]
_QueuedItem = tuple[Item, _Waiter[Result]]
_Settlement = tuple[_Waiter[Result], Result | BaseException]


class GroupCommitWriter(Generic[Item, Result]):
    """Hands items in batches to ``write``, which makes them durable and returns one result each.

    When ``write`` raises, exactly the callers of that batch get the error. At most ``backlog``
    items wait; the next one is turned away with UnavailableError, so that memory stays bounded.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        backlog: int = 4096,
        batch: int = 512,
    ) -> None:
        self._write = write
        self._backlog = backlog
        self._batch = batch
        self._waiting: SimpleQueue[_QueuedItem[Item, Result] | None] = SimpleQueue()
        self._queue_lock = threading.Lock()  # nothing enters behind the None that ends the thread
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> Result:
        """Wait until ``item`` is durable. Raises what ``write`` raised, or UnavailableError."""
        future: Future[Result] = Future()
        self._enter(item, future)
        return future.result()

    async def put_async(self, item: Item) -> Result:
        """The same for asyncio. Being cancelled does not take the item back."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._enter(item, future)
        return await future

    def close(self) -> None:
        """Write what is waiting, then stop. Later items are turned away."""
        with self._queue_lock:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _enter(self, item: Item, waiter: _Waiter[Result]) -> None:
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
        """Everything that waits now, at least one item; empty means: stop."""
        entry = self._waiting.get()
        batch: list[_QueuedItem[Item, Result]] = []
        try:
            while entry is not None:
                batch.append(entry)
                if len(batch) == self._batch:
                    return batch
                entry = self._waiting.get_nowait()
        except Empty:
            return batch
        if batch:  # the end was behind these items: find it again next time
            self._waiting.put(None)
        return batch

    def _results(self, batch: list[_QueuedItem[Item, Result]]) -> Sequence[Result | BaseException]:
        try:
            return self._write([item for item, _ in batch])
        except Exception as error:
            return [error] * len(batch)


def _settle(settlements: list[_Settlement[Result]]) -> None:
    """Wake each event loop once per batch: a wake-up costs a system call."""
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
