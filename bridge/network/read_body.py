"""Read the bodies of requests, within a limit of memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from starlette.types import Message, Receive

from bridge.errors import BodyTimeoutError, BodyTooLargeError, RateLimitedError

BODY_LIMIT = 1024 * 1024  # bytes
BODY_SECONDS = 30.0  # for the whole body
SMALL_BODY_BYTES = 64 * 1024  # larger bodies are parsed in a thread

_LARGE_AT_ONCE = 64 * 1024 * 1024  # bytes
_CROWDED = 5.0  # seconds, the Retry-After of the response

ReserveBytes = Callable[
    [int], None
]  # called with the bytes read so far; may raise RateLimitedError


class ClientDisconnectedError(Exception):
    """The client disconnected before the end of the body."""


class LargeBodyQuota:
    """The bytes of large bodies that may be in memory at once. The first ``SMALL_BODY_BYTES`` of
    each body are free, so usual deliveries are read whatever else arrives. For one thread."""

    def __init__(self, most: int = _LARGE_AT_ONCE) -> None:
        self._left = most

    @contextmanager
    def reserve(self) -> Iterator[ReserveBytes]:
        """Reserve the bytes of one body until the end of the block."""
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            more = max(0, size - SMALL_BODY_BYTES) - held
            if more > self._left:
                raise RateLimitedError(
                    "Too many large bodies are being read at once.", retry_after=_CROWDED
                )
            self._left -= more
            held += more

        try:
            yield hold
        finally:
            self._left += held


def reserve_received(reserve: ReserveBytes, receive: Receive) -> Receive:
    """``receive``, with every byte of a body reserved. It raises RateLimitedError then."""
    size = 0

    async def receive_reserved() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        reserve(size)
        return message

    return receive_reserved


def _no_matter(_: int) -> None:
    """A ``ReserveBytes`` for a body that cannot be large."""


async def read_body(
    headers: Mapping[bytes, bytes],
    receive: Receive,
    limit: int = BODY_LIMIT,
    seconds: float = BODY_SECONDS,
    hold: ReserveBytes = _no_matter,
) -> bytes:
    """The whole body. Raises BodyTooLargeError as soon as it exceeds ``limit`` bytes, without
    reading the rest; BodyTimeoutError after ``seconds``; RateLimitedError when ``hold`` does;
    ClientDisconnectedError when the connection ends first."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            return await _whole_body(receive, limit, hold)
    except TimeoutError:
        raise BodyTimeoutError(f"The body did not come within {seconds:g} seconds.") from None


async def _whole_body(receive: Receive, limit: int, hold: ReserveBytes) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        hold(len(body))
        more = message.get("more_body", False)
    return bytes(body)


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(
        f"The body is larger than {limit} bytes, the most a delivery may have here."
    )
