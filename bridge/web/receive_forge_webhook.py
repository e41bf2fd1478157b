"""The webhooks of forges: read, verify, parse, reduce, put, answer."""

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
BODY_LIMIT = 5 * 1024 * 1024  # bytes; a push of thousands of commits names all their files

_NO_FORGE = (
    "No forge of this name is expected here. Name one of bridge.yaml, and set its "
    "webhook_secret there."
)

log = logging.getLogger("bridge.web")


@dataclass(frozen=True)
class ForgeWebhookReceiver:
    """The ASGI endpoint: answers as ``bridge.web.receive_promptlayer_webhook.PromptLayerWebhookReceiver`` does. What is of no interest is
    answered with ``ignored`` and not kept, for forges tell much. A forge without a secret has no
    door: 404, as for a name that is not there."""

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
        door = self.find_endpoints().forges.get(forge)
        if door is None or not any(door.secrets):
            return build_unknown_endpoint(_NO_FORGE)
        try:
            raw = dict(reversed(scope["headers"]))  # of doubled headers the first counts
            headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in raw.items()}
            with self.large.reserve() as hold:
                body = await read_body(raw, receive, BODY_LIMIT, hold=hold)
                return await self._accepted(forge, door, headers, body)
        except REFUSAL_ERRORS as error:
            return build_refusal(error)
        except TransientError as error:
            return build_retry_later(error)

    async def _accepted(
        self, forge: str, door: ForgeEndpoint, headers: Mapping[str, str], body: bytes
    ) -> WebhookResponse:
        # In a thread: megabytes to digest and parse would hold up every other delivery.
        id, delivery = await run_in_threadpool(self._accept, forge, door, headers, body)
        if delivery is None:
            return _answered(id, f"forge:{forge}", "ignored")
        with span("accept", delivery=id):
            put = await self.inbox.put_async(delivery)
            status = "duplicate" if put.is_duplicate else "accepted"
            return _answered(id, delivery.event_type, status)

    def _accept(
        self, forge: str, door: ForgeEndpoint, headers: Mapping[str, str], body: bytes
    ) -> tuple[str, Delivery | None]:
        """The delivery's id, and the delivery where it is of interest."""
        door.webhooks.verify_webhook(headers, body, door.secrets)
        event = door.webhooks.parse_webhook(headers, body)
        id = compute_delivery_id(forge, door.webhooks.find_delivery_name(headers), body)
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
