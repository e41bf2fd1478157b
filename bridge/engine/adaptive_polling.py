"""Set how often DBOS polls its queues: often while there is work, seldom while they are empty."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

_LONGEST = 2.0  # seconds between two polls of empty queues
_IDLE_SECONDS = 15.0  # without work, before polling slows down
_REPEAT_SECONDS = 5.0  # before the interval is set again, as another process may have changed it


@dataclass(frozen=True)
class QueueTiming:
    """The settings ``quiet`` and ``sweep``, and how often the queues are polled."""

    quiet: timedelta  # from the last event of a proposal to its reconcile
    sweep: timedelta  # between two resyncs of a mapping
    polling: float = 0.5  # seconds between two polls of a queue with work


class PollableQueue(Protocol):
    def set_polling_interval_sec(self, value: float) -> None:
        """Set the interval for all processes; each applies it after its current pause."""


class AdaptivePolling:
    """Switch the queues between two intervals, both in seconds: ``often``, and the longer one of
    ``quiet`` and ``often``, two seconds at most. No reconcile starts sooner than ``quiet`` after its
    event, so an idle queue need not be polled more often. Safe for threads."""

    def __init__(
        self,
        queues: Sequence[PollableQueue],
        *,
        often: float,
        quiet: Callable[[], float],
        has_pending_jobs: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queues = queues
        self._often = often
        self._quiet = quiet
        self._has_pending_jobs = has_pending_jobs
        self._clock = clock
        self._lock = threading.Lock()
        self._pause = often
        self._set_at = self._worked_at = clock()

    def note_work(self) -> None:
        """Poll often from now on: a job is enqueued, or about to be."""
        with self._lock:
            self._worked_at = self._clock()
            if self._pause != self._often or self._worked_at - self._set_at >= _REPEAT_SECONDS:
                self._set_interval(self._often)

    def note_idle(self) -> None:
        """Poll seldom from now on, once there was no work for a while and no job is pending."""
        with self._lock:
            if self._pause != self._often or self._clock() - self._worked_at < _IDLE_SECONDS:
                return
            self._worked_at = self._clock()  # or a delayed job would be queried for at each call
            if not self._has_pending_jobs():
                self._set_interval(max(self._often, min(self._quiet(), _LONGEST)))

    def _set_interval(self, pause: float) -> None:
        self._pause, self._set_at = pause, self._clock()
        for queue in self._queues:
            queue.set_polling_interval_sec(pause)
