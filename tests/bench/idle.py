"""``idle``: what a ``serve`` process takes of the processor when nothing happens, on SQLite."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench.figure import Figure, counted
from tests.bench.generated_prompts import filled
from tests.bench.measured_bridge import REPOSITORY, configured, served_platform
from tests.bench.sweep import files_in_step
from tests.e2e.bridge_process import BridgeProcess, reserved_port, start, until_healthy
from tests.standins.git_http import create_repository

PROMPTS = 100
CALM, MEASURED = 35.0, 60.0  # seconds
_TICK = os.sysconf("SC_CLK_TCK")  # of the clock that processes are charged by, a second


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        platform = stack.enter_context(served_platform(filled(PROMPTS)))
        create_repository(folder / "forge", REPOSITORY, files_in_step(platform.url))
        config = configured(folder, platform.url, {"type": "local", "root": "forge"})
        port = stack.enter_context(reserved_port())
        words = ["serve", "--port", str(port), "--config", str(config)]
        bridge = start(words, os.environ, folder / "log")
        stack.callback(bridge.kill)
        until_healthy(bridge, f"http://127.0.0.1:{port}")
        bridge.until_it_says("sweep of")
        time.sleep(CALM)
        before = read_processor_time(bridge)
        time.sleep(MEASURED)
        spent = read_processor_time(bridge) - before
    yield counted("idle", round(100 * spent / MEASURED, 2), f"% of a core, over {MEASURED:g} s", 1)


def read_processor_time(bridge: BridgeProcess) -> float:
    """Seconds, of the process and of the children that it has waited for."""
    told = Path(f"/proc/{bridge.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, told[11:15])) / _TICK
