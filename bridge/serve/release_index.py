"""The releases in memory: one snapshot that readers share, replaced as a whole.

Readers take ``snapshot`` without a lock. Writers replace it; a snapshot of an older revision is
refused, so that a process never goes back.
"""

from __future__ import annotations

import asyncio
import threading

from bridge.serve.release import ReleaseSnapshot


class ReleaseIndex:
    """What this process serves. ``replace`` may be called from any thread."""

    def __init__(self) -> None:
        self._snapshot = ReleaseSnapshot()
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.is_loaded = False  # True once the store was read

    @property
    def snapshot(self) -> ReleaseSnapshot:
        """What is served now."""
        return self._snapshot

    def replace(self, snapshot: ReleaseSnapshot) -> bool:
        """Serve a snapshot from now on. False where a newer one is served already."""
        with self._lock:
            self.is_loaded = True
            if snapshot.revision < self._snapshot.revision:
                return False
            self._snapshot = snapshot
            waiting = tuple(self._waiting)
        for loop, changed in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)
        return True

    async def wait_for_revision(self, revision: int, timeout: float) -> bool:
        """Wait until a snapshot newer than ``revision`` is served, for ``timeout`` seconds at most;
        whether there is one."""
        changed = asyncio.Event()
        entry = (asyncio.get_running_loop(), changed)
        with self._lock:
            self._waiting.add(entry)
        try:
            if self._snapshot.revision <= revision:
                async with asyncio.timeout(timeout):
                    await changed.wait()
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiting.discard(entry)
        return self._snapshot.revision > revision
