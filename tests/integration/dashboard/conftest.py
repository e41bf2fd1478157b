from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from tests.integration.dashboard.dashboard_browser import DashboardEnvironment
from tests.integration.manual_clock import ManualClock


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[DashboardEnvironment]:
    clock = ManualClock()
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    environment = DashboardEnvironment(database, DeliveryInbox(database, clock), clock)
    yield environment
    environment.close()
