"""Several processes on one PostgreSQL: what one of them leaves, another does."""

from __future__ import annotations

import signal
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from bridge.storage.instances import instances_table
from tests.e2e.bridge_process import BridgeProcess, until
from tests.e2e.product_environment import ON_GITHUB, ProductEnvironment
from tests.e2e.request_gate import RequestGate
from tests.standins.postgresql import PostgreSQL

pytestmark = pytest.mark.kill

LONG_AGO = datetime(2026, 1, 2, tzinfo=UTC)


def test_what_a_silent_process_had_in_hand_is_done_once_by_another(
    environment: ProductEnvironment, postgresql: PostgreSQL
) -> None:
    """Silent for half a minute; it is only paused, which is the harder case: it goes on later."""
    environment.database = postgresql.new_database()
    environment.configure(ON_GITHUB)
    environment.serve("--workers", "0")
    one = environment.start("work", "--name", "one")
    gate = _held_before_its_pull_request(environment, one)
    two = environment.start("work", "--name", "two")
    two.until_it_says("working")

    one.process.send_signal(signal.SIGSTOP)
    _half_a_minute_passes(environment, "one work")
    two.until_it_says("took over from one work")
    environment.until_settled()
    gate.open()
    one.process.send_signal(signal.SIGCONT)
    one.until_it_says("was taken for dead")

    assert [pull.title for pull in environment.pulls()] == ["Add support/reply (version 1)"]
    assert "sweep of" not in two.said, "one had swept, and they started together"


def _held_before_its_pull_request(
    environment: ProductEnvironment, bridge: BridgeProcess
) -> RequestGate:
    """Save a prompt, and hold the request for its pull request, whoever makes it."""
    gate = RequestGate(
        *environment.faults,
        wanted=lambda method, path: method == "POST" and path.endswith("/pulls"),
    )
    environment.save("support/reply", "Answer kindly.")
    until(gate.reached.is_set, "the pull request was not asked for", bridge)
    return gate


def _half_a_minute_passes(environment: ProductEnvironment, name: str) -> None:
    """For one member, whose last beat was long ago."""
    with environment.books.open_transaction() as connection:
        connection.execute(
            update(instances_table).where(instances_table.c.name == name).values(beaten_at=LONG_AGO)
        )
