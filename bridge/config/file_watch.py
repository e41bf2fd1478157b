"""Detect changed files by polling, which works on every disk, network folder and Kubernetes
mount."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from stat import S_ISREG

_Stat = tuple[int, ...]


class FileWatcher:
    """Poll the size and time of each file, and read those whose values changed. ``files`` is called
    at every poll. For one thread."""

    def __init__(self, files: Callable[[], Iterable[str]]) -> None:
        self._files = files
        self._known: dict[str, tuple[_Stat, bytes]] = {}
        self._noted = self._last = self._read_digests()

    def has_changed(self) -> bool:
        """Whether the content differs from when this was last True, and is the same at two polls in
        a row, so that a writer of several files has finished."""
        now = self._read_digests()
        rests, self._last = now == self._last, now
        if not rests or now == self._noted:
            return False
        self._noted = now
        return True

    def mark_current(self) -> None:
        """Take the present content as known."""
        self._noted = self._last = self._read_digests()

    def _read_digests(self) -> dict[str, bytes]:
        self._known = {path: self._digest(path) for path in self._files()}
        return {path: digest for path, (_, digest) in self._known.items()}

    def _digest(self, path: str) -> tuple[_Stat, bytes]:
        """A digest of the content; empty for a file that cannot be read."""
        try:
            found = os.stat(path)
            stat = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
            if not S_ISREG(found.st_mode):
                return stat, b""  # a device or a pipe may have no end
            known = self._known.get(path)
            if known and known[0] == stat:
                return known
            return stat, hashlib.sha256(Path(path).read_bytes()).digest()
        except OSError:
            return (), b""
