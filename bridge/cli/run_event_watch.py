"""``evals run`` beside a server: the events about runs that the server received end a pause early."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from bridge.cli.resources import connect_database
from bridge.config.bridge_config import BridgeConfig
from bridge.engine.evaluation_requests import RUN_EVENTS
from bridge.errors import BridgeError
from bridge.storage.inbox import DeliveryInbox
from bridge.wiring import find_local_database_path, get_current_time

_INTERVAL = 1.0  # seconds between two queries of the database
_NEWEST = 20  # deliveries that are read in each


@contextmanager
def watch_run_events(config: BridgeConfig, wake_event: threading.Event) -> Iterator[None]:
    """Within this, ``wake_event`` is set whenever the server receives an event about a run. Where no
    server has a database, or it does not answer, nothing is watched: polling decides anyway."""
    if config.database is None and not find_local_database_path(config).exists():
        yield
        return
    end = threading.Event()
    thread = threading.Thread(target=_watch, args=(config, wake_event, end), daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _watch(config: BridgeConfig, wake_event: threading.Event, end: threading.Event) -> None:
    try:
        with (
            connect_database(config) as database,
            closing(DeliveryInbox(database, get_current_time)) as inbox,
        ):
            known = _read_run_events(inbox)
            while not end.wait(_INTERVAL):
                found = _read_run_events(inbox)
                if found - known:
                    wake_event.set()
                known = found
    except BridgeError:
        return


def _read_run_events(inbox: DeliveryInbox) -> set[str]:
    return {one.id for one in inbox.list_recent(_NEWEST) if one.event_type in RUN_EVENTS}
