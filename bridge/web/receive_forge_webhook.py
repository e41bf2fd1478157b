"""Receive a forge's webhook: read, verify, parse, store, answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive as ReceiveMessage
from starlette.types import Scope, Send

from bridge.errors import TransientError
from bridge.forge.forge_webhooks import ForgeEndpoint
from bridge.network.read_body import ClientDisconnectedError, LargeBodyQuota, read_body
from bridge.storage.forge_delivery import build_forge_delivery, compute_delivery_id
from bridge.storage.inbox import Clock, Delivery, DeliveryInbox
from bridge.telemetry.log_context import span
from bridge.web.receive_promptlayer_webhook import (
    REFUSAL_ERRORS,
    WebhookResponse,
    build_refusal,
    build_retry_later,
    build_unknown_endpoint,
)
from bridge.web.webhook_endpoints import FindEndpoints

FORGE_WEBHOOK_PATH = "/webhooks/{forge}"
BODY_LIMIT = 5 * 1024 * 1024  # bytes; a push of thousands of commits lists all their files

_NO_FORGE = (
    "No forge of this name is expected here. Name one of bridge.yaml, and set its "
    "webhook_secret there."
)

log = logging.getLogger("bridge.web")


@dataclass(frozen=True)
class ForgeWebhookReceiver:
    """The ASGI endpoint, which answers as
    ``bridge.web.receive_promptlayer_webhook.PromptLayerWebhookReceiver`` does. An event that the
    bridge does not use is answered with ``ignored`` and not stored. A forge without a secret has no
    endpoint: 404, as for an unknown name."""

    inbox: DeliveryInbox
    clock: Clock
    find_endpoints: FindEndpoints
    large: LargeBodyQuota

    async def __call__(self, scope: Scope, receive: ReceiveMessage, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ClientDisconnectedError:
            return
        await answer.send(send)

    async def _answer(self, scope: Scope, receive: ReceiveMessage) -> WebhookResponse:
        forge = scope["path_params"]["forge"]
        endpoint = self.find_endpoints().forges.get(forge)
        if endpoint is None or not any(endpoint.secrets):
            return build_unknown_endpoint(_NO_FORGE)
        try:
            raw = dict(reversed(scope["headers"]))  # the first of repeated headers counts
            headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in raw.items()}
            with self.large.reserve() as hold:
                body = await read_body(raw, receive, BODY_LIMIT, hold=hold)
                return await self._accepted(forge, endpoint, headers, body)
        except REFUSAL_ERRORS as error:
            return build_refusal(error)
        except TransientError as error:
            return build_retry_later(error)

    async def _accepted(
        self, forge: str, endpoint: ForgeEndpoint, headers: Mapping[str, str], body: bytes
    ) -> WebhookResponse:
        # In a thread: hashing and parsing megabytes would block the event loop.
        id, delivery = await run_in_threadpool(self._accept, forge, endpoint, headers, body)
        if delivery is None:
            return _answered(id, f"forge:{forge}", "ignored")
        with span("accept", delivery=id):
            put = await self.inbox.put_async(delivery)
            status = "duplicate" if put.is_duplicate else "accepted"
            return _answered(id, delivery.event_type, status)

    def _accept(
        self, forge: str, endpoint: ForgeEndpoint, headers: Mapping[str, str], body: bytes
    ) -> tuple[str, Delivery | None]:
        """The id of the delivery, and the delivery where the bridge uses its event."""
        endpoint.webhooks.verify_webhook(headers, body, endpoint.secrets)
        event = endpoint.webhooks.parse_webhook(headers, body)
        id = compute_delivery_id(forge, endpoint.webhooks.find_delivery_name(headers), body)
        return id, None if event is None else build_forge_delivery(forge, id, event, self.clock())


def _answered(id: str, event_type: str, status: str) -> WebhookResponse:
    log.info(
        "delivery %s %s is %s",
        id[:12],
        ascii(event_type),
        status,
        extra={"delivery": id, "event_type": event_type, "outcome": status},
    )
    return WebhookResponse(202, {"delivery": id, "status": status})
