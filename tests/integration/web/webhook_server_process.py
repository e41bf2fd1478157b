"""A front door to start as a process of its own: ``python -m … FOLDER`` prints its port."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import uvicorn

from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from bridge.web.app import WebSettings, create_app
from tests.standins.serve_app import listening
from tests.standins.webhook_endpoints import one_workspace

SECRET = "whsec_front_door"


def main(folder: str) -> None:
    inbox = DeliveryInbox(Database(f"sqlite:///{folder}/bridge.sqlite"), lambda: datetime.now(UTC))
    app = create_app(WebSettings(lambda: datetime.now(UTC), one_workspace(SECRET)), inbox)
    listener = listening()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
