"""Open what a configuration names: database, PromptLayer, and the worker over both."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing, contextmanager

from bridge.config.mapping import MappingSettings
from bridge.config.whole import Config
from bridge.engine.worker import Worker
from bridge.promptlayer.client import PromptLayer
from bridge.repo.version import require_git
from bridge.storage.database import Database
from bridge.wiring import Adapters, open_database, platform_of, worker_of

# Prompts are trees of very many small objects without a circle among them: by default Python
# would go through all of them again and again, a third of the time of a first import.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
_OBJECTS_WHILE_STAYING = 10_000  # a look leaves some hundred behind, in circles


@contextmanager
def opened_database(config: Config) -> Iterator[Database]:
    database = open_database(config)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened_platform(config: Config, mapping: MappingSettings) -> Iterator[PromptLayer]:
    """The workspace that a mapping follows."""
    with platform_of(config, mapping.source) as platform:
        yield platform


@contextmanager
def opened_worker(config: Config, adapters: Adapters | None = None) -> Iterator[Worker]:
    """Everything that is needed to look at proposals; closed at the end, deliveries stored."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    require_git()
    adapters = adapters or Adapters()
    with opened_database(config) as database, closing(adapters):
        worker = worker_of(config, database, adapters)
        try:
            yield worker
        finally:
            worker.inbox.close()


def stay_lean() -> None:
    """For a process that stays: what is loaded by now is never gone through again, and what looks
    leave behind is, soon."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_WHILE_STAYING)
