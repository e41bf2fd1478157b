"""A line between two processes that can be cut and slowed: a TCP relay on a port of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.standins.serve_app import listening

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # a closed connection is reset
_PATIENCE = 10.0  # seconds for the relay itself


class TcpRelay:
    """``pause`` is in seconds before each piece that goes through, in either direction."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.pause = 0.0
        self._target = target
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._ready = threading.Event()
        self._lines: set[asyncio.StreamWriter] = set()
        self._relays: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> int:
        """Break every connection there is, without a goodbye; returns how many."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(_PATIENCE)

    @contextmanager
    def laid(self) -> Iterator[TcpRelay]:
        thread = threading.Thread(target=asyncio.run, args=(self._carry(),), daemon=True)
        thread.start()
        assert self._ready.wait(_PATIENCE), "the wire could not be laid"
        try:
            yield self
        finally:
            assert self._loop is not None
            assert self._over is not None
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join(_PATIENCE)

    async def _carry(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, sock=listening())
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        await self._cut()
        await asyncio.gather(*self._relays, return_exceptions=True)

    async def _cut(self) -> int:
        lines = list(self._lines)
        for line in lines:
            with contextlib.suppress(OSError):  # it ends just now
                line.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET
                )
            line.transport.abort()
        return len(lines) // 2

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = asyncio.current_task()
        assert relay is not None
        self._relays.add(relay)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the wire is taken away
                await self._relay(reader, writer)
        finally:
            self._relays.discard(relay)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._lines |= {writer, back}
        try:
            async with asyncio.TaskGroup() as both:  # an end that breaks breaks the other
                both.create_task(self._pass(reader, back))
                both.create_task(self._pass(there, writer))
        except* OSError:
            pass
        finally:
            self._lines -= {writer, back}
            for end in (writer, back):
                end.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(_CHUNK):
            if self.pause:
                await asyncio.sleep(self.pause)
            sink.write(piece)
            await sink.drain()
        sink.write_eof()
