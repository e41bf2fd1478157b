"""Compare what the platform holds with what the base branch holds. Pure.

The answer says who moved, and never who sent an event: the same comparison serves a webhook, the
sweep, the first import and ``plan``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.prompts.prompt import Prompt


class Standing(StrEnum):
    """How platform and repository stand to each other, for one target."""

    IN_STEP = "in step"
    PLATFORM_AHEAD = "platform is ahead"
    REPOSITORY_AHEAD = "repository is ahead"
    BOTH_MOVED = "both moved"


@dataclass(frozen=True)
class BaseFile:
    """The file that a target has on the base branch."""

    path: str
    text: bytes
    prompt: Prompt | None  # None: the file cannot be read as a prompt
    problem: str | None = None  # why not, with line
    label: str | None = None  # what it tracks


@dataclass(frozen=True)
class Comparison:
    standing: Standing
    reason: str  # in words, for tables and logs

    @property
    def proposes(self) -> bool:
        """Whether the platform has something that the repository should be offered."""
        return self.standing in (Standing.PLATFORM_AHEAD, Standing.BOTH_MOVED)


def compare(platform: Prompt | None, base: BaseFile | None, ancestor: Prompt | None) -> Comparison:
    """Who moved? ``ancestor`` is the platform's version that the file says it was taken from;
    None when the file names none, or the platform no longer has it."""
    if platform is None:
        return _gone(base)
    if base is None:
        return Comparison(Standing.PLATFORM_AHEAD, "not in the repository yet")
    if base.prompt is None:
        return Comparison(Standing.BOTH_MOVED, f"the file cannot be read: {base.problem}")
    return _both_there(platform, base.prompt, ancestor)


def _gone(base: BaseFile | None) -> Comparison:
    if base is None:
        return Comparison(Standing.IN_STEP, "on neither side")
    return Comparison(Standing.PLATFORM_AHEAD, "no longer in PromptLayer")


def _both_there(platform: Prompt, base: Prompt, ancestor: Prompt | None) -> Comparison:
    if platform.digest == base.digest:
        return naming(platform, base)
    if ancestor is None:
        return Comparison(Standing.BOTH_MOVED, "the file does not name the version it came from")
    if ancestor.digest == base.digest:
        return Comparison(Standing.PLATFORM_AHEAD, _version_words(platform))
    if ancestor.version == platform.version or ancestor.digest == platform.digest:
        return Comparison(Standing.REPOSITORY_AHEAD, "edited in the repository")
    return Comparison(
        Standing.BOTH_MOVED, f"{_version_words(platform)}, and edited in the repository"
    )


def naming(platform: Prompt, base: Prompt) -> Comparison:
    """Whether a file that says what PromptLayer holds also calls it what PromptLayer does."""
    if platform.name != base.name:
        return Comparison(Standing.PLATFORM_AHEAD, f"renamed in PromptLayer to {platform.name!r}")
    if base.id is None:
        return Comparison(Standing.PLATFORM_AHEAD, "the file does not carry its id yet")
    return Comparison(Standing.IN_STEP, "same content")


def _version_words(platform: Prompt) -> str:
    return f"version {platform.version} in PromptLayer"
