"""What any test may ask for."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.standins.postgresql import PostgreSQL, running_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server for all tests of this process, started for the first that asks."""
    with running_postgresql() as server:
        yield server


@pytest.fixture(autouse=True)
def restored_log_handlers() -> Iterator[None]:
    """A command that a test runs in this process configures logging for its own standard error,
    which is closed afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
