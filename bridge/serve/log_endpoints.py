"""Where applications log: taken into the queue and answered at once, or passed through."""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from bridge.errors import StaleStateError, TransientError, UnavailableError
from bridge.network.read_body import LargeBodyQuota, reserve_received
from bridge.prompts.prompt import Json, JsonObject
from bridge.serve.application_tokens import FindTokens
from bridge.serve.log_calls import (
    LOG_CALLS,
    LogCall,
    build_delivered_body,
    dump_call,
    find_own_ids,
    find_subject,
    generate_id,
)
from bridge.serve.serve_response import (
    CountRead,
    ServeEndpoint,
    ServeRequest,
    ServeResponse,
    build_error_response,
    build_json_response,
)
from bridge.serve.upstream import PromptLayerUpstream
from bridge.storage.inbox import Clock
from bridge.storage.log_queue import LogQueue, QueuedLog

LOG_LIMIT = 8 * 1024 * 1024  # bytes of a body


@dataclass(frozen=True)
class LogServices:
    """What the endpoints for logs work with."""

    find_tokens: FindTokens
    count_read: CountRead
    queue: LogQueue
    upstream: PromptLayerUpstream
    clock: Clock
    large: LargeBodyQuota


class LogEndpoint(ServeEndpoint):
    """One path of ``LOG_CALLS``.

    200 or 201 as PromptLayer's SDKs want it; 400, 401, 413; what PromptLayer answers where the
    call is passed through; 503 where it cannot be queued and PromptLayer cannot be reached.
    """

    body_limit = LOG_LIMIT

    def __init__(self, services: LogServices, path: str) -> None:
        super().__init__(services.find_tokens, services.count_read)
        self._services = services
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._services.large.reserve() as reserve:  # until the answer: it is all in memory
            await super().__call__(scope, reserve_received(reserve, receive), send)

    async def respond(self, request: ServeRequest) -> ServeResponse:
        content = {name: value for name, value in request.content.items() if name != "api_key"}
        services, call = self._services, LOG_CALLS[self._path]
        wants_queue = request.application.settings.log == "queue"
        if wants_queue and not services.queue.is_full():
            log = self._build_log(request, call, content)
            try:
                await services.queue.put_async(log)
            except UnavailableError:
                pass  # the disk is full, or the database away: PromptLayer itself may be there
            else:
                return build_json_response(
                    call.status, call.build_answer(self._path, log.id, content)
                )
        try:
            return await self._pass_through(request, content)
        except TransientError as error:  # SDKs repeat a 503, and lose a model's answer otherwise
            return replace(build_error_response(error), status=503)

    def _build_log(self, request: ServeRequest, call: LogCall, content: JsonObject) -> QueuedLog:
        id, source = generate_id(), request.application.source
        return QueuedLog(
            id,
            source,
            request.application.settings.name,
            self._path,
            find_subject(call, id, source, content),
            dump_call(content),
            self._services.clock(),
        )

    async def _pass_through(self, request: ServeRequest, content: JsonObject) -> ServeResponse:
        services, source = self._services, request.application.source
        ids = await self._find_ids(source, find_own_ids(content))
        key = services.upstream.find_settings(source).api_key
        body = build_delivered_body(self._path, content, ids, key)
        response, answer = await services.upstream.post_json(source, self._path, body)
        check_bridge_key(response.status_code)
        return ServeResponse(response.status_code, (answer,))

    async def _find_ids(self, source: str, named: frozenset[str]) -> dict[str, Json]:
        if not named:
            return {}
        ids = await run_in_threadpool(self._services.queue.find_platform_ids, source, named)
        if named - ids.keys():
            raise StaleStateError(
                "What this call is about has not reached PromptLayer yet. Send it again later.",
                retry_after=5,
            )
        return ids


def check_bridge_key(status: int) -> None:
    """Raise UnavailableError where PromptLayer refused the bridge's key: the application's own is
    right, and it must not read otherwise."""
    if status == 401:
        raise UnavailableError(
            "PromptLayer refuses the bridge's key; its operator has to see to it."
        )


def create_log_routes(services: LogServices) -> list[BaseRoute]:
    """The routes, to stand before all others of the web server."""
    return [Route(path, LogEndpoint(services, path), methods=["POST"]) for path in LOG_CALLS]
