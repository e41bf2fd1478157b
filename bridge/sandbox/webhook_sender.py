"""Send the stand-in's events to their receivers, signed as PromptLayer does.

One thread sends them one after the other, and never again: PromptLayer documents no retries, so the
bridge must work without. Tests and demonstrations can drop, repeat and reorder them.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import httpx2

from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.prompts.prompt import JsonObject
from bridge.sandbox.local_http_client import create_local_client

MAX_SENT_KEPT = 1000  # sent webhooks that are stored


@dataclass(frozen=True)
class WebhookReceiver:
    url: str
    secret: str


@dataclass(frozen=True)
class SentWebhook:
    """One attempt: the status of the response, or the reason for having none."""

    url: str
    payload: JsonObject
    status: int | None
    failure: str | None = None


class WebhookSender:
    """The sender. ``delay`` is in seconds before each event."""

    def __init__(self, receivers: Iterable[tuple[str, str]] = (), *, timeout: float = 10.0) -> None:
        self.receivers = [WebhookReceiver(url, secret) for url, secret in receivers]
        self.sent: deque[SentWebhook] = deque(maxlen=MAX_SENT_KEPT)
        self.delay = 0.0
        self._timeout = timeout
        self._changed = threading.Condition()
        self._waiting: deque[JsonObject] = deque()
        self._sending = False
        self._held = False
        self._closed = False
        self._drops = 0
        self._doubles = 0
        self._thread: threading.Thread | None = None

    def add(self, url: str, secret: str) -> None:
        self.receivers.append(WebhookReceiver(url, secret))

    def enqueue(self, payload: JsonObject) -> None:
        """Send an event to every receiver, asynchronously."""
        with self._changed:
            if self._drops:
                self._drops -= 1
                return
            copies = 2 if self._doubles else 1
            self._doubles -= copies - 1
            self._waiting.extend([payload] * copies)
            self._start()
            self._changed.notify_all()

    def drop_next(self, times: int = 1) -> None:
        """Drop the next events."""
        with self._changed:
            self._drops += times

    def duplicate_next(self, times: int = 1) -> None:
        """Send the next events twice."""
        with self._changed:
            self._doubles += times

    def hold_events(self) -> None:
        """Hold events until ``release_events``."""
        with self._changed:
            self._held = True

    def release_events(self, *, reverse: bool = False) -> None:
        """Send the held events, the newest first with ``reverse``."""
        with self._changed:
            if reverse:
                self._waiting.reverse()
            self._held = False
            self._changed.notify_all()

    def wait_until_sent(self, timeout: float = 10.0) -> bool:
        """Whether every enqueued event was sent within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._sending), timeout)

    def close(self) -> None:
        """Stop after the current event; the waiting ones are never sent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self._timeout)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with create_local_client(timeout=self._timeout) as client:
            while (payload := self._next()) is not None:
                for receiver in list(self.receivers):
                    self.sent.append(_send(client, receiver, payload))
                with self._changed:
                    self._sending = False
                    self._changed.notify_all()

    def _next(self) -> JsonObject | None:
        """The next event to send; None after ``close``."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._waiting and not self._held))
            if self.delay and not self._closed:
                self._changed.wait_for(lambda: self._closed, self.delay)
            if self._closed:
                return None
            self._sending = True
            return self._waiting.popleft()


def _send(client: httpx2.Client, receiver: WebhookReceiver, payload: JsonObject) -> SentWebhook:
    headers = {
        "Content-Type": "application/json",
        SIGNATURE_HEADER: sign_payload(payload, receiver.secret),
    }
    try:
        answer = client.post(receiver.url, content=json.dumps(payload), headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return SentWebhook(receiver.url, payload, None, type(error).__name__)
    return SentWebhook(receiver.url, payload, answer.status_code)
