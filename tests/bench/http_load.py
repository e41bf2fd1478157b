"""Requests a second of endpoints of one server. One server process on one core; one process on
another core loads it over 32 keep-alive connections.

The endpoints take turns, round by round, so that whatever else the machine does meanwhile hits them
alike. One of them does nothing, and the others are held against it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CONNECTIONS = 32
_WARM_UP = 500  # requests of each endpoint
_ROUND_SECONDS = 6.0  # at most

# Fresh interpreters: nothing of this process (threads, open sockets) leaks into the figures.
_processes = multiprocessing.get_context("spawn")

# A folder, a listener, and where to say that the server is ready.
Serve = Callable[[Path, socket.socket, "Connection[None, Any]"], None]
BuildRequest = Callable[[int], bytes]  # with a number: a request like no other


@dataclass(frozen=True)
class LoadPlan:
    """``rounds`` of every endpoint, of ``size`` requests each."""

    requests: Mapping[str, BuildRequest]  # by the name of the endpoint
    rounds: int
    size: int


@dataclass(frozen=True)
class LoadRound:
    """One round of load on one endpoint."""

    answered: int
    seconds: float
    latencies: list[float]  # seconds

    @property
    def rate(self) -> float:
        return self.answered / self.seconds


def measure_load(serve: Serve, plan: LoadPlan) -> Mapping[str, Sequence[LoadRound]]:
    """Rounds of load on each endpoint of one server, by the endpoint's name."""
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder), serve) as port:
        ours, theirs = _processes.Pipe()
        process = _processes.Process(target=_generate, args=(port, plan, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            found: Mapping[str, Sequence[LoadRound]] = ours.recv()
        except EOFError:
            raise RuntimeError("the load ended without a result; see above") from None
        finally:
            process.terminate()
            process.join()
    return found


def compute_median_rate(rounds: Sequence[LoadRound]) -> float:
    return statistics.median(each.rate for each in rounds)


def stay_on_core(number: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) >= 2:
            os.sched_setaffinity(0, {cores[number]})


@contextmanager
def _server(folder: Path, serve: Serve) -> Iterator[int]:
    listener = _listener()
    ours, theirs = _processes.Pipe()
    process = _processes.Process(target=serve, args=(folder, listener, theirs), daemon=True)
    process.start()
    try:
        ours.recv()
        yield listener.getsockname()[1]
    finally:
        process.terminate()
        process.join()
        listener.close()


def _listener() -> socket.socket:
    # asyncio switches Nagle's algorithm off only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(CONNECTIONS)
    return listener


def _generate(port: int, plan: LoadPlan, results: Connection[Any, None]) -> None:
    stay_on_core(1)
    found: dict[str, list[LoadRound]] = {name: [] for name in plan.requests}
    for build in plan.requests.values():
        asyncio.run(_round(port, [build(number) for number in range(_WARM_UP)]))
    for place in range(plan.rounds):
        first = _WARM_UP + place * plan.size
        for name, build in plan.requests.items():
            requests = [build(number) for number in range(first, first + plan.size)]
            found[name].append(asyncio.run(_round(port, requests)))
    results.send(found)


async def _round(port: int, requests: list[bytes]) -> LoadRound:
    """Send all requests, or as many as fit into _ROUND_SECONDS."""
    waiting = iter(requests)
    latencies: list[float] = []
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_connection(port, waiting, latencies, start + _ROUND_SECONDS))
    return LoadRound(len(latencies), time.perf_counter() - start, latencies)


async def _connection(
    port: int, waiting: Iterator[bytes], latencies: list[float], deadline: float
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in waiting:
            sent = time.perf_counter()
            if sent > deadline:
                break
            writer.write(request)
            await _read_answer(reader)
            latencies.append(time.perf_counter() - sent)
    finally:
        writer.close()
        await writer.wait_closed()


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 304"):
        return
    if not head.startswith(b"HTTP/1.1 20"):
        raise RuntimeError(f"The server did not answer with success: {head[:80]!r}")
    length = head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
    await reader.readexactly(int(length))
