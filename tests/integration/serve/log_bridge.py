"""A bridge that takes applications' logs, before the stand-in for PromptLayer: all of it real but
in one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.config.serve_settings import ApplicationSettings
from bridge.network.read_body import LargeBodyQuota
from bridge.sandbox.fake_evaluations import FakeEvaluations
from bridge.sandbox.local_http_client import create_local_client
from bridge.sandbox.promptlayer_app import create_promptlayer_app
from bridge.sandbox.registry import PromptRegistry
from bridge.sandbox.request_logs import RequestLogs
from bridge.serve.application_tokens import ApplicationTokens, ServedApplication
from bridge.serve.log_endpoints import LogServices, create_log_routes
from bridge.serve.relay import create_relay_route
from bridge.serve.send_logs import LogSender, LogSenderSettings
from bridge.serve.upstream import PromptLayerUpstream, UpstreamSettings
from bridge.storage.database import Database
from bridge.storage.log_queue import LogQueue, LogQueueStatus, read_log_queue_status
from tests.standins.fault_injection import Faults, WithFaults
from tests.standins.serve_app import serve

BRIDGE_KEY = "pl_key_of_the_bridge"
TOKEN, THROUGH_TOKEN, RELAY_TOKEN = "bot-token", "through-token", "relay-token"
SOURCE = "promptlayer"
_CLOSE = "/close-connections"
DEADLINE = 20.0  # seconds, for what should happen at once


def get_current_time() -> datetime:
    return datetime.now(UTC)


def build_application(name: str, token: str, **settings: object) -> ServedApplication:
    values = {"name": name, "tokens": [token], **settings}
    return ServedApplication(ApplicationSettings.model_validate(values), SOURCE)


APPLICATIONS = ApplicationTokens(
    [
        build_application("bot", TOKEN),
        build_application("through", THROUGH_TOKEN, log="through"),
        build_application("relayed", RELAY_TOKEN, relay=True),
    ]
)


@dataclass
class LogBridge:
    """``url`` is where applications ask; ``logs`` is what reached PromptLayer."""

    url: str
    queue: LogQueue
    database: Database
    faults: Faults
    registry: PromptRegistry
    logs: RequestLogs
    upstream: UpstreamSettings
    counted: list[tuple[str, int]] = field(default_factory=list)

    def open_client(self, token: str | None = TOKEN) -> httpx2.Client:
        headers = {"X-API-KEY": token} if token else {}
        return create_local_client(base_url=self.url, headers=headers, timeout=DEADLINE)

    def read_status(self) -> LogQueueStatus:
        with self.database.open_read_transaction() as connection:
            return read_log_queue_status(connection, get_current_time())

    @contextmanager
    def deliver(self, **settings: object) -> Iterator[None]:
        """Deliver while this lasts."""
        sender = LogSender(
            self.queue,
            lambda _: self.upstream,
            get_current_time,
            LogSenderSettings(**{"longest_pause": 0.05, **settings}),  # type: ignore[arg-type]
        )
        with sender.run():
            yield

    def deliver_all(self, **settings: object) -> None:
        """Deliver until nothing waits."""
        with self.deliver(**settings):
            wait_until(lambda: self.read_status().waiting == 0)


@contextmanager
def open_log_bridge(database: Database, *, limit: int = 1 << 20) -> Iterator[LogBridge]:
    registry, faults = PromptRegistry(), Faults()
    evaluations = FakeEvaluations(registry)
    platform = create_promptlayer_app(registry, api_key=BRIDGE_KEY, evaluations=evaluations)
    with ExitStack() as stack:
        platform_url = stack.enter_context(serve(WithFaults(platform, faults)))
        settings = UpstreamSettings(platform_url, BRIDGE_KEY, timeout=DEADLINE)
        queue = LogQueue(database, get_current_time, limit=limit)
        stack.callback(queue.close)
        counted: list[tuple[str, int]] = []
        bridge = LogBridge(
            "", queue, database, faults, registry, evaluations.logs, settings, counted
        )
        upstream = PromptLayerUpstream(lambda _: bridge.upstream)
        services = LogServices(
            lambda: APPLICATIONS,
            lambda name, status: counted.append((name, status)),
            queue,
            upstream,
            get_current_time,
            LargeBodyQuota(),
        )

        async def close(_: Request) -> Response:  # in the loop that opened the connections
            await upstream.close()
            return Response()

        routes = [
            *create_log_routes(services),
            Route(_CLOSE, close, methods=["POST"]),
            create_relay_route(services),
        ]
        bridge.url = stack.enter_context(serve(Starlette(routes=routes)))
        try:
            yield bridge
        finally:
            with bridge.open_client(None) as client:
                client.post(_CLOSE)


def wait_until(happened: Callable[[], bool]) -> None:
    """Look again and again; fail when it does not happen."""
    ended = threading.Event()
    timer = threading.Timer(DEADLINE, ended.set)
    timer.start()
    try:
        while not happened():
            assert not ended.wait(0.01), "it did not happen in time"
    finally:
        timer.cancel()
