"""Knocking at a front door the way PromptLayer does."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

import httpx2

from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH

SECRET, OLD_SECRET = "whsec_new_Zx81", "whsec_old_Kp47"
DEADLINE = 20.0  # seconds, for what should happen at once


@dataclass(frozen=True)
class WebhookServer:
    """A running front door, its inbox, and how PromptLayer would knock."""

    url: str
    database: Database
    inbox: DeliveryInbox
    client: httpx2.Client

    def post(self, body: bytes, signature: str | None, **headers: str) -> httpx2.Response:
        signed = {} if signature is None else {SIGNATURE_HEADER: signature}
        return self.client.post(
            self.url + PROMPTLAYER_WEBHOOK_PATH, content=body, headers=headers | signed
        )

    def deliver(self, payload: Any, secret: str = SECRET) -> httpx2.Response:
        return self.post(json.dumps(payload).encode(), sign_payload(payload, secret))

    def deliver_raw(self, body: bytes) -> httpx2.Response:
        """Signed as it is, whatever it is."""
        return self.post(body, signed_raw(body))


def signed_raw(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
