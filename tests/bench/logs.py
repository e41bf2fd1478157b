"""Logs of applications: how many a second are durable, and how many are lost by kills.

``log_ratio`` is measured as ``ack_ratio`` is: calls of 10 kB against an endpoint that reads them
and stores nothing, while PromptLayer is away. ``log_lost`` kills the server again and again while
PromptLayer fails: calls that were confirmed and did not arrive, and calls that were refused, which
would cost a model's answer.
"""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.bench.figure import Figure, gain, none_of, told
from tests.bench.http_load import LoadPlan, compute_median_rate, measure_load, stay_on_core
from tests.integration.serve.killed_log_server import run_with_kills
from tests.integration.serve.log_bridge import TOKEN
from tests.integration.serve.log_server_process import NOTHING_PATH, serve_logs

KILLS = 200
LOG_BYTES = 10_000
LOG_PATH = "/track-request"
ROUNDS, ROUND_REQUESTS = 40, 400  # short ones: a neighbour that makes noise hits both
_NOWHERE = "http://127.0.0.1:9"  # the port to discard: nothing listens there


def measure() -> Iterator[Figure]:
    requests = {path: partial(_build_request, path) for path in (LOG_PATH, NOTHING_PATH)}
    rounds = measure_load(_serve, LoadPlan(requests, ROUNDS, ROUND_REQUESTS))
    durable, baseline = (compute_median_rate(rounds[path]) for path in requests)
    yield gain("log_ratio", round(durable), "durable logs/s", round(baseline), at_least=0.25)


def lost() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        report = run_with_kills(Path(folder), KILLS)
    yield none_of("log_lost", report.lost, f"logs of {report.confirmed}, {report.kills} kills")
    yield none_of("log_refused", report.refused, "model answers")
    yield told("log_doubled", report.doubled, "logs delivered twice")


def _serve(folder: Path, listener: socket.socket, ready: Connection[None, Any]) -> None:
    stay_on_core(0)
    ready.send(None)
    serve_logs(folder, _NOWHERE, listener, forget=False, longest_pause=30.0)


def _build_request(path: str, number: int) -> bytes:
    text = f"{number} ".ljust(LOG_BYTES - 300, "x")
    content = {
        "function_name": "openai.chat.completions.create",
        "provider_type": "openai",
        "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]},
        "request_response": {"id": number},
        "api_key": TOKEN,
    }
    body = json.dumps(content).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
