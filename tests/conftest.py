"""What any test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.standins.postgresql import PostgreSQL, running_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server for all tests of this process, started for the first that asks."""
    with running_postgresql() as server:
        yield server
