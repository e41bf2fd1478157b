"""A mapping of the configuration in force, as far as the pages need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BuildFileUrl = Callable[[str], str | None]  # from the file's path
BuildPromptUrl = Callable[[int, int], str | None]  # from the ids of the workspace and the prompt


@dataclass(frozen=True)
class FollowedMapping:
    """``source`` names the workspace; it distinguishes prompts with the same id in several
    workspaces. ``publishes`` is True where a merge writes to PromptLayer."""

    source: str
    publishes: bool = False
    build_file_url: BuildFileUrl = lambda _: None
    build_prompt_url: BuildPromptUrl = lambda _workspace, _prompt: None


FindMapping = Callable[[str], FollowedMapping | None]  # None: there is no such mapping


def find_no_mapping(_: str) -> None:
    """A ``FindMapping`` for a dashboard that knows no mappings."""
