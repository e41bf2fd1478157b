"""Several processes on one PostgreSQL: what one of them leaves, another does."""

from __future__ import annotations

import signal
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from bridge.storage.members import members
from tests.e2e.gate import Gate
from tests.e2e.processes import Bridge, until
from tests.e2e.scene import ON_GITHUB, Scene
from tests.standins.postgresql import PostgreSQL

pytestmark = pytest.mark.kill

LONG_AGO = datetime(2026, 1, 2, tzinfo=UTC)


def test_what_a_silent_process_had_in_hand_is_done_once_by_another(
    scene: Scene, postgresql: PostgreSQL
) -> None:
    """Silent for half a minute; it is only paused, which is the harder case: it goes on later."""
    scene.database = postgresql.new_database()
    scene.configure(ON_GITHUB)
    scene.serve("--workers", "0")
    one = scene.start("work", "--name", "one")
    gate = _held_before_its_pull_request(scene, one)
    two = scene.start("work", "--name", "two")
    two.until_it_says("working")

    one.process.send_signal(signal.SIGSTOP)
    _half_a_minute_passes(scene, "one work")
    two.until_it_says("took over from one work")
    scene.until_settled()
    gate.open()
    one.process.send_signal(signal.SIGCONT)
    one.until_it_says("was taken for dead")

    assert [pull.title for pull in scene.pulls()] == ["Add support/reply (version 1)"]
    assert "sweep of" not in two.said, "one had swept, and they started together"


def _held_before_its_pull_request(scene: Scene, bridge: Bridge) -> Gate:
    """Save a prompt, and hold the request for its pull request, whoever makes it."""
    gate = Gate(
        *scene.faults, wanted=lambda method, path: method == "POST" and path.endswith("/pulls")
    )
    scene.save("support/reply", "Answer kindly.")
    until(gate.reached.is_set, "the pull request was not asked for", bridge)
    return gate


def _half_a_minute_passes(scene: Scene, name: str) -> None:
    """For one member, whose last beat was long ago."""
    with scene.books.transaction() as connection:
        connection.execute(update(members).where(members.c.name == name).values(beaten_at=LONG_AGO))
