"""Every kind of database that the bridge runs on, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bridge.engine.reconcile_store import ReconcileStore
from bridge.status.status_reader import StatusReader
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from tests.integration.manual_clock import ManualClock
from tests.standins.postgresql import PostgreSQL


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database. Whoever asks for it is run on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/bridge.sqlite"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_schema()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def same_database(database_url: str, database: Database) -> Iterator[list[Database]]:
    """Opened several times, as by several processes."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Database(database_url))) for _ in range(8)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def inbox(database: Database, clock: ManualClock) -> Iterator[DeliveryInbox]:
    with closing(DeliveryInbox(database, clock)) as opened:
        yield opened


@pytest.fixture
def store(database: Database, clock: ManualClock) -> ReconcileStore:
    return ReconcileStore(database, clock)


@pytest.fixture
def reader(database: Database, clock: ManualClock) -> StatusReader:
    return StatusReader(database, clock)
