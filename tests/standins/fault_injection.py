"""A server that can be told to fail: the next requests that match get a bad day.

    faults = Faults()
    with serve(WithFaults(app, faults)) as url:
        faults.add("POST /repos/", status(502))
        faults.add(lambda method, path: path.endswith("/merge"), cut(), times=2)

Every request is written down too, in the order of arrival, for counting calls.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Fault = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]
Match = Callable[[str, str], bool] | str
"""A test of (method, path), or the beginning of a path, or "METHOD /beginning"."""

KEPT_BODY = 1 << 20  # bytes of each request's body that are written down


@dataclass
class RecordedRequest:
    method: str
    path: str
    query: str
    headers: Headers
    client: tuple[str, int]  # address and port at the other end of the connection
    body: bytearray = field(default_factory=bytearray)  # grows while the request is read

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class _Planned:
    matches: Callable[[str, str], bool]
    fault: Fault
    times: int


class Faults:
    """What a test wants to go wrong, and all that was asked of the server."""

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()

    def add(self, match: Match, fault: Fault, times: int = 1) -> None:
        """Let ``fault`` happen to the next ``times`` requests that match. What was added first
        happens first."""
        with self._lock:
            self._planned.append(_Planned(_matcher(match), fault, times))

    def clear(self) -> None:
        """Forget the faults that have not happened yet."""
        with self._lock:
            self._planned.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, used up by asking."""
        with self._lock:
            for planned in self._planned:
                if planned.matches(method, path):
                    planned.times -= 1
                    if not planned.times:
                        self._planned.remove(planned)
                    return planned.fault
        return None


class WithFaults:
    """ASGI middleware: writes every request down and lets the planned faults happen."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = RecordedRequest(
            scope["method"],
            scope["path"],
            scope["query_string"].decode(),
            Headers(raw=list(scope["headers"])),
            scope["client"],
        )
        self.faults.requests.append(request)
        receive = _recording(receive, request)
        fault = self.faults.take(request.method, request.path)
        if fault is None:
            await self.app(scope, receive, send)
        else:
            await fault(self.app, scope, receive, send)


def status(
    code: int,
    body: Mapping[str, Any] | bytes | str = b"",
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """Answer with this status instead of doing what was asked. A mapping is sent as JSON."""
    content = _encoded(body)
    fields = {"content-type": "application/json" if isinstance(body, Mapping) else "text/html"}
    fields |= {name.lower(): value for name, value in (headers or {}).items()}
    fields["content-length"] = str(len(content))

    async def fault(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await _read_whole_body(receive)
        await _start(send, code, fields)
        await send({"type": "http.response.body", "body": content})

    return fault


def time_out() -> Fault:
    """Never answer: hold the request until the client gives up or the server ends."""

    async def fault(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await _until_disconnected(receive)

    return fault


def cut() -> Fault:
    """Promise an answer, send the beginning of it, and close the connection."""

    async def fault(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await _read_whole_body(receive)
        await _start(send, 200, {"content-type": "application/json", "content-length": "4096"})
        await send({"type": "http.response.body", "body": b'{"id": 1', "more_body": True})
        await _hang_up(receive, send)

    return fault


def dead() -> Fault:
    """Close the connection without a word."""

    async def fault(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await _hang_up(receive, send)

    return fault


def after_the_work(fault: Fault) -> Fault:
    """Do what was asked, then let ``fault`` happen to the answer: the client cannot know."""

    async def late(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _unheard)
        await fault(app, scope, _after_the_body(receive), send)

    return late


def late(seconds: float) -> Fault:
    """Do what was asked, but only after so many seconds."""

    async def fault(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(seconds)
        await app(scope, receive, send)

    return fault


def slow(pause: float = 0.02, chunk: int = 512, longest: float = 0.5) -> Fault:
    """Do what was asked and answer in ``chunk`` bytes with ``pause`` seconds between them,
    ``longest`` seconds of pauses in all."""

    async def fault(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        left = longest

        async def dripping(message: Message) -> None:
            nonlocal left
            body = message.get("body", b"")
            while len(body) > chunk and left > 0:
                await send({"type": "http.response.body", "body": body[:chunk], "more_body": True})
                await asyncio.sleep(min(pause, left))
                body, left = body[chunk:], left - pause
            await send({**message, "body": body} if "body" in message else message)

        await asyncio.sleep(min(pause, longest))
        await app(scope, receive, dripping)

    return fault


def nth(number: int, part: str = "") -> Callable[[str, str], bool]:
    """Matches the ``number``-th request from now on whose path has ``part`` in it."""
    seen = itertools.count(1)
    return lambda _method, path: part in path and next(seen) == number


def _matcher(match: Match) -> Callable[[str, str], bool]:
    if callable(match):
        return match
    wanted, space, beginning = match.partition(" ")
    if not space:
        return lambda _method, path: path.startswith(match)
    return lambda method, path: method == wanted and path.startswith(beginning)


def _encoded(body: Mapping[str, Any] | bytes | str) -> bytes:
    if isinstance(body, Mapping):
        return json.dumps(body).encode()
    return body.encode() if isinstance(body, str) else body


def _recording(receive: Receive, request: RecordedRequest) -> Receive:
    async def recording() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            request.body += message.get("body", b"")[: KEPT_BODY - len(request.body)]
        return message

    return recording


async def _start(send: Send, code: int, fields: Mapping[str, str]) -> None:
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": code, "headers": headers})


async def _read_whole_body(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


def _after_the_body(receive: Receive) -> Receive:
    """For who would read a body that was read already, and wait for it for ever."""
    told = False

    async def receiving() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receiving


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _unheard(message: Message) -> None:
    pass


async def _hang_up(receive: Receive, send: Send) -> None:
    # ASGI has no word for "hang up", so this reaches for the connection behind uvicorn's send;
    # WithFaults is outermost so that nothing stands between.
    cast(Any, send).__self__.transport.close()
    await _until_disconnected(receive)
