"""A gate that holds one request of a whole run, whichever server it goes to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.standins.fault_injection import Faults

LONGEST = 60.0  # seconds that a request is held at most

Wanted = Callable[[str, str], bool]


class RequestGate:
    """Holds the ``number``-th of the ``wanted`` requests to several servers. A held request has
    arrived whole: let on, it is carried out even when nobody waits for its answer any more."""

    def __init__(
        self,
        *servers: Faults,
        number: int = 1,
        wanted: Wanted = lambda _method, _path: True,
        after_the_work: bool = False,
    ) -> None:
        self.reached = threading.Event()
        self.held = ""  # method and path of the request
        self.seen: list[str] = []
        self._let_on = threading.Event()
        self._done = threading.Event()
        self._number = number
        self._wanted = wanted
        self._after = after_the_work
        self._lock = threading.Lock()
        self._servers = servers
        for faults in servers:
            faults.add(self._is_the_one, self._hold)

    def open(self) -> None:
        """Let the held request on, wait until it is carried out, and hold no other."""
        for faults in self._servers:
            faults.clear()
        self._let_on.set()
        if self.reached.is_set():
            assert self._done.wait(LONGEST), f"{self.held} was never carried out"

    def _is_the_one(self, method: str, path: str) -> bool:
        if not self._wanted(method, path):
            return False
        with self._lock:
            self.seen.append(f"{method} {path}")
            return len(self.seen) == self._number

    async def _hold(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _whole_body(receive)
        self.held = f"{scope['method']} {scope['path']}"
        try:
            if self._after:
                await self._work_then_wait(app, scope, body, receive, send)
            else:
                await self._wait()
                await app(scope, _replayed(body, receive), send)
        finally:
            self._done.set()

    async def _work_then_wait(
        self, app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> None:
        answer: list[Message] = []

        async def kept(message: Message) -> None:
            answer.append(message)

        await app(scope, _replayed(body, receive), kept)
        await self._wait()
        for message in answer:
            await send(message)

    async def _wait(self) -> None:
        self.reached.set()
        await asyncio.to_thread(self._let_on.wait, LONGEST)


async def _whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def replaying() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replaying
