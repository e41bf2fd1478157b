"""The webhook endpoints that are open, and the secrets that sign their deliveries.

They are read at every delivery, as a reload may change them.
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
    """The endpoint of one workspace of PromptLayer."""

    secrets: tuple[str, ...] = field(repr=False)  # any of them may sign, so that one can be rotated
    replay_window: timedelta | None = None  # largest age of a delivery; None: any


@dataclass(frozen=True)
class WebhookEndpoints:
    """The endpoints of all workspaces and forges."""

    workspaces: Mapping[str, WorkspaceEndpoint]  # by the source of its deliveries
    forges: Mapping[str, ForgeEndpoint] = field(default_factory=dict)  # by the forge's name

    @property
    def open_names(self) -> tuple[str, ...]:
        """The names of the open endpoints: the path behind ``/webhooks/``."""
        opening = (name for name, endpoint in self.forges.items() if any(endpoint.secrets))
        return (*(source.replace(":", "/", 1) for source in self.workspaces), *opening)


FindEndpoints = Callable[[], WebhookEndpoints]  # those in force


def require_secrets(endpoints: WebhookEndpoints) -> None:
    """Raise ConfigError unless every workspace has a secret, without which no delivery can be
    verified."""
    for source, endpoint in endpoints.workspaces.items():
        if not endpoint.secrets or not all(endpoint.secrets):
            raise ConfigError(
                "No webhook secret is configured, or an empty one, so anybody could deliver. Set "
                f"{find_config_section(source)}.webhook_secret to the secret PromptLayer shows for this"
                " webhook."
            )
