"""Threads that call a function again and again until they are stopped, also after an error."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

log = logging.getLogger("bridge.loops")


class LoopThreads:
    """One thread for each of ``rounds``, by the thread's name. A round is called again as soon as it
    returns, so it waits by ``wait``; after an error it is called again in ``error_pause`` seconds."""

    def __init__(self, rounds: Mapping[str, Callable[[], None]], *, error_pause: float) -> None:
        self._breath = error_pause
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(round,), name=name, daemon=True)
            for name, round in rounds.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, within: float, wake: Callable[[], None] | None = None) -> None:
        """Stop, and wait ``within`` seconds for the current rounds. ``wake`` wakes the rounds that
        wait by other means than ``wait``. May be called twice, and before ``start``."""
        self._stopping.set()
        if wake:
            wake()
        deadline = time.monotonic() + within
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))

    def wait(self, seconds: float) -> bool:
        """Wait so many seconds, or until ``stop``; returns whether it was ``stop``."""
        return self._stopping.wait(seconds)

    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def _run(self, run_once: Callable[[], None]) -> None:
        while not self.is_stopping():
            try:
                run_once()
            except Exception:  # the database may come back; nothing is lost meanwhile
                if self.is_stopping():
                    return  # the database that it uses is being closed
                log.exception("%s stumbled and goes on", threading.current_thread().name)
                self.wait(self._breath)
