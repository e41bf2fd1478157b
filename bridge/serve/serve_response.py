"""Answers to applications, and the errors among them. Plain ASGI: reads are a hot path."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from bridge.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    BridgeError,
    ForbiddenError,
    InvalidInputError,
    MalformedPayloadError,
    NotFoundError,
    RateLimitedError,
    RequestRefusedError,
    TransientError,
    UnauthorizedError,
)
from bridge.network.read_body import SMALL_BODY_BYTES, ClientDisconnectedError, read_body
from bridge.prompts.prompt import JsonObject
from bridge.serve.application_tokens import FindTokens, ServedApplication, find_token

CountRead = Callable[[str, int], None]  # an application's name, and the status of its answer
Headers = Sequence[tuple[bytes, bytes]]

# No status of 500 or more: PromptLayer's SDK repeats those for 14 seconds, and then raises.
_STATUSES: Sequence[tuple[type[BridgeError], int]] = (
    (UnauthorizedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (RequestRefusedError, 422),
    (BodyTooLargeError, 413),
    (BodyTimeoutError, 408),
    (MalformedPayloadError, 400),
    (InvalidInputError, 422),
    (RateLimitedError, 429),
    (BridgeError, 424),
)
READ_LIMIT = SMALL_BODY_BYTES
_CLOSE = (b"connection", b"close")  # what was not read of a body would be the next request


@dataclass(frozen=True)
class ServeResponse:
    """An answer to an application; ``body`` comes in parts that are sent as one."""

    status: int
    body: Sequence[bytes]
    headers: Headers = ()

    async def send(self, send: Send) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % sum(map(len, self.body))),
            *self.headers,
        ]
        if self.status == 304:
            headers = list(self.headers)
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"".join(self.body)})


def build_json_response(status: int, content: object, headers: Headers = ()) -> ServeResponse:
    return ServeResponse(status, (json.dumps(content).encode(),), headers)


def build_error_response(error: BridgeError) -> ServeResponse:
    """The error's status, and its words as ``error``."""
    status = next(status for family, status in _STATUSES if isinstance(error, family))
    headers: list[tuple[bytes, bytes]] = []
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status in (401, 408, 413):
        headers.append(_CLOSE)
    if isinstance(error, TransientError):
        headers.append((b"retry-after", b"%d" % math.ceil(error.retry_after or 5)))
    return build_json_response(status, {"error": str(error)}, headers)


@dataclass(frozen=True)
class ServeRequest:
    """A request of an application."""

    application: ServedApplication
    scope: Scope
    headers: Mapping[bytes, bytes]
    content: JsonObject  # of the body; {} for GET

    @property
    def is_get(self) -> bool:
        method: str = self.scope["method"]
        return method != "POST"

    @property
    def query(self) -> Mapping[str, str]:
        return _parse_query(self.scope["query_string"])


class ServeEndpoint(ABC):
    """An ASGI endpoint for applications. ``count_read`` hears of every answer to one of them."""

    body_limit = READ_LIMIT  # bytes

    def __init__(self, find_tokens: FindTokens, count_read: CountRead) -> None:
        self._find_tokens = find_tokens
        self._count_read = count_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = await self._open(scope, receive)
        except ClientDisconnectedError:
            return
        except BridgeError as error:
            await build_error_response(error).send(send)
            return
        try:
            response = await self.respond(request)
        except BridgeError as error:
            response = build_error_response(error)
        self._count_read(request.application.settings.name, response.status)
        await response.send(send)

    @abstractmethod
    async def respond(self, request: ServeRequest) -> ServeResponse:
        """Raises errors of ``bridge.errors``, which are answered as ``build_error_response``
        says."""

    async def _open(self, scope: Scope, receive: Receive) -> ServeRequest:
        headers = dict(reversed(scope["headers"]))  # of doubled headers the first counts
        tokens, token = self._find_tokens(), find_token(headers)
        # Before the body is read, for who shows no token in a header may show it there.
        application = None if token is None else tokens.authenticate(token)
        content: JsonObject = {}
        if scope["method"] == "POST":
            body = await read_body(headers, receive, self.body_limit)
            try:
                content = parse_body(body)
            except MalformedPayloadError:
                if application is not None:
                    raise
        if application is None:
            application = tokens.authenticate(read_api_key(content))
        return ServeRequest(application, scope, headers, content)


def parse_body(body: bytes) -> JsonObject:
    """A body's JSON object, {} for an empty one. Raises MalformedPayloadError."""
    if not body.strip():
        return {}
    try:
        content = _DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        raise MalformedPayloadError("The body is no JSON.") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise MalformedPayloadError("The body is no JSON object.")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)  # made once: it takes a while


@lru_cache(maxsize=256)
def _parse_query(query: bytes) -> Mapping[str, str]:
    """Of doubled parameters the last counts."""
    return MappingProxyType(dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))


def read_api_key(content: JsonObject) -> bytes | None:
    """The token that a body shows as ``api_key``, as PromptLayer's SDK does."""
    key = content.get("api_key")
    return key.encode("utf-8", "surrogatepass") if isinstance(key, str) else None
