"""The log queue of a process that serves applications, and what delivers it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from starlette.routing import BaseRoute

from bridge.config.serve_settings import LogQueueSettings
from bridge.network.read_body import LargeBodyQuota
from bridge.serve.application_tokens import FindTokens
from bridge.serve.log_endpoints import LogServices, create_log_routes
from bridge.serve.relay import create_relay_route
from bridge.serve.send_logs import LogSender, LogSenderSettings
from bridge.serve.serve_response import CountRead
from bridge.serve.upstream import FindUpstream, PromptLayerUpstream
from bridge.storage.database import Database
from bridge.storage.inbox import Clock
from bridge.storage.log_queue import LogQueue


@contextmanager
def open_log_routes(
    database: Database,
    clock: Clock,
    settings: LogQueueSettings,
    find_upstream: FindUpstream,
    find_tokens: FindTokens,
    count_read: CountRead,
) -> Iterator[list[BaseRoute]]:
    """The routes for logs, and last the one that relays; what they queue is delivered while this
    lasts. What is queued stays in ``database``, which should be for this alone in the process."""
    queue = LogQueue(database, clock, limit=settings.limit)
    sender = LogSender(queue, find_upstream, clock, LogSenderSettings(settings.keep))
    with closing(queue):
        services = LogServices(
            find_tokens,
            count_read,
            queue,
            PromptLayerUpstream(find_upstream),
            clock,
            LargeBodyQuota(),
        )
        with sender.run():
            yield [*create_log_routes(services), create_relay_route(services)]
