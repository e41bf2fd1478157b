"""Who may knock: before any work, an address that was refused too often is asked to come later.
Of applications, a wrong token counts.

Only refused requests count, so a burst of real deliveries is never hurt, however large; those with
large bodies count as several. A trusted proxy is not limited itself: behind one that tells no
addresses, everybody would be one.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.network.read_body import SMALL_BODY_BYTES

WEBHOOK_PREFIX = "/webhooks/"
_REFUSED = frozenset((400, 401, 403, 404, 405, 408, 413))
# Only a door answers so; else the path may be anybody's invention, and no name for a metric.
_AT_A_DOOR = frozenset((202, 400, 401, 408, 413, 503))
_ADDRESSES = 10_000  # remembered at once; the one refused longest ago is forgotten first
_NETWORK = 64  # bits of an IPv6 address: somebody who has one has them all

log = logging.getLogger("bridge.web")

CountResponse = Callable[[str, int], None]  # a door, and the status that was answered there
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass
class _BucketState:
    tokens: float
    refilled_at: float  # when ``tokens`` was right


class TokenBucket:
    """How often each address may still be refused: ``per_minute`` at once, and as many more each
    minute. In memory, bounded; for one thread. ``clock`` is in seconds, and never goes back."""

    def __init__(
        self,
        per_minute: int,
        trusted: Sequence[str] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        addresses: int = _ADDRESSES,
    ) -> None:
        self._most = float(per_minute)
        self._trusted = tuple(ipaddress.ip_network(each, strict=False) for each in trusted)
        self._clock = clock
        self._addresses = addresses
        self._buckets: OrderedDict[str, _BucketState] = OrderedDict()

    def compute_wait_seconds(self, address: str) -> float:
        """In how many seconds to come again; 0 for coming in."""
        if not self._buckets:
            return 0.0
        bucket = self._buckets.get(_whose(address))
        if bucket is None:
            return 0.0
        self._refill(bucket)
        return 0.0 if bucket.tokens >= 1 else (1 - bucket.tokens) * 60 / self._most

    def take(self, address: str, times: int = 1) -> bool:
        """Note that an address was refused, or something that costs as much as so many refusals.
        Returns whether that was one time too many."""
        if _is_among(address, self._trusted):
            return False
        whose = _whose(address)
        bucket = self._buckets.setdefault(whose, _BucketState(self._most, self._clock()))
        self._buckets.move_to_end(whose)
        if len(self._buckets) > self._addresses:
            self._buckets.popitem(last=False)
        self._refill(bucket)
        before, bucket.tokens = bucket.tokens, max(0.0, bucket.tokens - times)
        return before >= 1 > bucket.tokens

    def _refill(self, bucket: _BucketState) -> None:
        now = self._clock()
        bucket.tokens = min(
            self._most, bucket.tokens + (now - bucket.refilled_at) * self._most / 60
        )
        bucket.refilled_at = now


class RateLimitMiddleware:
    """ASGI middleware before the webhooks' endpoints and those of applications, whose paths begin
    with one of ``prefixes``; everything else passes untouched. ``count`` hears of every answer to a
    webhook."""

    def __init__(
        self,
        app: ASGIApp,
        bucket: TokenBucket,
        count: CountResponse,
        prefixes: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._bucket = bucket
        self._count = count
        self._prefixes = prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(self._prefixes):
            await self._limit_tokens(scope, receive, send)
            return
        if scope["type"] != "http" or not scope["path"].startswith(WEBHOOK_PREFIX):
            await self._app(scope, receive, send)
            return
        address = _address(scope)
        if seconds := self._bucket.compute_wait_seconds(address):
            self._count("any", 429)
            await _come_later(send, seconds)
            return

        read = 0

        async def weighed() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            return message

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope["path"], address, message["status"], read)
            await send(message)

        await self._app(scope, weighed, watched)

    async def _limit_tokens(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = _address(scope)
        if seconds := self._bucket.compute_wait_seconds(address):
            await _come_later(send, seconds)
            return

        async def note_refusal(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                self._take(address)
            await send(message)

        await self._app(scope, receive, note_refusal)

    def _take(self, address: str, times: int = 1) -> None:
        if self._bucket.take(address, times):
            log.warning("%s was refused too often and has to wait", address)

    def _note(self, path: str, address: str, status: int, read: int) -> None:
        self._count(path.removeprefix(WEBHOOK_PREFIX) if status in _AT_A_DOOR else "none", status)
        times = max(1, math.ceil(read / SMALL_BODY_BYTES))
        if status in _REFUSED:
            self._take(address, times)


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


async def _come_later(send: Send, seconds: float) -> None:
    body = json.dumps({"error": "Too many requests from here were refused. Come later."}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % math.ceil(seconds)),
        (b"connection", b"close"),  # what was not read of the body would be the next request
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _whose(address: str) -> str:
    """The address, or the network of which nobody has less."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], _NETWORK), strict=False))
    except ValueError:
        return address


def _is_among(address: str, networks: Sequence[IpNetwork]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
