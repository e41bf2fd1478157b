"""Open the resources that a configuration names: database, PromptLayer, and the controller over
both."""

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

# Prompts are trees of very many small objects without cycles. With Python's default threshold the
# collector takes a third of the time of a first import.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
_OBJECTS_IN_SERVER = 10_000  # a reconcile leaves some hundred objects in cycles


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
    """The client of the workspace that a mapping follows, closed at the end of the block."""
    with create_promptlayer(config, mapping.source) as promptlayer:
        yield promptlayer


@contextmanager
def open_controller(
    config: BridgeConfig, adapters: AdapterCache | None = None
) -> Iterator[BridgeController]:
    """The controller for reconciles. At the end of the block the waiting deliveries are stored and
    everything is closed."""
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
    """Tune the collector for a long-lived process: skip the objects that are loaded by now
    (https://docs.python.org/3/library/gc.html#gc.freeze), and collect the cycles of reconciles
    soon."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_IN_SERVER)
