"""Every kind of database that the bridge runs on, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bridge.books.overview import Overview
from bridge.engine.ledger import Ledger
from bridge.storage.database import Database
from bridge.storage.inbox import Inbox
from tests.integration.clock import Clock
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
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(database: Database, clock: Clock) -> Iterator[Inbox]:
    with closing(Inbox(database, clock)) as opened:
        yield opened


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Ledger:
    return Ledger(database, clock)


@pytest.fixture
def overview(database: Database, clock: Clock) -> Overview:
    return Overview(database, clock)
