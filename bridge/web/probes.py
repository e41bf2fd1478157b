"""The endpoints for monitoring: ``/healthz``, ``/readyz`` and ``/metrics``
(https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/)."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from bridge.errors import BridgeError
from bridge.storage.inbox import DeliveryInbox
from bridge.web.process_metrics import ProcessMetrics

_Endpoint = Callable[[Request], Awaitable[Response]]
_Value = TypeVar("_Value")

_CACHE_SECONDS = 2.0  # seconds between two queries of the database


class CachedValue(Generic[_Value]):
    """The result of ``ask``, cached for so many seconds. One thread calls it at a time; the others
    wait for its result."""

    def __init__(self, read: Callable[[], _Value], seconds: float = _CACHE_SECONDS) -> None:
        self._read = read
        self._seconds = seconds
        self._turn = threading.Lock()
        self._said: tuple[float, _Value] | None = None

    def __call__(self) -> _Value:
        with self._turn:
            if self._said is None or time.monotonic() - self._said[0] > self._seconds:
                self._said = (time.monotonic(), self._read())
            return self._said[1]


@dataclass(frozen=True)
class HealthProbes:
    """The checks behind the endpoints. ``find_problems`` returns what makes the process unready, by
    check. With a ``token``, metrics require it. ``find_warnings`` are shown by ``/readyz`` and do
    not change its status."""

    inbox: DeliveryInbox
    find_problems: Callable[[], Mapping[str, str]]
    metrics: ProcessMetrics
    token: str | None = field(default=None, repr=False)
    find_warnings: Callable[[], Mapping[str, str]] = dict


def create_probe_routes(probes: HealthProbes) -> list[BaseRoute]:
    """The routes for readiness and metrics; ``/healthz`` belongs to ``create_app``."""
    return [
        Route("/readyz", _ready(probes), methods=["GET"]),
        Route("/metrics", _metrics(probes.metrics, probes.token), methods=["GET"]),
    ]


def create_probe_app(probes: HealthProbes) -> Starlette:
    """An application with the monitoring endpoints alone, for a process that receives no
    deliveries."""
    alive = Route("/healthz", create_health_endpoint(probes.inbox), methods=["GET"])
    return Starlette(routes=[alive, *create_probe_routes(probes)])


def create_health_endpoint(inbox: DeliveryInbox) -> _Endpoint:
    """Answer 200 while the inbox can be read, else 503."""

    async def endpoint(_: Request) -> JSONResponse:
        try:
            await run_in_threadpool(inbox.check_readable)
        except BridgeError:
            return JSONResponse({"status": "the inbox does not answer"}, status_code=503)
        return JSONResponse({"status": "ok"})

    return endpoint


def _ready(probes: HealthProbes) -> _Endpoint:
    async def endpoint(_: Request) -> JSONResponse:
        if found := await run_in_threadpool(probes.find_problems):
            return JSONResponse({"status": "not ready", "problems": dict(found)}, status_code=503)
        warnings = await run_in_threadpool(probes.find_warnings)
        warned = {"warnings": dict(warnings)} if warnings else {}
        return JSONResponse({"status": "ready", **warned})

    return endpoint


def _metrics(metrics: ProcessMetrics, token: str | None) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        if token is not None and not _shows(request, token):
            return PlainTextResponse(
                "Show the token that metrics.token sets.\n",
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
        accept = request.headers.get("accept", "")
        content, content_type = await run_in_threadpool(metrics.render, accept)
        return Response(content, headers={"Content-Type": content_type})

    return endpoint


def _shows(request: Request, token: str) -> bool:
    shown = request.headers.get("authorization", "")
    return hmac.compare_digest(shown.encode(), f"Bearer {token}".encode())
