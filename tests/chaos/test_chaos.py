"""The short form of ``make chaos``, and the tools that it stands on."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from bridge.sandbox.local_http_client import create_local_client
from bridge.storage.database import Database
from bridge.storage.instances import instances_table
from tests.chaos.application_readers import (
    ApplicationReaders,
    ReadingChecker,
    ServedReading,
)
from tests.chaos.chaos_environment import ChaosEnvironment
from tests.chaos.run import Plan, run
from tests.chaos.tcp_relay import TcpRelay
from tests.chaos.unreliable_webhook_relay import UnreliableWebhookRelay
from tests.e2e.bridge_process import until
from tests.standins.git_http import commit_files, create_repository
from tests.standins.serve_app import listening, serve

LONG_AGO = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.kill
def test_nothing_is_lost_or_doubled_while_everything_goes_wrong(tmp_path: Path) -> None:
    plan = Plan(seed=5, duration=9, prompts=4, sweep="10s", pace=(0.1, 0.6))

    report = run(plan, tmp_path, peace=_half_a_minute_passes)

    assert report.anomalies == ()
    assert len(report.troubles) >= 3
    assert report.figures["deliveries acknowledged"] > 0
    assert report.figures["proposals"] > 0
    assert report.figures["reads"] > 0


def _half_a_minute_passes(environment: ChaosEnvironment) -> None:
    """For those who have not beaten for a while: they are dead."""
    with (
        closing(Database(environment.database)) as database,
        database.open_transaction() as connection,
    ):
        recently = datetime.now(UTC) - timedelta(seconds=12)
        connection.execute(
            update(instances_table)
            .where(instances_table.c.beaten_at < recently)
            .values(beaten_at=LONG_AGO)
        )


# Applications


def test_the_checker_sees_what_is_unmerged_and_what_is_older(tmp_path: Path) -> None:
    repository = create_repository(tmp_path, "acme/bot", {"p.yaml": b"w0x"})
    first, second = (
        commit_files(repository, "main", {"p.yaml": words}, message="Edit")
        for words in (b"w1x", b"w2x")
    )
    side = commit_files(repository, "side", {"p.yaml": b"w3x"}, message="Propose")
    merged = [_build_reading(first, "w1x", 1), _build_reading(second, "w2x", 2)]
    wrong = [_build_reading(second, "w1x", 3), _build_reading(side, "w3x", 4)]
    back = _build_reading(first, "w1x", 5)
    checker = ReadingChecker(repository, ["main"])

    assert checker.find_unmerged([*merged, *wrong, back]) == wrong
    assert checker.find_older(merged) == []
    assert checker.find_older([*merged, back]) == [back]
    assert ReadingChecker(repository, ["main"], [4.0]).find_older([*merged, back]) == []


def _build_reading(commit: str, word: str, at: float) -> ServedReading:
    return ServedReading(1, "latest", commit, "p.yaml", frozenset([word]), at)


@pytest.mark.parametrize(("status", "failed"), [(200, 0), (404, 0), (424, 1), (503, 1)])
def test_a_read_that_fails_is_noted(status: int, failed: int) -> None:
    content = {"commit": "c", "path": "p.yaml", "prompt": {"prompt_template": {}}}
    with serve(JSONResponse(content, status)) as address:
        readers = ApplicationReaders(address, lambda: [1])
        with readers.run():
            until(lambda: readers.counted.total() + len(readers.failed) > 0, "nothing was read")

    assert bool(readers.failed) == bool(failed)


# A wire


@pytest.fixture
def wire() -> Iterator[TcpRelay]:
    with (
        serve(PlainTextResponse("Hello")) as url,
        TcpRelay(int(url.rpartition(":")[2])).laid() as wire,
    ):
        yield wire


def test_a_wire_carries_what_it_is_given(wire: TcpRelay) -> None:
    with create_local_client() as client:
        assert client.get(wire.address).text == "Hello"


def test_a_cut_breaks_what_is_under_way_and_nothing_after_it(wire: TcpRelay) -> None:
    with socket.create_connection(("127.0.0.1", wire.port)) as connection:
        until(lambda: bool(wire.cut()), "there was no connection to cut", patience=10)

        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with create_local_client() as client:
        assert client.get(wire.address).text == "Hello"


def test_an_end_that_breaks_breaks_the_other() -> None:
    with (
        listening() as far,
        TcpRelay(far.getsockname()[1]).laid() as wire,
        socket.create_connection(("127.0.0.1", wire.port), timeout=10) as near,
    ):
        there, _ = far.accept()
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        there.close()

        with contextlib.suppress(ConnectionResetError):
            assert near.recv(1) == b""


# The post


class Letters:
    """Who receives; says ``accepted`` to each."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        self.bodies.append(body)
        answer = {"delivery": body.decode(), "status": "accepted"}
        await JSONResponse(answer, status_code=202)(scope, receive, send)


@pytest.mark.parametrize("unreliable", [False, True])
def test_the_post_knows_what_became_of_each_letter(unreliable: bool) -> None:
    letters = Letters()
    with serve(letters) as address:
        office = UnreliableWebhookRelay(address, random.Random(1), unreliable)
        office.start()
        with serve(office) as post, create_local_client(base_url=post) as client:
            for number in range(30):
                assert client.post("/here", content=b"%d" % number).status_code == 202
        until(lambda: office.idle, "the post still carries", patience=20)
        office.close()

    assert {body.decode() for body in letters.bodies} == office.acknowledged
    lost, doubled = office.troubles["dropped"], office.troubles["doubled"]
    assert len(office.acknowledged) == 30 - lost
    assert len(letters.bodies) == 30 - lost + doubled
    assert bool(lost and doubled) is unreliable
