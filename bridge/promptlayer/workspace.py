"""Which of PromptLayer's workspaces something is about, as deliveries and mappings name it."""

from __future__ import annotations

PROMPTLAYER = "promptlayer"  # the source of the only workspace; that of a forge is ``forge:<name>``


def source_of(workspace: str | None) -> str:
    """The source of a workspace's deliveries; None is the only one, which has no name."""
    return PROMPTLAYER if workspace is None else f"{PROMPTLAYER}:{workspace}"


def is_promptlayer(source: str) -> bool:
    """Whether a delivery came from PromptLayer, whatever the workspace."""
    return source == PROMPTLAYER or source.startswith(f"{PROMPTLAYER}:")


def section_of(source: str) -> str:
    """Where a workspace's settings stand in the configuration."""
    name = source.partition(":")[2]
    return f"workspaces.{name}" if name else PROMPTLAYER
