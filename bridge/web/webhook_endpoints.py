"""The webhook endpoints that are open, and the secrets that sign their deliveries.

They are read at every delivery, as a reload may change them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bridge.forge.forge_webhooks import ForgeEndpoint


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
        forges = (name for name, endpoint in self.forges.items() if any(endpoint.secrets))
        workspaces = (
            source.replace(":", "/", 1)
            for source, endpoint in self.workspaces.items()
            if any(endpoint.secrets)
        )
        return (*workspaces, *forges)

    @property
    def sources_without_secret(self) -> tuple[str, ...]:
        """The workspaces whose webhooks are refused, as no signature can be verified."""
        return tuple(
            name for name, endpoint in self.workspaces.items() if not any(endpoint.secrets)
        )


FindEndpoints = Callable[[], WebhookEndpoints]  # those in force
