"""A piece of work in a process of its own: how long it took, how much memory, which git commands."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

TRACE = "GIT_TRACE2_EVENT"  # names a folder; every git process writes a file there
_processes = multiprocessing.get_context("spawn")  # nothing of this process leaks into the figures


@dataclass(frozen=True)
class GitRun:
    command: str
    seconds: float


@dataclass(frozen=True)
class Spent:
    """What a piece of work gave, and what it cost."""

    result: Any
    seconds: float
    peak_memory: int  # bytes, of the process itself
    git: Sequence[GitRun]

    def runs(self, command: str) -> int:
        """How often a git command was run."""
        return sum(run.command == command for run in self.git)

    def seconds_in(self, *commands: str) -> float:
        """How long these git commands took, children included."""
        return sum(run.seconds for run in self.git if run.command in commands)


def spent(traces: Path, work: Callable[..., Any], *arguments: Any) -> Spent:
    """Have ``work`` done by a fresh interpreter; ``traces`` is a folder to be made."""
    traces.mkdir(parents=True)
    ours, theirs = _processes.Pipe()
    process = _processes.Process(target=_do, args=(theirs, str(traces), work, arguments))
    process.start()
    theirs.close()
    try:
        result, seconds, memory = ours.recv()
    except EOFError:
        raise RuntimeError(f"{work.__name__} ended without a result; see above") from None
    finally:
        process.join()
    return Spent(result, seconds, memory, git_runs(traces))


def git_runs(traces: Path) -> list[GitRun]:
    """What git wrote down in the folder that GIT_TRACE2_EVENT named."""
    runs = (_git_run(trace) for trace in sorted(traces.iterdir()))
    return [run for run in runs if run is not None]


def _do(
    results: Connection[Any, Any], traces: str, work: Callable[..., Any], arguments: Sequence[Any]
) -> None:
    os.environ[TRACE] = traces
    started = time.perf_counter()
    result = work(*arguments)
    results.send((result, time.perf_counter() - started, _peak_memory()))


def _peak_memory() -> int:
    """Bytes. Linux counts what an interpreter was forked from into ru_maxrss, hence the detour."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def _git_run(trace: Path) -> GitRun | None:
    """What one git process wrote down; None for those that git started itself."""
    events = [json.loads(line) for line in trace.read_text().splitlines()]
    if "/" in events[0]["sid"]:
        return None
    names = [event["name"] for event in events if event["event"] == "cmd_name"]
    seconds = [event["t_abs"] for event in events if event["event"] == "exit"]
    return GitRun(names[0] if names else "?", seconds[-1] if seconds else 0.0)
