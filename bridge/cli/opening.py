"""Open what a configuration names: database, PromptLayer, and the worker over both."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.config import Config
from bridge.engine.database import Database
from bridge.engine.worker import Worker
from bridge.promptlayer.client import PromptLayer
from bridge.wiring import open_database, platform_of, worker_of

# Prompts are trees of very many small objects without a circle among them: by default Python
# would go through all of them again and again, a third of the time of a first import.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


@contextmanager
def opened_database(config: Config) -> Iterator[Database]:
    database = open_database(config)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened_platform(config: Config) -> Iterator[PromptLayer]:
    with platform_of(config) as platform:
        yield platform


@contextmanager
def opened_worker(config: Config) -> Iterator[Worker]:
    """Everything that is needed to look at proposals; closed at the end, deliveries stored."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    with opened_database(config) as database, platform_of(config) as platform:
        worker = worker_of(config, database, platform)
        try:
            yield worker
        finally:
            worker.inbox.close()
