"""What is too old to keep is gone once the bridge has started again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.e2e.bridge_process import until
from tests.e2e.product_environment import ProductEnvironment

LONG_AGO = 40 * 24 * 3600  # seconds


def test_deliveries_and_finished_jobs_go_when_their_time_is_over(
    environment: ProductEnvironment,
) -> None:
    bridge = environment.serve_swept()
    environment.save("greeting", "Say hello.")
    environment.until_settled()
    bridge.end()
    engine = environment.data / "engine.sqlite"
    jobs = change(engine, "UPDATE workflow_status SET completed_at = completed_at - 7200000")
    assert jobs >= 3
    past = f"received_at = received_at - {LONG_AGO}000000"
    assert change(environment.data / "bridge.sqlite", f"UPDATE deliveries SET {past}") == 1
    change(environment.data / "bridge.sqlite", "DELETE FROM turns")

    bridge = environment.serve_swept()

    until(lambda: not environment.deliveries(), "the delivery stayed", bridge)
    bridge.until_it_says("too old to keep: 1 deliveries")
    old = "SELECT count(*) FROM workflow_status WHERE completed_at < updated_at"
    until(lambda: ask(engine, old) == 0, "the finished jobs stayed", bridge)
    assert [pull.state for pull in environment.pulls()] == ["open"]


def change(file: Path, statement: str) -> int:
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(statement).rowcount


def ask(file: Path, query: str) -> int:
    with closing(sqlite3.connect(file, timeout=10)) as connection:
        return int(connection.execute(query).fetchone()[0])
