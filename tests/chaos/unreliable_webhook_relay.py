"""The post between those who tell and the bridge: it doubles, reorders, delays and loses.

To whom sends it is a server that takes every webhook in at once. It carries each to the bridge as
it came, and knows afterwards which of them the bridge has acknowledged.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bridge.sandbox.local_http_client import create_local_client

_ACCEPTED = 202
_NOT_CARRIED = {"host", "content-length", "connection", "accept-encoding"}


@dataclass(frozen=True)
class RelayedWebhook:
    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class UnreliableWebhookRelay:
    """Carries letters to ``address``. As long as it is ``unreliable``, ``draw`` says what becomes
    of each."""

    address: str
    draw: random.Random
    unreliable: bool = True
    troubles: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)  # by status, or what went wrong
    acknowledged: set[str] = field(default_factory=set)  # ids of the deliveries
    _due: list[tuple[float, int, RelayedWebhook]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _carrying: int = 0
    _closed: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        headers = {k: v for k, v in request.headers.items() if k not in _NOT_CARRIED}
        self._take_in(RelayedWebhook(request.url.path, body, headers))
        await Response(status_code=_ACCEPTED)(scope, receive, send)

    def start(self, carriers: int = 2) -> None:
        for number in range(carriers):
            threading.Thread(target=self._carry_on, name=f"post {number}", daemon=True).start()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        with self._changed:
            return not self._due and not self._carrying

    def _take_in(self, letter: RelayedWebhook) -> None:
        with self._changed:
            for pause in self._pauses():
                heapq.heappush(self._due, (time.monotonic() + pause, next(self._numbers), letter))
            self._changed.notify_all()

    def _pauses(self) -> tuple[float, ...]:
        """In how many seconds each copy goes out. Letters that wait are overtaken by others."""
        chance = self.draw.random() if self.unreliable else 1.0
        if chance < 0.1:
            self.troubles["dropped"] += 1
            return ()
        if chance < 0.2:
            self.troubles["doubled"] += 1
            return (0.0, self.draw.uniform(0, 3))
        if chance < 0.35:
            self.troubles["delayed and overtaken"] += 1
            return (self.draw.uniform(0.5, 6),)
        return (0.0,)

    def _carry_on(self) -> None:
        with create_local_client(timeout=10) as client:
            while (letter := self._next()) is not None:
                self._carry(client, letter)
                with self._changed:
                    self._carrying -= 1
                    self._changed.notify_all()

    def _next(self) -> RelayedWebhook | None:
        with self._changed:
            while not self._closed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    self._carrying += 1
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
            return None

    def _carry(self, client: httpx2.Client, letter: RelayedWebhook) -> None:
        try:
            answer = client.post(
                self.address + letter.path, content=letter.body, headers=dict(letter.headers)
            )
        except httpx2.HTTPError as error:
            self._count(type(error).__name__)
            return
        self._count(str(answer.status_code))
        if answer.status_code == _ACCEPTED and answer.json()["status"] != "ignored":
            with self._changed:
                self.acknowledged.add(answer.json()["delivery"])

    def _count(self, answer: str) -> None:
        with self._changed:
            self.answers[answer] += 1
