"""``served_ratio``, ``served_304``, ``served_sdk``, ``served_rendered``: reads of applications a
second against an endpoint of the same server that reads the body and answers nothing.

Everything that ``serve`` has before an endpoint is there: the limits, the tokens of three
applications, the metric, and 1,000 prompts of about 2 kB.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bridge.cli.resources import tune_garbage_collection
from bridge.config.serve_settings import ServeSettings
from bridge.errors import UnavailableError
from bridge.network.read_body import read_body
from bridge.promptlayer.client import PromptLayerClient
from bridge.serve.application_tokens import build_application_tokens
from bridge.serve.find_answers import AnswerFinder
from bridge.serve.prompt_endpoints import build_document
from bridge.serve.read_releases import ReleaseReader
from bridge.serve.release import AnswerKey, PromptAnswer
from bridge.serve.release_index import ReleaseIndex
from bridge.serve.serve_response import build_json_response
from bridge.serve.serve_routes import SERVE_PREFIXES, create_serve_routes
from bridge.serve.serve_services import ServeServices
from bridge.status.metrics_snapshot import MetricsSnapshot
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.web.app import WebSettings, create_app
from bridge.web.process_metrics import ProcessMetrics
from bridge.web.rate_limit_middleware import RateLimitMiddleware, TokenBucket
from tests.bench.figure import Figure, gain
from tests.bench.generated_prompts import name_of
from tests.bench.generated_releases import SOURCE, generate_snapshot
from tests.bench.http_load import LoadPlan, compute_median_rate, measure_load, stay_on_core
from tests.standins.webhook_endpoints import one_workspace

PROMPTS = 1_000
ROUNDS, ROUND_REQUESTS = 40, 400  # short ones: a neighbour that makes noise hits all alike
NOTHING_PATH = "/nothing"
TOKEN = "token-of-the-bot"
APPLICATIONS = [
    {"name": f"bot-{number}", "tokens": [f"{TOKEN}-{number}", f"old-{TOKEN}-{number}"]}
    for number in range(3)
]
_SHOWN = f"{TOKEN}-1"


class Nothing:
    """Reads the body and answers nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await read_body(dict(scope["headers"]), receive)
        await build_json_response(200, {}).send(send)


def measure() -> Iterator[Figure]:
    requests = {
        "empty post": _build_empty_post,
        "unrendered": _build_unrendered,
        "rendered": _build_rendered,
        "empty get": _build_empty_get,
        "native": _build_native,
        "unchanged": _build_unchanged,
    }
    rounds = measure_load(_serve, LoadPlan(requests, ROUNDS, ROUND_REQUESTS))
    for name, measured, empty, goal in (
        ("served_ratio", "native", "empty get", 0.6),
        ("served_304", "unchanged", "empty get", 0.7),
        ("served_sdk", "unrendered", "empty post", 0.6),
        ("served_rendered", "rendered", "empty post", 0.4),
    ):
        rate, baseline = (round(compute_median_rate(rounds[each])) for each in (measured, empty))
        yield gain(name, rate, "reads/s", baseline, at_least=goal)


def _serve(folder: Path, listener: socket.socket, ready: Connection[None, Any]) -> None:
    stay_on_core(0)
    tune_garbage_collection()
    index, metrics = ReleaseIndex(), ProcessMetrics("0", _read_no_snapshot, tuple)
    index.replace(generate_snapshot(PROMPTS, "support"))
    settings = ServeSettings.model_validate({"applications": APPLICATIONS})
    tokens = build_application_tokens(settings, [SOURCE])
    routes = create_serve_routes(
        ServeServices(
            find_tokens=lambda: tokens,
            reader=ReleaseReader(index, _get_current_time, lambda: settings.stale),
            answers=AnswerFinder(_find_no_client, _fetch_nothing),
            find_mappings=list,
            is_stopping=lambda: False,
            count_read=metrics.count_read,
        )
    )
    inbox = DeliveryInbox(Database(f"sqlite:///{folder}/bridge.sqlite"), _get_current_time)
    application = create_app(
        WebSettings(clock=_get_current_time, find_endpoints=one_workspace("whsec_bench")),
        inbox,
        routes=[Route(NOTHING_PATH, Nothing(), methods=["GET", "POST"]), *routes],
    )
    limited = RateLimitMiddleware(
        application, TokenBucket(60), metrics.count_response, (*SERVE_PREFIXES, NOTHING_PATH)
    )
    config = uvicorn.Config(
        limited, log_level="warning", access_log=False, lifespan="off", ws="none"
    )
    ready.send(None)
    uvicorn.Server(config).run(sockets=[listener])


def _build_empty_post(number: int) -> bytes:
    return _build_post(NOTHING_PATH, number)


def _build_unrendered(number: int) -> bytes:
    return _build_post(_build_sdk_path(number), number, skip_input_variable_rendering=True)


def _build_rendered(number: int) -> bytes:
    return _build_post(_build_sdk_path(number), number)


def _build_empty_get(number: int) -> bytes:
    return _build_get(NOTHING_PATH)


def _build_native(number: int) -> bytes:
    return _build_get(f"/v1/prompts/{name_of(number % PROMPTS)}")


def _build_unchanged(number: int) -> bytes:
    etag = _compute_etags()[name_of(number % PROMPTS)]
    return _build_get(f"/v1/prompts/{name_of(number % PROMPTS)}", b"If-None-Match: %s\r\n" % etag)


@lru_cache(maxsize=1)
def _compute_etags() -> dict[str, bytes]:
    """By the prompt's name; the releases are the same in every process."""
    snapshot, found = generate_snapshot(PROMPTS, "support"), {}
    for release in snapshot.releases.values():
        answer = snapshot.find_answer(release)
        assert answer is not None
        found[release.name] = build_document(release, answer).etag
    return found


def _build_sdk_path(number: int) -> str:
    return f"/prompt-templates/{quote(name_of(number % PROMPTS), safe='')}"


def _build_get(path: str, header: bytes = b"") -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: bridge\r\nAuthorization: Bearer {_SHOWN}\r\n"
    return head.encode() + header + b"\r\n"


def _build_post(path: str, number: int, **more: object) -> bytes:
    """As PromptLayer's SDK sends it."""
    variables = {"question": f"Where is {number}?", "order": "A-1003", "follow_up": "Thanks"}
    content = {"api_key": _SHOWN, "label": "latest", "input_variables": variables, **more}
    body = json.dumps(content).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bridge\r\nUser-Agent: python-requests/2.32.5\r\n"
        "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n"
        f"X-API-KEY: {_SHOWN}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/json\r\n\r\n"
    )
    return head.encode() + body


def _get_current_time() -> datetime:
    return datetime.now(UTC)


def _read_no_snapshot() -> MetricsSnapshot:
    raise UnavailableError("Nobody asks for metrics.")


def _find_no_client(source: str) -> PromptLayerClient:
    raise UnavailableError(f"PromptLayer was asked for {source}.")


def _fetch_nothing(key: AnswerKey) -> PromptAnswer:
    raise UnavailableError(f"PromptLayer was asked for version {key.version}.")
