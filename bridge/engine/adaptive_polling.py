"""How often the engine looks at its queues: often while there is work, seldom while there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

_LONGEST = 2.0  # seconds between two looks at a queue in which nothing is
_IDLE_SECONDS = 15.0  # seconds without work after which there will be none soon
_REPEAT_SECONDS = 5.0  # seconds after which another process may have said otherwise


@dataclass(frozen=True)
class QueueTiming:
    quiet: timedelta  # how long a look waits for more events
    sweep: timedelta
    polling: float = 0.5  # seconds between two looks at a queue


class PollableQueue(Protocol):
    def set_polling_interval_sec(self, value: float) -> None:
        """Takes effect for all processes, each time at the end of the pause that is."""


class AdaptivePolling:
    """``often`` and what ``quiet`` tells are in seconds. As long as a look waits for quiet, nobody has to look
    at the queues; so after a calm they are looked at no more often than that."""

    def __init__(
        self,
        queues: Sequence[PollableQueue],
        *,
        often: float,
        quiet: Callable[[], float],
        anything_ahead: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queues = queues
        self._often = often
        self._quiet = quiet
        self._anything_ahead = anything_ahead
        self._clock = clock
        self._lock = threading.Lock()
        self._pause = often
        self._said = self._worked = clock()

    def note_work(self) -> None:
        """Something was put into a queue, or is about to be."""
        with self._lock:
            self._worked = self._clock()
            if self._pause != self._often or self._worked - self._said >= _REPEAT_SECONDS:
                self._set_interval(self._often)

    def note_idle(self) -> None:
        """There is nothing to do at the moment."""
        with self._lock:
            if self._pause != self._often or self._clock() - self._worked < _IDLE_SECONDS:
                return
            self._worked = self._clock()  # where a job is ahead, it is not asked for all the time
            if not self._anything_ahead():
                self._set_interval(max(self._often, min(self._quiet(), _LONGEST)))

    def _set_interval(self, pause: float) -> None:
        self._pause, self._said = pause, self._clock()
        for queue in self._queues:
            queue.set_polling_interval_sec(pause)
