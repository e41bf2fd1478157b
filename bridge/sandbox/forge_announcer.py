"""Send the local forge's webhooks, as a real forge does."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from bridge.errors import BridgeError
from bridge.forge.forge_webhooks import ForgeEvent
from bridge.forge.local_forge import LocalForge
from bridge.forge.local_repository import BareRepository
from bridge.forge.local_webhooks import build_signed_headers, render_webhook_body
from bridge.sandbox.forge_event_diff import RepositoryState, diff_states
from bridge.sandbox.local_http_client import create_local_client

_EVERY = 0.25  # seconds between two polls


class LocalForgeWebhookSender:
    """Send the events of one repository of the local forge to ``url`` from now on, signed with
    ``secret``. A push to a bare repository triggers nothing, so its state is polled."""

    def __init__(self, root: Path, repository: str, *, url: str, secret: str) -> None:
        self._repository = repository
        self._forge = LocalForge(root, repository)
        self._git = BareRepository(root.resolve() / f"{repository}.git")
        self._url = url
        self._secret = secret
        self._lock = threading.Lock()
        self._told = self._read_state()

    def send_events(self) -> list[ForgeEvent]:
        """Send the events since the last call, one delivery each; returns them. A receiver without
        a success gets the event again. Raises httpx2.HTTPError."""
        with self._lock:
            now = self._read_state()
            events = diff_states(self._repository, self._told, now)
            with create_local_client() as client:
                for event in events:
                    self._send(client, event)
            self._told = now
            return events

    @contextmanager
    def run(self) -> Iterator[None]:
        """Poll in a thread until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(target=self._poll_until, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _poll_until(self, stop: threading.Event) -> None:
        while not stop.wait(_EVERY):
            try:
                self.send_events()
            except (httpx2.HTTPError, BridgeError):
                continue  # it is sent at the next poll

    def _send(self, client: httpx2.Client, event: ForgeEvent) -> None:
        body = render_webhook_body(event)
        headers = build_signed_headers(body, self._secret, str(uuid.uuid4()))
        client.post(self._url, content=body, headers=headers).raise_for_status()

    def _read_state(self) -> RepositoryState:
        every = self._forge.list_all_pull_requests()
        return RepositoryState(self._git.list_branches(), {each.number: each for each in every})
