"""Open what a configuration names: database, PromptLayer, and the controller over both."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing, contextmanager

from bridge.config.bridge_config import BridgeConfig
from bridge.config.mapping_settings import MappingSettings
from bridge.engine.controller import BridgeController
from bridge.promptlayer.client import PromptLayerClient
from bridge.repo.version import require_git
from bridge.storage.database import Database
from bridge.wiring import AdapterCache, create_controller, create_promptlayer, open_database

# Prompts are trees of very many small objects without a circle among them: by default Python
# would go through all of them again and again, a third of the time of a first import.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
_OBJECTS_WHILE_STAYING = 10_000  # a look leaves some hundred behind, in circles


@contextmanager
def connect_database(config: BridgeConfig) -> Iterator[Database]:
    database = open_database(config)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def connect_promptlayer(
    config: BridgeConfig, mapping: MappingSettings
) -> Iterator[PromptLayerClient]:
    """The workspace that a mapping follows."""
    with create_promptlayer(config, mapping.source) as promptlayer:
        yield promptlayer


@contextmanager
def open_controller(
    config: BridgeConfig, adapters: AdapterCache | None = None
) -> Iterator[BridgeController]:
    """Everything that is needed to look at proposals; closed at the end, deliveries stored."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    require_git()
    adapters = adapters or AdapterCache()
    with connect_database(config) as database, closing(adapters):
        controller = create_controller(config, database, adapters)
        try:
            yield controller
        finally:
            controller.inbox.close()


def tune_garbage_collection() -> None:
    """For a process that stays: what is loaded by now is never gone through again, and what looks
    leave behind is, soon."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_WHILE_STAYING)
