"""A server for applications' logs as a process of its own, to be killed:
``python -m … FOLDER PLATFORM_URL PORT [forget]``. With ``forget`` it answers before it has stored."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bridge.network.read_body import LargeBodyQuota, read_body
from bridge.serve.log_endpoints import LOG_LIMIT, LogServices, create_log_routes
from bridge.serve.send_logs import LogSender, LogSenderSettings
from bridge.serve.serve_response import build_json_response
from bridge.serve.upstream import PromptLayerUpstream, UpstreamSettings
from bridge.storage.database import Database
from bridge.storage.log_queue import LogQueue, QueuedLog
from tests.integration.serve.log_bridge import APPLICATIONS, BRIDGE_KEY

NOTHING_PATH = "/nothing"


class ForgetfulLogQueue(LogQueue):
    """Loses what it confirmed when it is killed."""

    async def put_async(self, log: QueuedLog) -> None:
        self._late = asyncio.get_running_loop().call_later(
            0.2, lambda: asyncio.ensure_future(LogQueue.put_async(self, log))
        )


async def answer_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and answer as the endpoint for logs does, and store nothing."""
    await read_body(dict(scope["headers"]), receive, LOG_LIMIT)
    await build_json_response(200, {"success": True, "request_id": "pb_0"}).send(send)


class EmptyEndpoint:
    """``answer_nothing``, as starlette wants an ASGI endpoint."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer_nothing(scope, receive, send)


def database_url(folder: Path) -> str:
    return f"sqlite:///{folder}/bridge.sqlite"


def get_current_time() -> datetime:
    return datetime.now(UTC)


def serve_logs(
    folder: Path, platform_url: str, listener: socket.socket, *, forget: bool, longest_pause: float
) -> None:
    kind = ForgetfulLogQueue if forget else LogQueue
    queue = kind(Database(database_url(folder)), get_current_time, limit=1 << 30)
    settings = UpstreamSettings(platform_url, BRIDGE_KEY)
    services = LogServices(
        lambda: APPLICATIONS,
        lambda *_: None,
        queue,
        PromptLayerUpstream(lambda _: settings),
        get_current_time,
        LargeBodyQuota(),
    )
    routes = [*create_log_routes(services), Route(NOTHING_PATH, EmptyEndpoint(), methods=["POST"])]
    config = uvicorn.Config(
        Starlette(routes=routes), log_level="critical", access_log=False, lifespan="off", ws="none"
    )
    sender = LogSender(
        queue, lambda _: settings, get_current_time, LogSenderSettings(longest_pause=longest_pause)
    )
    with sender.run():
        uvicorn.Server(config).run(sockets=[listener])
    queue.close()


def listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener


if __name__ == "__main__":
    logging.disable()
    serve_logs(
        Path(sys.argv[1]),
        sys.argv[2],
        listen(int(sys.argv[3])),
        forget="forget" in sys.argv[4:],
        longest_pause=0.2,
    )
