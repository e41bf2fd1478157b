"""Threads that do something again and again until they are told to stop, whatever befalls them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

log = logging.getLogger("bridge.loops")


class LoopThreads:
    """Each of ``rounds``, by its name, is called again as soon as it returns; it waits by
    ``wait``. After an error it is called again in ``breath`` seconds."""

    def __init__(self, rounds: Mapping[str, Callable[[], None]], *, breath: float) -> None:
        self._breath = breath
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(round,), name=name, daemon=True)
            for name, round in rounds.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, within: float, rouse: Callable[[], None] | None = None) -> None:
        """Wait for the rounds in hand, for so many seconds. ``rouse`` wakes those that wait by
        other means than ``wait``. May be called again, or unstarted."""
        self._stopping.set()
        if rouse:
            rouse()
        deadline = time.monotonic() + within
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def wait(self, seconds: float) -> bool:
        """Wait for so long, or until it is time to stop; whether it is."""
        return self._stopping.wait(seconds)

    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def _run(self, round: Callable[[], None]) -> None:
        while not self.is_stopping():
            try:
                round()
            except Exception:  # the database may come back; nothing is lost meanwhile
                if self.is_stopping():
                    return  # what it stood on is being closed
                log.exception("%s stumbled and goes on", threading.current_thread().name)
                self.wait(self._breath)
