"""A front door with one workspace behind it."""

from __future__ import annotations

from datetime import timedelta

from bridge.promptlayer.workspace_source import PROMPTLAYER_SOURCE
from bridge.web.webhook_endpoints import FindEndpoints, WebhookEndpoints, WorkspaceEndpoint


def one_workspace(*secrets: str, replay_window: timedelta | None = None) -> FindEndpoints:
    endpoints = WebhookEndpoints({PROMPTLAYER_SOURCE: WorkspaceEndpoint(secrets, replay_window)})
    return lambda: endpoints
