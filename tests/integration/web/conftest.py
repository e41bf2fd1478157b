from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.sandbox.local_http_client import create_local_client
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.web.app import WebSettings, create_app
from tests.integration.sample_deliveries import NOON
from tests.integration.web.webhook_client import DEADLINE, OLD_SECRET, SECRET, WebhookServer
from tests.standins.serve_app import serve
from tests.standins.webhook_endpoints import one_workspace


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookServer]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('door')}/bridge.sqlite")
    inbox = DeliveryInbox(database, lambda: NOON)
    app = create_app(
        WebSettings(clock=lambda: NOON, find_endpoints=one_workspace(SECRET, OLD_SECRET)), inbox
    )
    with serve(app) as url, create_local_client(timeout=DEADLINE) as client:
        yield WebhookServer(url, database, inbox, client)
    inbox.close()
    database.close()


@pytest.fixture
def server(running: WebhookServer) -> WebhookServer:
    """The front door with an empty inbox behind it."""
    with running.database.open_transaction() as connection:
        connection.exec_driver_sql("DELETE FROM deliveries")
    return running
