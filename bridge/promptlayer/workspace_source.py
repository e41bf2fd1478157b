"""Which of PromptLayer's workspaces something is about, as deliveries and mappings name it."""

from __future__ import annotations

PROMPTLAYER_SOURCE = (
    "promptlayer"  # the source of the only workspace; that of a forge is ``forge:<name>``
)


def format_source_name(workspace: str | None) -> str:
    """The source of a workspace's deliveries; None is the only one, which has no name."""
    return PROMPTLAYER_SOURCE if workspace is None else f"{PROMPTLAYER_SOURCE}:{workspace}"


def is_promptlayer_source(source: str) -> bool:
    """Whether a delivery came from PromptLayer, whatever the workspace."""
    return source == PROMPTLAYER_SOURCE or source.startswith(f"{PROMPTLAYER_SOURCE}:")


def find_config_section(source: str) -> str:
    """Where a workspace's settings stand in the configuration."""
    name = source.partition(":")[2]
    return f"workspaces.{name}" if name else PROMPTLAYER_SOURCE
