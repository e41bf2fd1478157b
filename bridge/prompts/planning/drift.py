"""Compare PromptLayer's prompt with the file of the base branch. Pure.

The result names the side that moved since both agreed, and never the sender of an event: the same
comparison serves a webhook, the resync, the first import, ``publish`` and ``plan``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bridge.prompts.agreement import Agreement
from bridge.prompts.prompt import Prompt


class DriftStatus(StrEnum):
    """The drift between platform and repository, for one target."""

    IN_STEP = "in step"
    PLATFORM_AHEAD = "platform is ahead"
    REPOSITORY_AHEAD = "repository is ahead"
    BOTH_MOVED = "both moved"


class SideStatus(StrEnum):
    """The change of one side since both agreed."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    UNKNOWN = "unknown"  # it is there, and no agreement is known
    ABSENT = "absent"
    UNREADABLE = "unreadable"  # a file alone: a prompt that cannot be understood is left alone


DELETED_IN_PROMPTLAYER = "deleted in PromptLayer"
_SAME = "same content"
_NEW = "{version} in PromptLayer"
_EDITED = "edited in the repository"
_GONE = "no longer in PromptLayer"
_BROKEN = "the file cannot be read: {problem}"
_REMOVED = "removed from the repository"
_DELETE_OR_RESTORE = f"{_REMOVED}: delete the prompt in PromptLayer, or restore the file"

_PLATFORM, _FILE = SideStatus, SideStatus

STANDINGS: Mapping[tuple[SideStatus, SideStatus], tuple[DriftStatus, str]] = {
    # what PromptLayer holds, what the file says → who is ahead, and why in words. Both sides
    # differ here: where they say the same they are in step, whatever happened.
    (_PLATFORM.UNCHANGED, _FILE.CHANGED): (DriftStatus.REPOSITORY_AHEAD, _EDITED),
    (_PLATFORM.UNCHANGED, _FILE.ABSENT): (DriftStatus.REPOSITORY_AHEAD, _DELETE_OR_RESTORE),
    (_PLATFORM.UNCHANGED, _FILE.UNREADABLE): (DriftStatus.BOTH_MOVED, _BROKEN),
    (_PLATFORM.CHANGED, _FILE.UNCHANGED): (DriftStatus.PLATFORM_AHEAD, _NEW),
    (_PLATFORM.CHANGED, _FILE.CHANGED): (DriftStatus.BOTH_MOVED, f"{_NEW}, and {_EDITED}"),
    (_PLATFORM.CHANGED, _FILE.ABSENT): (
        *(DriftStatus.PLATFORM_AHEAD, f"{_NEW}, and its file was {_REMOVED}"),
    ),
    (_PLATFORM.CHANGED, _FILE.UNREADABLE): (DriftStatus.BOTH_MOVED, f"{_NEW}, and {_BROKEN}"),
    (_PLATFORM.UNKNOWN, _FILE.UNKNOWN): (
        *(DriftStatus.BOTH_MOVED, f"{_NEW}, and nothing tells when both last said the same"),
    ),
    (_PLATFORM.UNKNOWN, _FILE.ABSENT): (DriftStatus.PLATFORM_AHEAD, "not in the repository yet"),
    (_PLATFORM.UNKNOWN, _FILE.UNREADABLE): (DriftStatus.BOTH_MOVED, _BROKEN),
    (_PLATFORM.ABSENT, _FILE.UNCHANGED): (DriftStatus.PLATFORM_AHEAD, _GONE),
    (_PLATFORM.ABSENT, _FILE.CHANGED): (DriftStatus.BOTH_MOVED, f"{_GONE}, and {_EDITED}"),
    (_PLATFORM.ABSENT, _FILE.UNKNOWN): (DriftStatus.PLATFORM_AHEAD, _GONE),
    (_PLATFORM.ABSENT, _FILE.ABSENT): (DriftStatus.IN_STEP, "on neither side"),
    (_PLATFORM.ABSENT, _FILE.UNREADABLE): (DriftStatus.PLATFORM_AHEAD, _GONE),
}


@dataclass(frozen=True)
class BaseBranchFile:
    """The file that a target has on the base branch."""

    path: str
    text: bytes
    prompt: Prompt | None  # None: the file cannot be read as a prompt
    problem: str | None = None  # why not, with line
    label: str | None = None  # what it tracks


@dataclass(frozen=True)
class DriftComparison:
    status: DriftStatus
    reason: str  # in words, for tables and logs
    restores: bool = False  # the platform's text comes back where the file was removed

    @property
    def has_platform_changes(self) -> bool:
        """Whether the platform has something that the repository should be offered."""
        return self.status in (DriftStatus.PLATFORM_AHEAD, DriftStatus.BOTH_MOVED)


def compare_sides(
    platform: Prompt | None,
    base: BaseBranchFile | None,
    agreed: Agreement | None,
    label: str | None = None,
) -> DriftComparison:
    """Compare both sides with their last agreement. ``agreed`` is None without one; ``label`` is
    the label that the file has to track, None where that is not to be compared."""
    if platform and base and base.prompt and platform.digest == base.prompt.digest:
        return compare_names(platform, base.prompt, base.label, label)
    if (
        platform
        and base
        and base.prompt
        and _is_edited_since_declined(platform, base.prompt, agreed)
    ):
        return DriftComparison(DriftStatus.REPOSITORY_AHEAD, _EDITED)
    sides = _platform_status(platform, agreed), _file_status(base, agreed)
    standing, words = STANDINGS[sides]
    version = f"version {platform.version}" if platform else ""
    problem = base.problem if base else None
    restores = sides == (SideStatus.CHANGED, SideStatus.ABSENT)
    return DriftComparison(standing, words.format(version=version, problem=problem), restores)


def _platform_status(platform: Prompt | None, agreed: Agreement | None) -> SideStatus:
    if platform is None:
        return SideStatus.ABSENT
    if agreed is None or agreed.repository is None:
        return SideStatus.UNKNOWN
    if agreed.platform is None:
        return SideStatus.CHANGED  # it was gone since
    number = platform.version
    same = (number is not None and number == agreed.version) or platform.digest == agreed.platform
    return SideStatus.UNCHANGED if same else SideStatus.CHANGED


def _file_status(base: BaseBranchFile | None, agreed: Agreement | None) -> SideStatus:
    if base is None:
        return SideStatus.ABSENT
    if base.prompt is None:
        return SideStatus.UNREADABLE
    if agreed is None or agreed.repository is None:
        return SideStatus.UNKNOWN
    same = base.prompt.digest == agreed.repository
    return SideStatus.UNCHANGED if same else SideStatus.CHANGED


def _is_edited_since_declined(platform: Prompt, file: Prompt, agreed: Agreement | None) -> bool:
    """Whether a person declined PromptLayer's present text, and the file was edited since. A
    decline concerns one text: a later edit of the file is published."""
    declined = agreed.declined if agreed else None
    if declined is None or platform.version != declined.version:
        return False
    if not platform.digest.startswith(declined.platform):
        return False
    return not (declined.repository and file.digest.startswith(declined.repository))


def compare_names(
    platform: Prompt, base: Prompt, tracked: str | None = None, label: str | None = None
) -> DriftComparison:
    """Compare name and label where both sides have the same text: the file has to have
    PromptLayer's name, and to track ``label`` (``tracked`` is its present one)."""
    if platform.name != base.name:
        reason = f"the file says `name: {base.name}`, and PromptLayer calls it {platform.name!r}"
        return DriftComparison(DriftStatus.PLATFORM_AHEAD, reason)
    if base.id is None:
        return DriftComparison(DriftStatus.PLATFORM_AHEAD, "the file does not carry its id yet")
    if label is not None and tracked not in (label, None):
        return DriftComparison(
            DriftStatus.PLATFORM_AHEAD, f"the file says `label: {tracked}` and is that of {label}"
        )
    return DriftComparison(DriftStatus.IN_STEP, _SAME)


def with_text_of(platform: Prompt, file: Prompt) -> Prompt:
    """PromptLayer's prompt with the text of its file."""
    return replace(
        platform,
        template=file.template,
        metadata=file.metadata,
        extra=file.extra,
        version=file.version,
    )
