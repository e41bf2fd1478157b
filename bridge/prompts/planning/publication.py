"""The publication of one file's content as a new version of PromptLayer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.prompts.planning.drift import BaseBranchFile, DriftComparison, DriftStatus
from bridge.prompts.planning.three_way_merge import MergeResult, merge_prompts
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.selection import PromptSelection
from bridge.prompts.target import Target


@dataclass(frozen=True)
class PromptPublication:
    target: Target
    path: str
    prompt: Prompt  # the file's prompt
    replaced_version: Prompt | None  # PromptLayer's prompt; None: the label is not set yet

    @property
    def labels(self) -> tuple[str, ...]:
        """The release labels that the new version gets: the one its file tracks, if any."""
        return () if self.target.label == LATEST else (self.target.label,)

    @property
    def words(self) -> str:
        """Describe what will happen. A label moves to an existing version with the same content,
        if there is one; that is found only while publishing."""
        above = (
            f" on top of version {self.replaced_version.version}" if self.replaced_version else ""
        )
        label = f", which label {self.labels[0]} moves to" if self.labels else ""
        return f"a new version{above}{label}"


@dataclass(frozen=True)
class NewPromptFile:
    """A file without an id: a prompt that an engineer wrote."""

    path: str
    prompt: Prompt
    label: str


class AdoptedSide(StrEnum):
    PLATFORM = "platform"
    REPOSITORY = "repository"


@dataclass(frozen=True)
class AdoptRequest:
    """A person's choice of the side whose text is taken, where both sides have one."""

    side: AdoptedSide
    names: tuple[str, ...] = ()  # names and globs of the prompts that are meant; none: all

    def find_side(self, name: str) -> AdoptedSide | None:
        """Find the side that was chosen for the prompt of this name; None without a choice."""
        return self.side if PromptSelection(self.names).may_match_name(name) else None


def describe_unpublished_fields(file: Prompt, platform: Prompt) -> str | None:
    """Describe the name and tags in a file that differ from PromptLayer's: no version carries
    them. None where they are equal."""
    differences = []
    if file.name != platform.name:
        differences.append(f"`name` is {file.name!r} here and {platform.name!r} in PromptLayer")
    if set(file.tags) != set(platform.tags):
        here, there = (", ".join(sorted(tags)) for tags in (file.tags, platform.tags))
        differences.append(f"`tags` are [{here}] here and [{there}] in PromptLayer")
    if not differences:
        return None
    return f"{' and '.join(differences)}, and a file cannot change that: change it in PromptLayer"


def apply_adopted_side(
    comparison: DriftComparison,
    side: AdoptedSide | None,
    platform: Prompt | None,
    base: BaseBranchFile | None,
) -> DriftComparison:
    """The comparison as it is once a person has chosen a side. It stays where there is nothing to
    choose: one side has no text that could be taken, or both mean the same."""
    if platform is None or base is None:
        return comparison
    if base.prompt is not None and base.prompt.digest == platform.digest:
        return comparison
    if side is AdoptedSide.PLATFORM:
        return DriftComparison(DriftStatus.PLATFORM_AHEAD, "PromptLayer's text was chosen")
    if side is AdoptedSide.REPOSITORY and base.prompt is not None:
        return DriftComparison(DriftStatus.REPOSITORY_AHEAD, "the repository's text was chosen")
    return comparison


def merge_if_diverged(
    comparison: DriftComparison, ancestor: Prompt | None, platform: Prompt, repository: Prompt
) -> MergeResult | None:
    """Merge both sides where both moved away from ``ancestor``."""
    if comparison.status is not DriftStatus.BOTH_MOVED or ancestor is None:
        return None
    return merge_prompts(ancestor, platform, repository)


def is_publishable(comparison: DriftComparison, merged: MergeResult | None, file: Prompt) -> bool:
    """Whether a file can be published as it is: it alone was edited, or it holds all that
    PromptLayer changed meanwhile."""
    if merged is None:
        return comparison.status is DriftStatus.REPOSITORY_AHEAD
    return not merged.conflicts and merged.prompt.digest == file.digest
