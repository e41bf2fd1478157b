"""Processes of the bridge, each on a machine of its own: with a small disk that can be filled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PATIENCE = 30.0  # seconds for a process to end
_SIZE = 48  # MiB of a machine's disk
_PIECE = b"\0" * (1 << 20)

# A mount of one's own needs no rights in a user namespace of one's own. When the last process in
# there ends the disk is gone: whoever comes next is a new machine.
_WITH_A_DISK = f'mount -t tmpfs -o size={_SIZE}m disk "$0" && exec "$@"'
_NAMESPACE = ("unshare", "--map-root-user", "--mount", "sh", "-c")


@cache
def can_have_disks() -> bool:
    """Whether this kernel lets us mount in a namespace of our own."""
    command = [*_NAMESPACE, "mount -t tmpfs -o size=1m disk /tmp"]
    try:
        return subprocess.run(command, capture_output=True, timeout=PATIENCE).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@dataclass
class SupervisedBridgeProcess:
    """Runs ``python -m bridge`` with ``words``, and again when it has ended."""

    name: str
    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    starts: int = 0
    ended_by_themselves: int = 0
    logs: list[Path] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None
    _next_start: float = 0.0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self, pause: float) -> bool:
        """SIGKILL; it starts again after so many seconds. Whether there was anything to kill."""
        with self._lock:
            process, self._process = self._process, None
            self._next_start = time.monotonic() + pause
            if process is None or process.poll() is not None:
                return False
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
            return True

    def keep(self) -> None:
        """Start it when it is time to."""
        with self._lock:
            if self.alive or time.monotonic() < self._next_start:
                return
            if self._process is not None:
                self.ended_by_themselves += 1
                self._process, self._next_start = None, time.monotonic() + 1
                return
            self._start()

    def fill_disk(self) -> bool:
        """Leave no byte free. Whether that could be done."""
        with self._lock, suppress(OSError):
            if not self.alive or not can_have_disks():
                return False
            with self._ballast.open("ab", buffering=0) as ballast:
                for _ in range(_SIZE + 1):
                    ballast.write(_PIECE)
        return self._disk_is_full

    def free_disk(self) -> None:
        with self._lock, suppress(OSError):
            if self.alive:
                self._ballast.unlink(missing_ok=True)

    @property
    def said(self) -> str:
        return "\n".join(log.read_text(errors="replace") for log in self.logs)

    @property
    def _disk(self) -> Path:
        return self.folder / self.name

    @property
    def _ballast(self) -> Path:
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/root{self._disk}/ballast")

    @property
    def _disk_is_full(self) -> bool:
        with suppress(OSError):
            return self.alive and self._ballast.stat().st_size > 0
        return False

    def _start(self) -> None:
        self._disk.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{self.name}-{len(self.logs) + 1}.log"
        self.logs.append(log)
        command = [sys.executable, "-m", "bridge", *self.words]
        if can_have_disks():
            command = [*_NAMESPACE, _WITH_A_DISK, str(self._disk), *command]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **self.environment, "BRIDGE_DATA": str(self._disk)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.starts += 1
