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

from bridge.sandbox.asking import asking
from bridge.storage.database import Database
from bridge.storage.members import members
from tests.chaos.house import House
from tests.chaos.post import Office
from tests.chaos.run import Plan, run
from tests.chaos.wire import Wire
from tests.e2e.processes import until
from tests.standins.serving import listening, serve

LONG_AGO = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.kill
def test_nothing_is_lost_or_doubled_while_everything_goes_wrong(tmp_path: Path) -> None:
    plan = Plan(seed=5, duration=9, prompts=4, sweep="10s", pace=(0.1, 0.6))

    report = run(plan, tmp_path, peace=_half_a_minute_passes)

    assert report.anomalies == ()
    assert len(report.troubles) >= 3
    assert report.figures["deliveries acknowledged"] > 0
    assert report.figures["proposals"] > 0


def _half_a_minute_passes(house: House) -> None:
    """For those who have not beaten for a while: they are dead."""
    with closing(Database(house.database)) as database, database.transaction() as connection:
        recently = datetime.now(UTC) - timedelta(seconds=12)
        connection.execute(
            update(members).where(members.c.beaten_at < recently).values(beaten_at=LONG_AGO)
        )


# A wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    with (
        serve(PlainTextResponse("Hello")) as url,
        Wire(int(url.rpartition(":")[2])).laid() as wire,
    ):
        yield wire


def test_a_wire_carries_what_it_is_given(wire: Wire) -> None:
    with asking() as client:
        assert client.get(wire.address).text == "Hello"


def test_a_cut_breaks_what_is_under_way_and_nothing_after_it(wire: Wire) -> None:
    with socket.create_connection(("127.0.0.1", wire.port)) as connection:
        until(lambda: bool(wire.cut()), "there was no connection to cut", patience=10)

        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with asking() as client:
        assert client.get(wire.address).text == "Hello"


def test_an_end_that_breaks_breaks_the_other() -> None:
    with (
        listening() as far,
        Wire(far.getsockname()[1]).laid() as wire,
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
        office = Office(address, random.Random(1), unreliable)
        office.start()
        with serve(office) as post, asking(base_url=post) as client:
            for number in range(30):
                assert client.post("/here", content=b"%d" % number).status_code == 202
        until(lambda: office.idle, "the post still carries", patience=20)
        office.close()

    assert {body.decode() for body in letters.bodies} == office.acknowledged
    lost, doubled = office.troubles["dropped"], office.troubles["doubled"]
    assert len(office.acknowledged) == 30 - lost
    assert len(letters.bodies) == 30 - lost + doubled
    assert bool(lost and doubled) is unreliable
