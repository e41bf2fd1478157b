"""Register this process as one of those that share a database."""

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

_OVERLAP = 12.0  # seconds that the former process may take to end at a restart


@contextmanager
def register_instance(
    config: BridgeConfig, name: str | None, command: str, *, overlap: float = _OVERLAP
) -> Iterator[InstanceRegistry]:
    """Register this process while the block runs, on a connection of its own, so that no heartbeat
    waits for other work. Raises ConfigError when another process has the same id and keeps it for
    ``overlap`` seconds."""
    shown_name, id = (
        f"{name or socket.gethostname()} {command}",
        build_executor_id(config, name, command),
    )
    with connect_database(config) as database, _alone(config, id, command, overlap):
        instances = InstanceRegistry(database, id, shown_name)
        instances.register()
        log.info(
            "this process is %s",
            shown_name if shown_name == instances.id else f"{shown_name} ({instances.id})",
        )
        try:
            yield instances
        finally:
            with suppress(BridgeError):  # otherwise it counts as dead after half a minute
                instances.unregister()


@contextmanager
def _alone(config: BridgeConfig, id: str, command: str, overlap: float) -> Iterator[None]:
    """Hold the lock of this id. Two processes with one id on the same disk would each take over the
    other's running jobs. On a server every id is unique."""
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
    """The id of this process in the queues. With SQLite it is the same after a restart, even in a
    new container, so unfinished jobs are resumed at once. On a server it is random, as a process of
    the same name may run elsewhere."""
    if build_queue_database_url(config).startswith("sqlite"):
        return f"{name or 'here'} {command}"
    return f"{name or socket.gethostname()} {command} {secrets.token_hex(4)}"
