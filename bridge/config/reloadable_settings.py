"""What of a new configuration a running bridge can take over. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.config.bridge_config import BridgeConfig

# All other settings are woven into what runs: databases, folders, listeners, pages.
_AT_ONCE = frozenset(
    (
        "promptlayer",
        "workspaces",
        "forges",
        "mappings",
        "mappings_folder",
        "roster",
        "identity",
        "serve",
        "sweep",
        "quiet",
        "log",
    )
)


@dataclass(frozen=True)
class ConfigReloadState:
    """Which configuration is in force, and whether the files say something else by now."""

    loaded_at: datetime
    mistake: str | None = None  # why the files as they are now were not taken over
    settings_pending_restart: tuple[
        str, ...
    ] = ()  # settings that changed and cannot take effect before


def merge_reloadable_settings(
    running: BridgeConfig, new: BridgeConfig
) -> tuple[BridgeConfig, tuple[str, ...]]:
    """The new configuration with what cannot change while running as it was, and the names of the
    settings that wait for the next start."""
    fixed = BridgeConfig.model_fields.keys() - _AT_ONCE
    waiting = {name for name in fixed if getattr(new, name) != getattr(running, name)}
    kept = {name: getattr(running, name) for name in waiting}
    return new.model_copy(update=kept), tuple(sorted(waiting))
