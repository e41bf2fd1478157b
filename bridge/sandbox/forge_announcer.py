"""The local forge's webhooks, sent: what a real forge does by itself."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from bridge.errors import BridgeError
from bridge.forge.local import LocalForge
from bridge.forge.local_repository import BareRepository
from bridge.forge.local_webhooks import render, signed
from bridge.forge.webhooks import ForgeEvent
from bridge.sandbox.asking import asking
from bridge.sandbox.forge_changes import Look, events_between

_EVERY = 0.25  # seconds between two looks


class ForgeAnnouncer:
    """Tells ``url`` what happens in one repository of the local forge, from now on, signed with
    ``secret``. A push to a bare repository tells nobody, so this looks when it is asked to."""

    def __init__(self, root: Path, repository: str, *, url: str, secret: str) -> None:
        self._repository = repository
        self._forge = LocalForge(root, repository)
        self._git = BareRepository(root.resolve() / f"{repository}.git")
        self._url = url
        self._secret = secret
        self._lock = threading.Lock()
        self._told = self._look()

    def tell(self) -> list[ForgeEvent]:
        """Send what happened since the last time, one delivery each; what was sent. Whoever does
        not answer with success hears of it again. Raises httpx2.HTTPError."""
        with self._lock:
            now = self._look()
            events = events_between(self._repository, self._told, now)
            with asking() as client:
                for event in events:
                    self._send(client, event)
            self._told = now
            return events

    @contextmanager
    def running(self) -> Iterator[None]:
        """Tell all the time, in a thread, until the context ends."""
        stop = threading.Event()
        thread = threading.Thread(target=self._tell_until, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _tell_until(self, stop: threading.Event) -> None:
        while not stop.wait(_EVERY):
            try:
                self.tell()
            except (httpx2.HTTPError, BridgeError):
                continue  # it is told at the next look

    def _send(self, client: httpx2.Client, event: ForgeEvent) -> None:
        body = render(event)
        headers = signed(body, self._secret, str(uuid.uuid4()))
        client.post(self._url, content=body, headers=headers).raise_for_status()

    def _look(self) -> Look:
        every = self._forge.every_pull_request()
        return Look(self._git.branches(), {each.number: each for each in every})
