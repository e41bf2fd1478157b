from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.storage.database import Database
from bridge.storage.inbox import Inbox
from tests.integration.clock import Clock
from tests.integration.dashboard.visiting import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    clock = Clock()
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    place = Place(database, Inbox(database, clock), clock)
    yield place
    place.close()
