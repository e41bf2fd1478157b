"""Webhooks of a stand-in: registered by a test, sent when something has changed."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import httpx2

from bridge.forge.forge_webhooks import ForgeEvent
from bridge.sandbox.forge_event_diff import RepositoryState, diff_states
from bridge.sandbox.local_http_client import create_local_client

Looking = Callable[[], Mapping[str, RepositoryState]]  # every repository as it is now
Render = Callable[[ForgeEvent, str, str], tuple[bytes, dict[str, str]]]
"""(event, secret, delivery name) → the body, and the headers that go with it."""


@dataclass(frozen=True)
class Delivered:
    """One delivery that was made; it can be made again."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    status: int  # of the answer; 0 where there was none

    def again(self) -> int:
        return _post(self.url, self.body, self.headers)


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    with create_local_client() as client:
        return client.post(url, content=body, headers=dict(headers)).status_code


@dataclass
class Hooks:
    """``tell`` is called after every request and after everything a test does by hand; nothing is
    looked at before the first registration."""

    look: Looking
    render: Render
    delivered: list[Delivered] = field(default_factory=list)
    _registered: list[tuple[str, str]] = field(default_factory=list)
    _told: Mapping[str, RepositoryState] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def register(self, url: str, secret: str) -> None:
        """Tell ``url`` what happens in any repository from now on."""
        with self._lock:
            self.tell()
            self._told = self.look()
            self._registered.append((url, secret))

    def tell(self) -> None:
        with self._lock:
            if not self._registered:
                return
            before, self._told = self._told, self.look()
            for event in self._events(before):
                for url, secret in self._registered:
                    self._deliver(url, secret, event)

    def _events(self, before: Mapping[str, RepositoryState]) -> Iterable[ForgeEvent]:
        for name, now in self._told.items():
            yield from diff_states(name, before.get(name, RepositoryState()), now)

    def _deliver(self, url: str, secret: str, event: ForgeEvent) -> None:
        body, headers = self.render(event, secret, str(uuid.uuid4()))
        try:
            status = _post(url, body, headers)
        except httpx2.HTTPError:  # a forge does not mind
            status = 0
        self.delivered.append(Delivered(url, body, headers, status))
