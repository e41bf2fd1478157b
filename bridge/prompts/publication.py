"""What goes from the repository to PromptLayer: one file's content as a new version. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.prompts.compare import Comparison, Standing
from bridge.prompts.merge import Merged, merge
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.target import Target


@dataclass(frozen=True)
class Publication:
    target: Target
    path: str
    prompt: Prompt  # what the file says
    replaces: Prompt  # what PromptLayer holds, and the file's edit was based on

    @property
    def labels(self) -> tuple[str, ...]:
        """The release labels that the new version gets: the one its file tracks, if any."""
        return () if self.target.label == LATEST else (self.target.label,)


@dataclass(frozen=True)
class NewPrompt:
    """A file without an id: a prompt that an engineer wrote."""

    path: str
    prompt: Prompt
    label: str


def both(
    comparison: Comparison, ancestor: Prompt, platform: Prompt, repository: Prompt
) -> Merged | None:
    """What both sides say together, where both moved."""
    if comparison.standing is not Standing.BOTH_MOVED:
        return None
    return merge(ancestor, platform, repository)


def goes_to_platform(comparison: Comparison, merged: Merged | None, file: Prompt) -> bool:
    """Whether a file can be published as it is: it alone was edited, or it holds all that
    PromptLayer changed meanwhile."""
    if merged is None:
        return comparison.standing is Standing.REPOSITORY_AHEAD
    return not merged.conflicts and merged.prompt.digest == file.digest
