"""``ack_ratio``: durable deliveries a second against an endpoint that stores nothing.

The deliveries are signed, and all differ.
"""

from __future__ import annotations

import json
import socket
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
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
from tests.bench.http_load import (
    LoadPlan,
    LoadRound,
    compute_median_rate,
    measure_load,
    stay_on_core,
)
from tests.standins.webhook_endpoints import one_workspace

SECRET = "whsec_bench"
ROUNDS, ROUND_REQUESTS = 3, 8_000
NOTHING_PATH = "/nothing"


class Nothing:
    """Reads the body and answers as the webhook does, and stores nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(dict(scope["headers"]), receive)
        await WebhookResponse(202, {"delivery": "0" * 64, "status": "accepted"}).send(send)


def measure() -> Iterator[Figure]:
    requests = {path: partial(_request, path) for path in (PROMPTLAYER_WEBHOOK_PATH, NOTHING_PATH)}
    rounds = measure_load(_serve, LoadPlan(requests, ROUNDS, ROUND_REQUESTS))
    stored = rounds[PROMPTLAYER_WEBHOOK_PATH]
    durable, baseline = compute_median_rate(stored), compute_median_rate(rounds[NOTHING_PATH])
    p99 = statistics.median(_p99(each) for each in stored) * 1000
    yield gain("ack_ratio", round(durable), "durable deliveries/s", round(baseline), at_least=0.35)
    yield counted("ack_p99", round(p99, 1), "ms", 25)


def _p99(one: LoadRound) -> float:
    return statistics.quantiles(one.latencies, n=100)[98]


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
