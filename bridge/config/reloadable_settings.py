"""Decide which settings a running bridge takes over from a new configuration. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.config.bridge_config import BridgeConfig

# All other settings need a restart: databases, folders, listeners, pages.
RELOADABLE_SETTINGS = frozenset(
    (
        "promptlayer",
        "workspaces",
        "forges",
        "defaults",
        "mappings",
        "mappings_folder",
        "roster",
        "identity",
        "serve",
        "sweep",
        "quiet",
        "log",
        "notify",
    )
)


@dataclass(frozen=True)
class ConfigReloadState:
    """When the configuration in force was loaded, and whether the files have a mistake since."""

    loaded_at: datetime
    mistake: str | None = None  # why the present files are not in force
    settings_pending_restart: tuple[str, ...] = ()  # changed settings that need a restart


def merge_reloadable_settings(
    running: BridgeConfig, new: BridgeConfig
) -> tuple[BridgeConfig, tuple[str, ...]]:
    """The new configuration with the running values of settings that need a restart, and the names
    of those that changed."""
    fixed = BridgeConfig.model_fields.keys() - RELOADABLE_SETTINGS
    waiting = {name for name in fixed if getattr(new, name) != getattr(running, name)}
    kept = {name: getattr(running, name) for name in waiting}
    return new.model_copy(update=kept), tuple(sorted(waiting))
