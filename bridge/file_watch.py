"""Noticing that files hold something else, by looking: it works on every disk, on network folders
and on what Kubernetes mounts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

_Stat = tuple[int, ...]


class FileWatch:
    """Looks at the size and time of each file, and reads only those where they have changed.
    ``files`` is asked at every look, for files come and go. For one thread."""

    def __init__(self, files: Callable[[], Iterable[Path]]) -> None:
        self._files = files
        self._known: dict[Path, tuple[_Stat, bytes]] = {}
        self._noted = self._last = self._look()

    def changed(self) -> bool:
        """Whether the files hold something else than when this was last True, and hold it for the
        second look in a row: who writes several files, or a long one, is waited for."""
        now = self._look()
        rests, self._last = now == self._last, now
        if not rests or now == self._noted:
            return False
        self._noted = now
        return True

    def note(self) -> None:
        """Take what the files hold now for known."""
        self._noted = self._last = self._look()

    def _look(self) -> bytes:
        whole = hashlib.sha256()
        known = {path: self._digest(path) for path in self._files()}
        for path, (_, digest) in sorted(known.items()):
            whole.update(str(path).encode("utf-8", "surrogateescape") + b"\0" + digest)
        self._known = known
        return whole.digest()

    def _digest(self, path: Path) -> tuple[_Stat, bytes]:
        """A file that cannot be read counts as an empty one of its own kind."""
        try:
            found = path.stat()
            stat = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
            known = self._known.get(path)
            if known and known[0] == stat:
                return known
            return stat, hashlib.sha256(path.read_bytes()).digest()
        except OSError:
            return (), b"\0" * 32
