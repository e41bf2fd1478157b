from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.sandbox.asking import asking
from bridge.storage.database import Database
from bridge.storage.inbox import Inbox
from bridge.web.app import WebSettings, create_app
from tests.integration.deliveries import NOON
from tests.integration.web.knocking import DEADLINE, OLD_SECRET, SECRET, FrontDoor
from tests.standins.doors import one_workspace
from tests.standins.serving import serve


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('door')}/bridge.sqlite")
    inbox = Inbox(database, lambda: NOON)
    app = create_app(
        WebSettings(clock=lambda: NOON, doors=one_workspace(SECRET, OLD_SECRET)), inbox
    )
    with serve(app) as url, asking(timeout=DEADLINE) as client:
        yield FrontDoor(url, database, inbox, client)
    inbox.close()
    database.close()


@pytest.fixture
def door(running: FrontDoor) -> FrontDoor:
    """The front door with an empty inbox behind it."""
    with running.database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM deliveries")
    return running
