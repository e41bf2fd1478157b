"""What goes from the repository to PromptLayer: one file's content as a new version. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.prompts.compare import BaseFile, Comparison, Standing
from bridge.prompts.merge import Merged, merge
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.selection import Selection
from bridge.prompts.target import Target


@dataclass(frozen=True)
class Publication:
    target: Target
    path: str
    prompt: Prompt  # what the file says
    replaces: Prompt | None  # what PromptLayer holds; None: the label is not set yet

    @property
    def labels(self) -> tuple[str, ...]:
        """The release labels that the new version gets: the one its file tracks, if any."""
        return () if self.target.label == LATEST else (self.target.label,)

    @property
    def words(self) -> str:
        """What will happen. A label goes to a version that says the same already, if there is one;
        that is looked up only when it is published."""
        above = f" on top of version {self.replaces.version}" if self.replaces else ""
        label = f", which label {self.labels[0]} moves to" if self.labels else ""
        return f"a new version{above}{label}"


@dataclass(frozen=True)
class NewPrompt:
    """A file without an id: a prompt that an engineer wrote."""

    path: str
    prompt: Prompt
    label: str


class Side(StrEnum):
    PLATFORM = "platform"
    REPOSITORY = "repository"


@dataclass(frozen=True)
class Adopt:
    """A person's word on whose text goes, where both sides have one."""

    side: Side
    names: tuple[str, ...] = ()  # names and globs of the prompts that are meant; none: all

    def of(self, name: str) -> Side | None:
        """What was decided for the prompt of this name, if anything was."""
        return self.side if Selection(self.names).may_hold(name) else None


def unpublished_fields(file: Prompt, platform: Prompt) -> str | None:
    """What a file says of a prompt that no version carries, where PromptLayer says otherwise: its
    name and its tags, in words."""
    told = []
    if file.name != platform.name:
        told.append(f"`name` is {file.name!r} here and {platform.name!r} in PromptLayer")
    if set(file.tags) != set(platform.tags):
        here, there = (", ".join(sorted(tags)) for tags in (file.tags, platform.tags))
        told.append(f"`tags` are [{here}] here and [{there}] in PromptLayer")
    if not told:
        return None
    return f"{' and '.join(told)}, and a file cannot change that: change it in PromptLayer"


def chosen(
    comparison: Comparison, side: Side | None, platform: Prompt | None, base: BaseFile | None
) -> Comparison:
    """The comparison as it is once a person has chosen a side. It stays where there is nothing to
    choose: one side has no text that could be taken, or both mean the same."""
    if platform is None or base is None:
        return comparison
    if base.prompt is not None and base.prompt.digest == platform.digest:
        return comparison
    if side is Side.PLATFORM:
        return Comparison(Standing.PLATFORM_AHEAD, "PromptLayer's text was chosen")
    if side is Side.REPOSITORY and base.prompt is not None:
        return Comparison(Standing.REPOSITORY_AHEAD, "the repository's text was chosen")
    return comparison


def both(
    comparison: Comparison, ancestor: Prompt | None, platform: Prompt, repository: Prompt
) -> Merged | None:
    """What both sides say together, where both moved away from ``ancestor``."""
    if comparison.standing is not Standing.BOTH_MOVED or ancestor is None:
        return None
    return merge(ancestor, platform, repository)


def goes_to_platform(comparison: Comparison, merged: Merged | None, file: Prompt) -> bool:
    """Whether a file can be published as it is: it alone was edited, or it holds all that
    PromptLayer changed meanwhile."""
    if merged is None:
        return comparison.standing is Standing.REPOSITORY_AHEAD
    return not merged.conflicts and merged.prompt.digest == file.digest
