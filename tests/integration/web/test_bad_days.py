"""The front door on bad days: too much, too little, a disk that fails, a process that is killed."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from starlette.types import Message

from bridge.errors import RateLimited, TooLarge, TooSlow
from bridge.promptlayer.signature import HEADER, sign
from bridge.sandbox.asking import asking
from bridge.storage.database import Database
from bridge.storage.inbox import Inbox
from bridge.web.app import WEBHOOK_PATH, WebSettings, create_app
from bridge.web.body import BODY_LIMIT, SMALL, LargeBodies, read_body
from tests.integration.deliveries import NOON, version_created
from tests.integration.web import front_door
from tests.integration.web.knocking import DEADLINE, SECRET, FrontDoor
from tests.standins.doors import one_workspace
from tests.standins.serving import serve

PROJECT = Path(__file__).resolve().parents[3]


# Too large


def connect(url: str) -> socket.socket:
    address = httpx2.URL(url)
    assert address.port is not None
    return socket.create_connection((address.host, address.port), timeout=DEADLINE)


def head(*headers: str) -> bytes:
    lines = [f"POST {WEBHOOK_PATH} HTTP/1.1", "Host: bridge", f"{HEADER}: {'0' * 64}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def read_to_the_end(connection: socket.socket) -> bytes:
    answer = b""
    while more := connection.recv(65536):
        answer += more
    return answer


def test_a_body_of_exactly_the_limit_is_read(door: FrontDoor) -> None:
    padding = " " * (BODY_LIMIT - len(json.dumps(version_created())))

    answer = door.deliver_raw(json.dumps(version_created()).encode() + padding.encode())

    assert answer.status_code == 202


def test_an_announced_body_over_the_limit_is_refused_unread(door: FrontDoor) -> None:
    with connect(door.url) as connection:
        connection.sendall(head(f"Content-Length: {BODY_LIMIT + 1}"))  # and not a byte of it

        answer = read_to_the_end(connection)

    assert answer.startswith(b"HTTP/1.1 413")


def test_a_chunked_body_is_not_read_beyond_the_limit(door: FrontDoor) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with connect(door.url) as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        for _ in range(BODY_LIMIT // 0x10000):
            connection.sendall(chunk)
        connection.sendall(b"1\r\n \r\n")  # one byte too many, and no end in sight

        answer = read_to_the_end(connection)

    assert answer.startswith(b"HTTP/1.1 413")


def test_a_client_that_hangs_up_half_way_leaves_nothing(door: FrontDoor) -> None:
    with connect(door.url) as connection:
        connection.sendall(head("Content-Length: 1000") + b"half")

    assert door.deliver(version_created()).status_code == 202
    assert len(door.inbox.recent(10)) == 1


def test_a_body_that_does_not_come_is_not_waited_for_for_ever() -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    with pytest.raises(TooSlow, match=r"within 0\.01 seconds"):
        asyncio.run(read_body({}, never, seconds=0.01))


# Too much at once


def body_of(size: int, *, ends: bool = True) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": b" " * size, "more_body": not ends}

    return receive


def read(large: LargeBodies, size: int) -> int:
    with large.one() as hold:
        return len(asyncio.run(read_body({}, body_of(size), hold=hold)))


def test_large_bodies_beyond_what_may_be_held_at_once_come_again_later() -> None:
    large = LargeBodies(most=3 * SMALL)

    with large.one() as first:
        asyncio.run(read_body({}, body_of(4 * SMALL), hold=first))
        with pytest.raises(RateLimited) as told:
            read(large, SMALL + 1)
        small = read(large, SMALL)

    assert told.value.retry_after
    assert small == SMALL
    assert read(large, 4 * SMALL) == 4 * SMALL  # for what the first held is free again


def test_a_large_body_that_comes_in_many_parts_is_held_once() -> None:
    large = LargeBodies(most=BODY_LIMIT)

    with large.one() as hold, pytest.raises(TooLarge):
        asyncio.run(read_body({}, body_of(1000, ends=False), hold=hold))

    assert read(large, BODY_LIMIT) == BODY_LIMIT


def test_who_finds_no_room_for_a_body_is_told_and_let_go(door: FrontDoor) -> None:
    app = create_app(
        WebSettings(clock=lambda: NOON, doors=one_workspace(SECRET)),
        door.inbox,
        large=LargeBodies(most=SMALL),
    )
    with serve(app) as url, connect(url) as connection:
        connection.sendall(head(f"Content-Length: {BODY_LIMIT}") + b" " * (2 * SMALL + 1))

        answer = read_to_the_end(connection)

    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5\r\n" in answer.lower()


# When it cannot be stored


def test_what_cannot_be_stored_is_postponed_and_not_acknowledged(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    inbox = Inbox(database, lambda: NOON)
    with database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE deliveries RENAME TO elsewhere")
    app = create_app(WebSettings(clock=lambda: NOON, doors=one_workspace(SECRET)), inbox)

    with serve(app) as url, asking() as client:
        answer = FrontDoor(url, database, inbox, client).deliver(version_created())
        health = client.get(url + "/healthz")

    assert (answer.status_code, health.status_code) == (503, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert str(tmp_path) not in answer.text
    inbox.close()
    database.close()


def test_health_is_told(door: FrontDoor) -> None:
    assert door.client.get(door.url + "/healthz").json() == {"status": "ok"}


# Killed


@pytest.mark.kill
def test_a_server_killed_after_the_202s_has_lost_none_of_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", front_door.__name__, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        acknowledged = deliver_until(url, enough=100, then=server.kill)

    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    inbox = Inbox(database, lambda: NOON)
    stored = {each.id for each in inbox.recent(10_000)}
    inbox.close()
    database.close()
    assert len(acknowledged) >= 100
    assert acknowledged <= stored


def deliver_until(url: str, enough: int, then: Callable[[], None]) -> set[str]:
    """Deliver from eight sides at once; after ``enough`` acknowledgements, in full swing, do
    ``then``. Returns the deliveries that were acknowledged."""
    acknowledged: set[str] = set()

    def deliver_every_eighth(first: int) -> None:
        with asking(timeout=DEADLINE) as client:
            for number in range(first, 10_000, 8):
                payload = version_created(number + 1)
                signed = {HEADER: sign(payload, front_door.SECRET)}
                try:
                    answer = client.post(url + WEBHOOK_PATH, json=payload, headers=signed)
                except httpx2.TransportError:
                    return  # killed
                acknowledged.add(answer.json()["delivery"])
                if len(acknowledged) == enough:
                    then()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(deliver_every_eighth, range(8)))
    return acknowledged
