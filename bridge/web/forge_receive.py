"""The webhooks of forges: read, verify, parse, reduce, put, answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive as ReceiveMessage
from starlette.types import Scope, Send

from bridge.errors import Transient
from bridge.forge.webhooks import ForgeDoor
from bridge.storage.forge_delivery import delivery_id, delivery_of
from bridge.storage.inbox import Clock, Delivery, Inbox
from bridge.telemetry.trail import step
from bridge.web.body import ClientGone, LargeBodies, read_body
from bridge.web.doors import OpenDoors
from bridge.web.receive import REFUSALS, Answer, no_door, postponed, refused

FORGE_PATH = "/webhooks/{forge}"
BODY_LIMIT = 5 * 1024 * 1024  # bytes; a push of thousands of commits names all their files

_NO_FORGE = (
    "No forge of this name is expected here. Name one of bridge.yaml, and set its "
    "webhook_secret there."
)

log = logging.getLogger("bridge.web")


@dataclass(frozen=True)
class ForgeReceive:
    """The ASGI endpoint: answers as ``bridge.web.receive.Receive`` does. What is of no interest is
    answered with ``ignored`` and not kept, for forges tell much. A forge without a secret has no
    door: 404, as for a name that is not there."""

    inbox: Inbox
    clock: Clock
    doors: OpenDoors
    large: LargeBodies

    async def __call__(self, scope: Scope, receive: ReceiveMessage, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        await answer.send(send)

    async def _answer(self, scope: Scope, receive: ReceiveMessage) -> Answer:
        forge = scope["path_params"]["forge"]
        door = self.doors().forges.get(forge)
        if door is None or not any(door.secrets):
            return no_door(_NO_FORGE)
        try:
            raw = dict(reversed(scope["headers"]))  # of doubled headers the first counts
            headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in raw.items()}
            with self.large.one() as hold:
                body = await read_body(raw, receive, BODY_LIMIT, hold=hold)
                return await self._accepted(forge, door, headers, body)
        except REFUSALS as error:
            return refused(error)
        except Transient as error:
            return postponed(error)

    async def _accepted(
        self, forge: str, door: ForgeDoor, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        # In a thread: megabytes to digest and parse would hold up every other delivery.
        id, delivery = await run_in_threadpool(self._accept, forge, door, headers, body)
        if delivery is None:
            return _answered(id, f"forge:{forge}", "ignored")
        with step("accept", delivery=id):
            put = await self.inbox.put_async(delivery)
            status = "duplicate" if put.duplicate else "accepted"
            return _answered(id, delivery.event_type, status)

    def _accept(
        self, forge: str, door: ForgeDoor, headers: Mapping[str, str], body: bytes
    ) -> tuple[str, Delivery | None]:
        """The delivery's id, and the delivery where it is of interest."""
        door.webhooks.verify_webhook(headers, body, door.secrets)
        event = door.webhooks.parse_webhook(headers, body)
        id = delivery_id(forge, door.webhooks.delivery_name(headers), body)
        return id, None if event is None else delivery_of(forge, id, event, self.clock())


def _answered(id: str, event_type: str, status: str) -> Answer:
    log.info(
        "delivery %s %s is %s",
        id[:12],
        ascii(event_type),
        status,
        extra={"delivery": id, "event_type": event_type, "outcome": status},
    )
    return Answer(202, {"delivery": id, "status": status})
