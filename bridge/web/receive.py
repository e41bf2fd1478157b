"""One delivery through the front door: read, verify, parse, put, answer.

This is the hot path, hence plain ASGI: most of what a delivery costs is the server's HTTP parser
and the disk.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Receive as ReceiveMessage
from starlette.types import Scope, Send

from bridge.engine.inbox import Clock, Delivery, DeliveryState, Inbox, PutResult
from bridge.errors import Malformed, SignatureMismatch, TooLarge, TooSlow, Transient
from bridge.promptlayer import signature
from bridge.promptlayer.events import check_age, parse
from bridge.promptlayer.workspace import source_of
from bridge.trail import step
from bridge.web.doors import OpenDoors, WorkspaceDoor

BODY_LIMIT = 1024 * 1024  # bytes
RETRY_AFTER = 5.0  # seconds, where the error names no pause

_SIGNATURE_HEADER = signature.HEADER.lower().encode()
BODY_SECONDS = 30.0  # for all of it to come

_STATUS = {SignatureMismatch: 401, Malformed: 400, TooLarge: 413, TooSlow: 408}
REFUSALS = (SignatureMismatch, Malformed, TooLarge, TooSlow)

_NO_WORKSPACE = (
    "No workspace of this name is expected here. The address ends in /webhooks/promptlayer, or"
    " where bridge.yaml has workspaces, in /webhooks/promptlayer/ and the name of one."
)

log = logging.getLogger("bridge.web")


class ClientGone(Exception):  # noqa: N818 - nobody is left to answer
    """The connection ended before the body did."""


@dataclass(frozen=True)
class Answer:
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


class Receive:
    """The ASGI endpoint of PromptLayer's webhook.

    202 {"delivery", "status": accepted | duplicate | ignored} once the delivery is on disk;
    400, 401, 408, 413 {"error"} for what cannot be accepted, 404 for a workspace that is not
    configured; 503 with Retry-After when it cannot be stored now.
    """

    def __init__(self, inbox: Inbox, clock: Clock, doors: OpenDoors) -> None:
        self._inbox = inbox
        self._clock = clock
        self._doors = doors

    async def __call__(self, scope: Scope, receive: ReceiveMessage, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        await answer.send(send)

    async def _answer(self, scope: Scope, receive: ReceiveMessage) -> Answer:
        source = source_of(scope["path_params"].get("workspace"))
        door = self._doors().workspaces.get(source)
        if door is None:
            return no_door(_NO_WORKSPACE)
        try:
            headers = dict(reversed(scope["headers"]))  # of doubled headers the first counts
            body = await read_body(headers, receive)
            delivery = self._accept(body, headers.get(_SIGNATURE_HEADER), source, door)
            with step("accept", delivery=delivery.id):
                return _accepted(delivery, await self._inbox.put_async(delivery))
        except REFUSALS as error:
            return refused(error)
        except Transient as error:
            return postponed(error)

    def _accept(
        self, body: bytes, signed: bytes | None, source: str, door: WorkspaceDoor
    ) -> Delivery:
        claimed = None if signed is None else signed.decode("latin-1")
        payload = signature.verify(body, claimed, door.secrets)
        event = parse(payload)
        now = self._clock()
        if door.replay_window is not None:
            check_age(event, now, door.replay_window)
        return Delivery.of(event, payload, now, source)


async def read_body(
    headers: Mapping[bytes, bytes],
    receive: ReceiveMessage,
    limit: int = BODY_LIMIT,
    seconds: float = BODY_SECONDS,
) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to exceed ``limit`` bytes, without
    reading the rest; TooSlow when it takes longer than ``seconds``; ClientGone when the connection
    ends first."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            return await _whole_body(receive, limit)
    except TimeoutError:
        raise TooSlow(f"The body did not come within {seconds:g} seconds.") from None


async def _whole_body(receive: ReceiveMessage, limit: int) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
    return bytes(body)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes, the most a delivery may have here.")


def _accepted(delivery: Delivery, result: PutResult) -> Answer:
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
    return Answer(202, {"delivery": result.id, "status": status})


def _status(delivery: Delivery, result: PutResult) -> str:
    if result.duplicate:
        return "duplicate"
    return "ignored" if delivery.state is DeliveryState.IGNORED else "accepted"


def refused(error: SignatureMismatch | Malformed | TooLarge | TooSlow) -> Answer:
    """400, 401, 408 or 413."""
    status = _STATUS[type(error)]
    log.warning("delivery refused with %d: %s", status, error, extra={"outcome": "refused"})
    # What was not read of the body would be taken for the next request.
    headers = ((b"connection", b"close"),) if isinstance(error, TooLarge | TooSlow) else ()
    return Answer(status, {"error": str(error)}, headers)


def postponed(error: Transient) -> Answer:
    """503, with when to come again."""
    log.error("delivery not stored: %s", error, extra={"outcome": "postponed"})
    seconds = math.ceil(error.retry_after or RETRY_AFTER)
    return Answer(
        503,
        {"error": "The delivery cannot be stored now. Send it again later."},
        ((b"retry-after", b"%d" % seconds),),
    )


def no_door(words: str) -> Answer:
    """404, for a name that is not configured."""
    # What was not read of the body would be taken for the next request.
    return Answer(404, {"error": words}, ((b"connection", b"close"),))
