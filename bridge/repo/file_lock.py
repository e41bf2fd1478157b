"""One holder at a time, over threads and processes: a lock on a file beside what it guards."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.errors import UnavailableError

_PAUSE = 0.02  # seconds between two tries of a lock that another process has


class FileLock:
    """Not re-entrant. The file stays; who holds the lock is known to the kernel only, so a killed
    holder never leaves it behind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()  # threads queue here, so that one alone tries the file

    @contextmanager
    def hold(self, timeout: float) -> Iterator[int]:
        """Hold the lock; gives the file descriptor that carries it: a child process that inherits
        it keeps the lock until it ends too. Raises UnavailableError after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        if not self._turn.acquire(timeout=timeout):
            raise self._too_long(timeout)
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._wait(descriptor, deadline, timeout)
                yield descriptor
            finally:
                os.close(descriptor)
        finally:
            self._turn.release()

    def _wait(self, descriptor: int, deadline: float, timeout: float) -> None:
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self._too_long(timeout) from None
                time.sleep(_PAUSE)

    def _too_long(self, timeout: float) -> UnavailableError:
        return UnavailableError(
            f"The mirror {self._path.stem} was in use by others for {timeout:g} seconds."
        )
