"""The doors of the bridge: who may deliver, and with which secrets.

They are asked for at every delivery, for a running bridge may be given others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bridge.errors import ConfigError
from bridge.forge.forge_webhooks import ForgeEndpoint
from bridge.promptlayer.workspace_source import find_config_section


@dataclass(frozen=True)
class WorkspaceEndpoint:
    """Where one workspace of PromptLayer comes in."""

    secrets: tuple[str, ...] = field(repr=False)  # any of them may sign: rotation
    replay_window: timedelta | None = None  # None: a delivery may be of any age


@dataclass(frozen=True)
class WebhookEndpoints:
    workspaces: Mapping[str, WorkspaceEndpoint]  # by the source of its deliveries
    forges: Mapping[str, ForgeEndpoint] = field(default_factory=dict)  # by the forge's name

    @property
    def open_names(self) -> tuple[str, ...]:
        """Those that open, by what follows ``/webhooks/`` in their addresses."""
        opening = (name for name, door in self.forges.items() if any(door.secrets))
        return (*(source.replace(":", "/", 1) for source in self.workspaces), *opening)


FindEndpoints = Callable[[], WebhookEndpoints]  # those that are open now


def require_secrets(endpoints: WebhookEndpoints) -> None:
    """Raise ConfigError unless every workspace has a secret: a front door that cannot tell friend
    from foe does not open."""
    for source, door in endpoints.workspaces.items():
        if not door.secrets or not all(door.secrets):
            raise ConfigError(
                "No webhook secret is configured, or an empty one, so anybody could deliver. Set "
                f"{find_config_section(source)}.webhook_secret to the secret PromptLayer shows for this"
                " webhook."
            )
