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

from bridge.errors import BodyTimeoutError, BodyTooLargeError, RateLimitedError
from bridge.network.read_body import BODY_LIMIT, SMALL_BODY_BYTES, LargeBodyQuota, read_body
from bridge.promptlayer.webhook_signature import SIGNATURE_HEADER, sign_payload
from bridge.sandbox.local_http_client import create_local_client
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.web.app import PROMPTLAYER_WEBHOOK_PATH, WebSettings, create_app
from tests.integration.sample_deliveries import NOON, version_created
from tests.integration.web import webhook_server_process
from tests.integration.web.webhook_client import DEADLINE, SECRET, WebhookServer
from tests.standins.serve_app import serve
from tests.standins.webhook_endpoints import one_workspace

PROJECT = Path(__file__).resolve().parents[3]


# Too large


def connect(url: str) -> socket.socket:
    address = httpx2.URL(url)
    assert address.port is not None
    return socket.create_connection((address.host, address.port), timeout=DEADLINE)


def head(*headers: str) -> bytes:
    lines = [
        f"POST {PROMPTLAYER_WEBHOOK_PATH} HTTP/1.1",
        "Host: bridge",
        f"{SIGNATURE_HEADER}: {'0' * 64}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def read_to_the_end(connection: socket.socket) -> bytes:
    answer = b""
    while more := connection.recv(65536):
        answer += more
    return answer


def test_a_body_of_exactly_the_limit_is_read(server: WebhookServer) -> None:
    padding = " " * (BODY_LIMIT - len(json.dumps(version_created())))

    answer = server.deliver_raw(json.dumps(version_created()).encode() + padding.encode())

    assert answer.status_code == 202


def test_an_announced_body_over_the_limit_is_refused_unread(server: WebhookServer) -> None:
    with connect(server.url) as connection:
        connection.sendall(head(f"Content-Length: {BODY_LIMIT + 1}"))  # and not a byte of it

        answer = read_to_the_end(connection)

    assert answer.startswith(b"HTTP/1.1 413")


def test_a_chunked_body_is_not_read_beyond_the_limit(server: WebhookServer) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with connect(server.url) as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        for _ in range(BODY_LIMIT // 0x10000):
            connection.sendall(chunk)
        connection.sendall(b"1\r\n \r\n")  # one byte too many, and no end in sight

        answer = read_to_the_end(connection)

    assert answer.startswith(b"HTTP/1.1 413")


def test_a_client_that_hangs_up_half_way_leaves_nothing(server: WebhookServer) -> None:
    with connect(server.url) as connection:
        connection.sendall(head("Content-Length: 1000") + b"half")

    assert server.deliver(version_created()).status_code == 202
    assert len(server.inbox.list_recent(10)) == 1


def test_a_body_that_does_not_come_is_not_waited_for_for_ever() -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    with pytest.raises(BodyTimeoutError, match=r"within 0\.01 seconds"):
        asyncio.run(read_body({}, never, seconds=0.01))


# Too much at once


def body_of(size: int, *, ends: bool = True) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": b" " * size, "more_body": not ends}

    return receive


def read(large: LargeBodyQuota, size: int) -> int:
    with large.reserve() as hold:
        return len(asyncio.run(read_body({}, body_of(size), hold=hold)))


def test_large_bodies_beyond_what_may_be_held_at_once_come_again_later() -> None:
    large = LargeBodyQuota(most=3 * SMALL_BODY_BYTES)

    with large.reserve() as first:
        asyncio.run(read_body({}, body_of(4 * SMALL_BODY_BYTES), hold=first))
        with pytest.raises(RateLimitedError) as told:
            read(large, SMALL_BODY_BYTES + 1)
        small = read(large, SMALL_BODY_BYTES)

    assert told.value.retry_after
    assert small == SMALL_BODY_BYTES
    assert (
        read(large, 4 * SMALL_BODY_BYTES) == 4 * SMALL_BODY_BYTES
    )  # for what the first held is free again


def test_a_large_body_that_comes_in_many_parts_is_held_once() -> None:
    large = LargeBodyQuota(most=BODY_LIMIT)

    with large.reserve() as hold, pytest.raises(BodyTooLargeError):
        asyncio.run(read_body({}, body_of(1000, ends=False), hold=hold))

    assert read(large, BODY_LIMIT) == BODY_LIMIT


def test_who_finds_no_room_for_a_body_is_told_and_let_go(server: WebhookServer) -> None:
    app = create_app(
        WebSettings(clock=lambda: NOON, find_endpoints=one_workspace(SECRET)),
        server.inbox,
        large=LargeBodyQuota(most=SMALL_BODY_BYTES),
    )
    with serve(app) as url, connect(url) as connection:
        connection.sendall(
            head(f"Content-Length: {BODY_LIMIT}") + b" " * (2 * SMALL_BODY_BYTES + 1)
        )

        answer = read_to_the_end(connection)

    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5\r\n" in answer.lower()


# When it cannot be stored


def test_what_cannot_be_stored_is_postponed_and_not_acknowledged(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    inbox = DeliveryInbox(database, lambda: NOON)
    with database.open_transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE deliveries RENAME TO elsewhere")
    app = create_app(WebSettings(clock=lambda: NOON, find_endpoints=one_workspace(SECRET)), inbox)

    with serve(app) as url, create_local_client() as client:
        answer = WebhookServer(url, database, inbox, client).deliver(version_created())
        health = client.get(url + "/healthz")

    assert (answer.status_code, health.status_code) == (503, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert str(tmp_path) not in answer.text
    inbox.close()
    database.close()


def test_health_is_told(server: WebhookServer) -> None:
    assert server.client.get(server.url + "/healthz").json() == {"status": "ok"}


# Killed


@pytest.mark.kill
def test_a_server_killed_after_the_202s_has_lost_none_of_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", webhook_server_process.__name__, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        acknowledged = deliver_until(url, enough=100, then=server.kill)

    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    inbox = DeliveryInbox(database, lambda: NOON)
    stored = {each.id for each in inbox.list_recent(10_000)}
    inbox.close()
    database.close()
    assert len(acknowledged) >= 100
    assert acknowledged <= stored


def deliver_until(url: str, enough: int, then: Callable[[], None]) -> set[str]:
    """Deliver from eight sides at once; after ``enough`` acknowledgements, in full swing, do
    ``then``. Returns the deliveries that were acknowledged."""
    acknowledged: set[str] = set()

    def deliver_every_eighth(first: int) -> None:
        with create_local_client(timeout=DEADLINE) as client:
            for number in range(first, 10_000, 8):
                payload = version_created(number + 1)
                signed = {SIGNATURE_HEADER: sign_payload(payload, webhook_server_process.SECRET)}
                try:
                    answer = client.post(
                        url + PROMPTLAYER_WEBHOOK_PATH, json=payload, headers=signed
                    )
                except httpx2.TransportError:
                    return  # killed
                acknowledged.add(answer.json()["delivery"])
                if len(acknowledged) == enough:
                    then()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(deliver_every_eighth, range(8)))
    return acknowledged
