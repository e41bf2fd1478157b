"""Receive PromptLayer's webhook: read, verify, parse, store, answer.

After the 202 the delivery is in the inbox (``bridge.storage.inbox``). The dispatcher
(``bridge.engine.dispatcher``), which the inbox wakes, takes it from there.

This is the hot path, hence plain ASGI: most of the cost of a delivery is the server's HTTP parser
and the disk.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive as ReceiveMessage
from starlette.types import Scope, Send

from bridge.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    MalformedPayloadError,
    RateLimitedError,
    SignatureMismatchError,
    TransientError,
)
from bridge.network.read_body import (
    SMALL_BODY_BYTES,
    ClientDisconnectedError,
    LargeBodyQuota,
    read_body,
)
from bridge.promptlayer import webhook_signature
from bridge.promptlayer.webhook_events import check_age, parse_event
from bridge.promptlayer.workspace_source import format_source_name
from bridge.storage.inbox import Clock, Delivery, DeliveryInbox, DeliveryState, InboxPutResult
from bridge.telemetry.log_context import span
from bridge.web.webhook_endpoints import FindEndpoints, WorkspaceEndpoint

RETRY_AFTER_SECONDS = 5.0  # seconds, where the error names no pause

_SIGNATURE_HEADER = webhook_signature.SIGNATURE_HEADER.lower().encode()
_CLOSE = (b"connection", b"close")

_STATUS = {
    SignatureMismatchError: 401,
    MalformedPayloadError: 400,
    BodyTooLargeError: 413,
    BodyTimeoutError: 408,
}
REFUSAL_ERRORS = (
    SignatureMismatchError,
    MalformedPayloadError,
    BodyTooLargeError,
    BodyTimeoutError,
)

_NO_WORKSPACE = (
    "No workspace of this name is expected here. The address ends in /webhooks/promptlayer, or"
    " where bridge.yaml has workspaces, in /webhooks/promptlayer/ and the name of one."
)

_NO_SECRET = (
    "Webhooks of this workspace are not received here: bridge.yaml has no webhook_secret for it, so"
    " nobody could tell who sends them."
)

log = logging.getLogger("bridge.web")


@dataclass(frozen=True)
class WebhookResponse:
    status: int
    content: Mapping[str, str]
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        body = json.dumps(self.content).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class PromptLayerWebhookReceiver:
    """The ASGI endpoint of PromptLayer's webhook.

    202 {"delivery", "status": accepted | duplicate | ignored} once the delivery is on disk;
    400, 401, 408, 413 {"error"} for what cannot be accepted, 404 for a workspace that is not
    configured or has no secret; 503 with Retry-After when it cannot be stored now.
    """

    def __init__(
        self,
        inbox: DeliveryInbox,
        clock: Clock,
        find_endpoints: FindEndpoints,
        large: LargeBodyQuota,
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._find_endpoints = find_endpoints
        self._large = large

    async def __call__(self, scope: Scope, receive: ReceiveMessage, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ClientDisconnectedError:
            return
        await answer.send(send)

    async def _answer(self, scope: Scope, receive: ReceiveMessage) -> WebhookResponse:
        source = format_source_name(scope["path_params"].get("workspace"))
        endpoint = self._find_endpoints().workspaces.get(source)
        if endpoint is None:
            return build_unknown_endpoint(_NO_WORKSPACE)
        if not any(endpoint.secrets):
            return build_unknown_endpoint(_NO_SECRET)
        try:
            headers = dict(reversed(scope["headers"]))  # the first of repeated headers counts
            with self._large.reserve() as hold:
                body = await read_body(headers, receive, hold=hold)
                delivery = await self._opened(
                    body, headers.get(_SIGNATURE_HEADER), source, endpoint
                )
            with span("accept", delivery=delivery.id):
                return _accepted(delivery, await self._inbox.put_async(delivery))
        except REFUSAL_ERRORS as error:
            return build_refusal(error)
        except TransientError as error:
            return build_retry_later(error)

    async def _opened(
        self, body: bytes, signed: bytes | None, source: str, endpoint: WorkspaceEndpoint
    ) -> Delivery:
        if len(body) <= SMALL_BODY_BYTES:
            return self._accept(body, signed, source, endpoint)
        # In a thread: hashing and parsing a megabyte would block the event loop.
        return await run_in_threadpool(self._accept, body, signed, source, endpoint)

    def _accept(
        self, body: bytes, signed: bytes | None, source: str, endpoint: WorkspaceEndpoint
    ) -> Delivery:
        claimed = None if signed is None else signed.decode("latin-1")
        payload = webhook_signature.verify_delivery(body, claimed, endpoint.secrets)
        event = parse_event(payload)
        now = self._clock()
        if endpoint.replay_window is not None:
            check_age(event, now, endpoint.replay_window)
        return Delivery.from_event(event, payload, now, source)


def _accepted(delivery: Delivery, result: InboxPutResult) -> WebhookResponse:
    status = _status(delivery, result)
    log.info(
        "delivery %s %s of prompt %s is %s",
        result.id[:12],
        ascii(delivery.event_type),
        ascii(delivery.prompt_name),
        status,
        extra={
            "delivery": result.id,
            "event_type": delivery.event_type,
            "prompt": delivery.prompt_name,
            "outcome": status,
        },
    )
    return WebhookResponse(202, {"delivery": result.id, "status": status})


def _status(delivery: Delivery, result: InboxPutResult) -> str:
    if result.is_duplicate:
        return "duplicate"
    return "ignored" if delivery.state is DeliveryState.IGNORED else "accepted"


def build_refusal(
    error: SignatureMismatchError | MalformedPayloadError | BodyTooLargeError | BodyTimeoutError,
) -> WebhookResponse:
    """The response to a bad delivery: 400, 401, 408 or 413."""
    status = _STATUS[type(error)]
    log.warning("delivery refused with %d: %s", status, error, extra={"outcome": "refused"})
    # An unread body would be parsed as the next request.
    headers = (_CLOSE,) if isinstance(error, BodyTooLargeError | BodyTimeoutError) else ()
    return WebhookResponse(status, {"error": str(error)}, headers)


def build_retry_later(error: TransientError) -> WebhookResponse:
    """A 503 with Retry-After."""
    log.error("delivery not stored: %s", error, extra={"outcome": "postponed"})
    seconds = math.ceil(error.retry_after or RETRY_AFTER_SECONDS)
    pause = (b"retry-after", b"%d" % seconds)
    # An unread body would be parsed as the next request.
    headers = (pause, _CLOSE) if isinstance(error, RateLimitedError) else (pause,)
    return WebhookResponse(
        503, {"error": "The delivery cannot be stored now. Send it again later."}, headers
    )


def build_unknown_endpoint(message: str) -> WebhookResponse:
    """A 404 for a name that is not configured."""
    # An unread body would be parsed as the next request.
    return WebhookResponse(404, {"error": message}, (_CLOSE,))
