"""All else of PromptLayer's API, for applications that may use it: passed through with the bridge's
key, in both directions as it comes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from starlette.responses import StreamingResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Message, Receive, Scope, Send

from bridge.errors import BridgeError, ForbiddenError, MalformedPayloadError
from bridge.network.read_body import ClientDisconnectedError, read_body, reserve_received
from bridge.serve.application_tokens import ServedApplication, find_token
from bridge.serve.log_endpoints import LOG_LIMIT, LogServices, check_bridge_key
from bridge.serve.serve_response import (
    build_error_response,
    build_json_response,
    parse_body,
    read_api_key,
)

# PromptLayer's API besides what the bridge answers itself:
# https://docs.promptlayer.com/reference/introduction, and ``promptlayer`` 1.5.16
_PREFIXES = (
    *("/api/", "/connection/", "/library-", "/prompt-labels/", "/report-columns", "/reports"),
    *("/rest/", "/v1/traces", "/workflow", "/ws-token-request-library"),
)
_SHARED_PREFIXES = ("/prompt-templates", "/prompts/")  # with pages and endpoints of the bridge
# Whose wrong tokens are limited as refused webhooks are.
RELAY_PREFIXES = (*_PREFIXES, *_SHARED_PREFIXES)
_READ_SECONDS = 600.0  # between two parts of an answer: a model may be behind it
_WEB_SOCKET = (
    "The bridge passes no WebSocket through. Let the application ask for the results of a workflow"
    " (GET /workflow-version-execution-results), or have them sent to its callback_url."
)
_NO_RELAY = (
    "Applications of the bridge read what is merged, and log. All else of PromptLayer's API is not"
    " for this one, unless bridge.yaml says relay: true for it."
)
# Of one connection, or about who asks: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
_NOT_FORWARDED = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding"
    b" upgrade host x-api-key authorization cookie expect forwarded x-forwarded-for"
    b" x-forwarded-host x-forwarded-proto x-real-ip".split()
)
_NOT_RETURNED = frozenset(
    b"connection keep-alive proxy-authenticate te trailer transfer-encoding upgrade set-cookie"
    b" server date".split()
)
# Bodies of these types have no field for a key, and may be large.
_STREAMED = (b"multipart/", b"application/octet-stream", b"application/x-protobuf")


class RelayEndpoint:
    """ASGI: 403 for an application without ``relay: true``, 501 for a WebSocket; else what
    PromptLayer answers. 424 where it cannot be reached."""

    def __init__(self, services: LogServices) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(reversed(scope["headers"]))  # of doubled headers the first counts
        if headers.get(b"upgrade", b"").lower() == b"websocket":
            await build_json_response(501, {"error": _WEB_SOCKET}).send(send)
            return
        is_begun = False

        async def send_noted(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            with self._services.large.reserve() as reserve:
                request = await self._open(headers, reserve_received(reserve, receive))
                await self._forward(request, scope, receive, send_noted)
        except ClientDisconnectedError:
            return
        except BridgeError as error:
            if not is_begun:  # else the server ends the connection, which tells that it broke off
                await build_error_response(error).send(send)

    async def _open(self, headers: Mapping[bytes, bytes], receive: Receive) -> _RelayRequest:
        tokens, token = self._services.find_tokens(), find_token(headers)
        application = None if token is None else tokens.authenticate(token)
        if application is not None:
            _check_relay(application)
        if headers.get(b"content-type", b"").lower().startswith(_STREAMED):
            return _RelayRequest(application or tokens.authenticate(None), _iterate_body(receive))
        body = await read_body(headers, receive, LOG_LIMIT)
        key, body = _take_api_key(body)
        if application is None:
            application = tokens.authenticate(key)
            _check_relay(application)
        return _RelayRequest(application, body)

    async def _forward(
        self, request: _RelayRequest, scope: Scope, receive: Receive, send: Send
    ) -> None:
        settings, source = request.application.settings, request.application.source
        sent = request.select_headers(scope["headers"])
        async with self._services.upstream.open_request(
            source,
            scope["method"],
            _build_target(scope),
            headers=sent,
            content=request.body,
            read_timeout=_READ_SECONDS,
        ) as response:
            self._services.count_read(settings.name, response.status_code)
            check_bridge_key(response.status_code)
            returned = StreamingResponse(response.aiter_raw(), response.status_code)
            returned.raw_headers = [
                (name.lower(), value)
                for name, value in response.headers.raw
                if name.lower() not in _NOT_RETURNED
            ]
            await returned(scope, receive, send)


@dataclass(frozen=True)
class _RelayRequest:
    application: ServedApplication
    body: bytes | AsyncIterator[bytes]

    def select_headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Those that are passed on. The length of a body that was read may be another now."""
        read = isinstance(self.body, bytes)
        sent = [
            (name, value)
            for name, value in headers
            if name not in _NOT_FORWARDED and not (read and name == b"content-length")
        ]
        if not any(name == b"accept-encoding" for name, _ in sent):
            sent.append((b"accept-encoding", b"identity"))
        return sent


class _RelayRoute(BaseRoute):
    """Every path of PromptLayer's; one that the bridge has too only where a token is shown."""

    def __init__(self, endpoint: RelayEndpoint) -> None:
        self._endpoint = endpoint

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        path: str = scope["path"]
        is_shared = path.startswith(_SHARED_PREFIXES)
        shows = is_shared and find_token(dict(scope["headers"])) is not None
        return (Match.FULL if shows or path.startswith(_PREFIXES) else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint(scope, receive, send)


def create_relay_route(services: LogServices) -> BaseRoute:
    """The route, to stand behind all others of the web server but its pages."""
    return _RelayRoute(RelayEndpoint(services))


def _check_relay(application: ServedApplication) -> None:
    if not application.settings.relay:
        raise ForbiddenError(_NO_RELAY)


def _take_api_key(body: bytes) -> tuple[bytes | None, bytes]:
    """The key that a JSON body shows, and the body without it; any other body stays as it is."""
    try:
        content = parse_body(body)
    except MalformedPayloadError:
        return None, body
    if "api_key" not in content:
        return None, body
    rest = {name: value for name, value in content.items() if name != "api_key"}
    return read_api_key(content), json.dumps(rest).encode()


def _build_target(scope: Scope) -> bytes:
    """The raw path with its query, without a key in it."""
    query: bytes = scope["query_string"]
    if b"api_key" in query:
        fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        query = urlencode([field for field in fields if field[0] != "api_key"]).encode()
    path: bytes = scope["raw_path"]
    return path + (b"?" + query if query else b"")


async def _iterate_body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        yield message.get("body", b"")
        more = message.get("more_body", False)
