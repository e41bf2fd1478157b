"""Being one of the processes that share a database."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import quote

from bridge.cli.resources import connect_database
from bridge.config.bridge_config import BridgeConfig
from bridge.errors import BridgeError, ConfigError, UnavailableError
from bridge.repo.file_lock import FileLock
from bridge.storage.database_address import find_sqlite_file
from bridge.storage.instances import InstanceRegistry
from bridge.wiring import build_queue_database_url

log = logging.getLogger("bridge.members")

_OVERLAP = 12.0  # seconds that the one before may need to end, when a process is restarted


@contextmanager
def register_instance(
    config: BridgeConfig, name: str | None, command: str, *, overlap: float = _OVERLAP
) -> Iterator[InstanceRegistry]:
    """A member while the block runs. Its connection is its own: no beat waits for the work. Raises
    ConfigError when another process is the same member and still is after ``overlap`` seconds."""
    told, id = f"{name or socket.gethostname()} {command}", build_executor_id(config, name, command)
    with connect_database(config) as database, _alone(config, id, command, overlap):
        instances = InstanceRegistry(database, id, told)
        instances.register()
        log.info("this process is %s", told if told == instances.id else f"{told} ({instances.id})")
        try:
            yield instances
        finally:
            with suppress(BridgeError):  # who does not say so is missed in half a minute
                instances.unregister()


@contextmanager
def _alone(config: BridgeConfig, id: str, command: str, overlap: float) -> Iterator[None]:
    """Nobody else goes by this id meanwhile. On a server nobody does anyway; on this disk two
    would take each other's work for what they had left themselves."""
    file = find_sqlite_file(build_queue_database_url(config))
    with ExitStack() as stack:
        if file is not None:
            lock = FileLock(file.with_name(f"{file.name}.{quote(id, safe='')}.lock"))
            try:
                stack.enter_context(lock.hold(overlap))
            except UnavailableError:
                raise ConfigError(
                    f"Another {command} of the same name works with {file}. End it, or give this "
                    "one a name of its own with --name."
                ) from None
        yield


def build_executor_id(config: BridgeConfig, name: str | None, command: str) -> str:
    """What the queues know this process by. With a database on this disk it is the same after a
    restart, even in a new container, so that what was left is taken up at once. Processes that
    share a server each have their own: one of the same name may be running elsewhere."""
    if build_queue_database_url(config).startswith("sqlite"):
        return f"{name or 'here'} {command}"
    return f"{name or socket.gethostname()} {command} {secrets.token_hex(4)}"
