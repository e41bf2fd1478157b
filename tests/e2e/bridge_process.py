"""The bridge as a process of its own, and waiting for what it should bring about."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bridge.sandbox.local_http_client import create_local_client

PATIENCE = 40.0  # seconds for anything that should happen
LAST_LINES = 3000  # characters of a log that a failure shows


@dataclass
class BridgeProcess:
    """One running ``python -m bridge …``; all it writes goes to ``log``."""

    process: subprocess.Popen[bytes]
    log: Path
    address: str | None = None  # where it takes deliveries in; None for ``work``

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def until_it_says(self, words: str, times: int = 1) -> None:
        until(lambda: self._has_said(words, times), f"the bridge did not say {words!r}", self)

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nobody is told."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def ask_to_end(self) -> None:
        """SIGTERM."""
        self.process.terminate()

    def end(self) -> int:
        """SIGTERM, and the status it ended with."""
        self.ask_to_end()
        return self.process.wait(PATIENCE)

    def _has_said(self, words: str, times: int) -> bool:
        assert self.alive, f"the bridge ended with {self.process.returncode}:\n{self.last_words()}"
        return self.said.count(words) >= times

    def last_words(self) -> str:
        return self.said[-LAST_LINES:]


def start(words: list[str], environment: Mapping[str, str], log: Path) -> BridgeProcess:
    """``python -m bridge`` with these words."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bridge", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    return BridgeProcess(process, log)


def until_healthy(bridge: BridgeProcess, address: str) -> None:
    bridge.address = address
    until(lambda: _healthy(bridge, address), "the bridge did not start", bridge)


def _healthy(bridge: BridgeProcess, address: str) -> bool:
    assert bridge.alive, f"the bridge ended at once:\n{bridge.last_words()}"
    try:
        with create_local_client(timeout=2) as client:
            return client.get(f"{address}/healthz").is_success
    except httpx2.HTTPError:
        return False


def until(
    condition: Callable[[], bool],
    otherwise: str,
    bridge: BridgeProcess | None = None,
    patience: float = PATIENCE,
) -> None:
    """Wait for ``condition``; after ``patience`` seconds fail with ``otherwise``."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            told = f"; it said:\n{bridge.last_words()}" if bridge else ""
            raise AssertionError(f"After {patience:.0f} seconds {otherwise}{told}")
        time.sleep(0.03)


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port of this machine that nobody else is given; one may listen on it all the same,
    again and again."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
