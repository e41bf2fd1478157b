"""The doors of the bridge: who may deliver, and with which secrets.

They are asked for at every delivery, for a running bridge may be given others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bridge.forge.forge_webhooks import ForgeEndpoint


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
        forges = (name for name, endpoint in self.forges.items() if any(endpoint.secrets))
        workspaces = (
            source.replace(":", "/", 1)
            for source, endpoint in self.workspaces.items()
            if any(endpoint.secrets)
        )
        return (*workspaces, *forges)

    @property
    def sources_without_secret(self) -> tuple[str, ...]:
        """The workspaces whose webhooks are refused, as nothing could tell who sends them."""
        return tuple(
            name for name, endpoint in self.workspaces.items() if not any(endpoint.secrets)
        )


FindEndpoints = Callable[[], WebhookEndpoints]  # those that are open now
