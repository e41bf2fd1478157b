"""Being one of the processes that share a database."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bridge.cli.opening import opened_database
from bridge.config.whole import Config
from bridge.errors import BridgeError
from bridge.storage.members import Members
from bridge.wiring import queue_database_url

log = logging.getLogger("bridge.members")


@contextmanager
def membership(config: Config, name: str | None, command: str) -> Iterator[Members]:
    """A member while the block runs. Its connection is its own: no beat waits for the work."""
    told = f"{name or socket.gethostname()} {command}"
    with opened_database(config) as database:
        members = Members(database, executor_id(config, name, command), told)
        members.join()
        log.info("this process is %s", told if told == members.id else f"{told} ({members.id})")
        try:
            yield members
        finally:
            with suppress(BridgeError):  # who does not say so is missed in half a minute
                members.leave()


def executor_id(config: Config, name: str | None, command: str) -> str:
    """What the queues know this process by. With a database on this disk it is the same after a
    restart, even in a new container, so that what was left is taken up at once. Processes that
    share a server each have their own: one of the same name may be running elsewhere."""
    if queue_database_url(config).startswith("sqlite"):
        return f"{name or 'here'} {command}"
    return f"{name or socket.gethostname()} {command} {secrets.token_hex(4)}"
