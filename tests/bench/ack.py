"""``ack_ratio``: durable deliveries a second against an endpoint that stores nothing.

One server process on one core serves both; one process on another core loads it over 32
keep-alive connections with signed deliveries that all differ.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bridge.network.read_body import read_body
from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH, WebSettings, create_app
from bridge.web.receive_promptlayer_webhook import WebhookResponse
from tests.bench.figure import Figure, counted, gain
from tests.standins.webhook_endpoints import one_workspace

SECRET = "whsec_bench"
CONNECTIONS = 32
ROUNDS = 3  # of either endpoint, taking turns, so that a noisy neighbour hits both
ROUND_REQUESTS = 8_000
ROUND_SECONDS = 6.0
NOTHING_PATH = "/nothing"

# Fresh interpreters: nothing of this process (threads, open sockets) leaks into the figures.
_processes = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Round:
    """What one round of load saw."""

    acknowledged: int
    seconds: float
    latencies: list[float]  # seconds

    @property
    def rate(self) -> float:
        return self.acknowledged / self.seconds


class Nothing:
    """Reads the body and answers as the webhook does, and stores nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(dict(scope["headers"]), receive)
        await WebhookResponse(202, {"delivery": "0" * 64, "status": "accepted"}).send(send)


# A folder, a listener, and where to say that the server is ready.
Serve = Callable[[Path, socket.socket, "Connection[None, Any]"], None]
BuildRequest = Callable[[str, int], bytes]  # a path and a number: a request like no other


def measure() -> Iterator[Figure]:
    stored, nothing = compare_with_nothing(_serve, _request, PROMPTLAYER_WEBHOOK_PATH)
    durable = statistics.median(each.rate for each in stored)
    baseline = statistics.median(each.rate for each in nothing)
    p99 = statistics.median(_p99(each) for each in stored) * 1000
    yield gain("ack_ratio", round(durable), "durable deliveries/s", round(baseline), at_least=0.35)
    yield counted("ack_p99", round(p99, 1), "ms", 25)


def compare_with_nothing(
    serve: Serve, build: BuildRequest, path: str
) -> tuple[list[Round], list[Round]]:
    """Rounds of load on ``path``, and on ``NOTHING_PATH`` of the same server."""
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder), serve) as port:
        return _load(port, build, path)


def _p99(one: Round) -> float:
    return statistics.quantiles(one.latencies, n=100)[98]


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


def _serve(folder: Path, listener: socket.socket, ready: Connection[None, Any]) -> None:
    stay_on_core(0)
    database = Database(f"sqlite:///{folder}/bridge.sqlite")
    inbox = DeliveryInbox(database, lambda: datetime.now(UTC))
    app = create_app(
        WebSettings(clock=lambda: datetime.now(UTC), find_endpoints=one_workspace(SECRET)),
        inbox,
        routes=[Route(NOTHING_PATH, Nothing(), methods=["POST"])],
    )
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    ready.send(None)
    uvicorn.Server(config).run(sockets=[listener])


def _load(port: int, build: BuildRequest, path: str) -> tuple[list[Round], list[Round]]:
    """Run the load in a process of its own: rounds that store, rounds that do not."""
    ours, theirs = _processes.Pipe()
    process = _processes.Process(target=_generate, args=(port, build, path, theirs), daemon=True)
    process.start()
    try:
        rounds: tuple[list[Round], list[Round]] = ours.recv()
    finally:
        process.terminate()
        process.join()
    return rounds


def _generate(port: int, build: BuildRequest, path: str, results: Connection[Any, None]) -> None:
    stay_on_core(1)
    asyncio.run(_round(port, _requests(build, NOTHING_PATH, 0, 500)))  # warm up
    stored: list[Round] = []
    nothing: list[Round] = []
    for number in range(ROUNDS):
        first = number * ROUND_REQUESTS
        for one, rounds in ((path, stored), (NOTHING_PATH, nothing)):
            requests = _requests(build, one, first, ROUND_REQUESTS)
            rounds.append(asyncio.run(_round(port, requests)))
    results.send((stored, nothing))


def stay_on_core(number: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) >= 2:
            os.sched_setaffinity(0, {cores[number]})


def _requests(build: BuildRequest, path: str, first: int, count: int) -> list[bytes]:
    return [build(path, number) for number in range(first, first + count)]


def _request(path: str, number: int) -> bytes:
    payload = {
        "event_type": "prompt_template_version_created",
        "details": {
            "prompt_template_name": f"support/reply-{number % 100}",
            "prompt_template_version_number": number + 1,
            "prompt_template_id": number % 100 + 1,
        },
        "user_id": 1,
        "user_name": "John Doe",
        "user_email": "john.doe@example.com",
        "workspace_id": 1,
        "timestamp": "2023-12-01T22:05:57.924833",
    }
    body = json.dumps(payload).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\n"
        f"{SIGNATURE_HEADER}: {sign_payload(payload, SECRET)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _round(port: int, requests: list[bytes]) -> Round:
    """Send all requests, or as many as fit into ROUND_SECONDS."""
    waiting = iter(requests)
    latencies: list[float] = []
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_connection(port, waiting, latencies, start + ROUND_SECONDS))
    return Round(len(latencies), time.perf_counter() - start, latencies)


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
            await _read_acknowledgement(reader)
            latencies.append(time.perf_counter() - sent)
    finally:
        writer.close()
        await writer.wait_closed()


async def _read_acknowledgement(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 20"):
        raise RuntimeError(f"The server did not acknowledge: {head[:80]!r}")
    length = head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
    await reader.readexactly(int(length))
