"""The summary of a proposal, as values: the title, the body and the commit message are rendered
from a ``ProposalSummary`` and from nothing else. Pure.

Except for ``merge_effect`` and links, every string in here may come from a stranger; the renderers
make it harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from bridge.prompts.planning.three_way_merge import MergeConflict
from bridge.prompts.prompt import Prompt


class ChangeKind(Enum):
    """How a change affects the repository; the value is the verb of a title."""

    ADD = "Add"
    UPDATE = "Update"
    MOVE = "Move"
    REMOVE = "Remove"


@dataclass(frozen=True)
class PromptChange:
    """One prompt file that a proposal adds, updates, moves or removes."""

    path: str
    old_path: str | None  # where the file was, when it moves
    label: str  # the label that the file tracks
    before: Prompt | None  # the prompt of the base branch
    after: Prompt | None  # the proposed prompt; None removes the file
    link: str | None = None  # address of the version in PromptLayer
    uses: tuple[str, ...] = ()  # snippets, as a person spells them
    used_by: tuple[str, ...] = ()  # prompts that use this one, when it is a snippet
    reason: str | None = None  # why it is removed: "deleted in PromptLayer"
    is_overwriting: bool = False  # the file was edited in the repository too
    is_merge: bool = False  # and those edits are in ``after``, but for the conflicts
    conflicts: tuple[MergeConflict, ...] = ()  # parts that both sides changed differently
    restores: bool = False  # the file was removed from the repository since both agreed
    label_in_file: str | None = None  # where the file names another one: it was copied
    overtaken: tuple[tuple[int, int], ...] = ()
    """Versions that nobody merged, each with the version of another label's file over it."""

    def __post_init__(self) -> None:
        if self.before is None and self.after is None:
            raise ValueError(f"The change of {self.path!r} needs a prompt before or after it.")

    @property
    def prompt(self) -> Prompt:
        """The prompt as it will be, or as it was when it goes."""
        prompt = self.after or self.before
        assert prompt is not None  # __post_init__ saw to it
        return prompt

    @property
    def kind(self) -> ChangeKind:
        if self.after is None:
            return ChangeKind.REMOVE
        if self.before is None:
            return ChangeKind.ADD
        moved = self.old_path not in (None, self.path)
        return (
            ChangeKind.MOVE if moved or self.before.name != self.after.name else ChangeKind.UPDATE
        )

    @property
    def adds_only_an_id(self) -> bool:
        """Whether the file has the same content already, and lacks only the prompt's id."""
        before, after = self.before, self.after
        return (
            before is not None
            and after is not None
            and before.id is None
            and self.old_path is None
            and (before.digest, before.name) == (after.digest, after.name)
        )

    @property
    def sets_only_the_label(self) -> bool:
        """Whether the file has the same content already, and names another label."""
        before, after = self.before, self.after
        return (
            self.label_in_file is not None
            and self.old_path is None
            and before is not None
            and after is not None
            and (before.digest, before.name) == (after.digest, after.name)
        )

    @property
    def message(self) -> str | None:
        """The editor's message of the version. A rename or an id makes no version, so the older
        message is not theirs."""
        if self.after is None or self.adds_only_an_id or self.sets_only_the_label:
            return None
        if self.before and self.renamed_from and self.before.digest == self.after.digest:
            return None
        return self.after.commit_message

    @property
    def is_conflict(self) -> bool:
        """Whether both sides changed the same part, and merging lets one of the texts go."""
        return self.is_overwriting or bool(self.conflicts)

    @property
    def renamed_from(self) -> str | None:
        """The prompt's name before, where it had another one."""
        if self.before is None or self.after is None or self.before.name == self.after.name:
            return None
        return self.before.name


@dataclass(frozen=True)
class PromptEditor:
    """A person who edited in PromptLayer."""

    name: str
    email: str | None = None
    login: str | None = None  # who that is on the forge, where the roster knows


@dataclass(frozen=True)
class ApprovalRequest:
    """A change of a protected label that waits for approval in PromptLayer."""

    by: str | None
    change: Literal["move", "deletion"]
    label: str
    at: str  # ISO 8601


@dataclass(frozen=True)
class BranchChange:
    """A change by people of one of the bridge's files on the proposal's branch."""

    path: str  # where the file is on the branch, or was
    deed: Literal["edited", "moved", "taken out"]
    people: tuple[str, ...] = ()  # names, as their commits have them
    old_path: str | None = None  # where the bridge wrote it, when it was moved


@dataclass(frozen=True)
class ProposalSummary:
    """Everything a proposal has to say."""

    mapping: str
    changes: tuple[PromptChange, ...]
    editors: tuple[PromptEditor, ...] = ()  # the first is the author
    approval_request: ApprovalRequest | None = None
    merge_effect: str = ""  # a sentence, in Markdown of ours: what merging does
    author_known: bool = True  # False: the author of the newest change is unknown
    branch_changes: tuple[BranchChange, ...] = ()
    branch_conflicts: tuple[str, ...] = ()  # paths that PromptLayer and people changed alike

    @property
    def prompts(self) -> frozenset[int | str]:
        """Which prompts it is about, however many labels of each: ids, or names without one."""
        return frozenset(
            change.prompt.name if change.prompt.id is None else change.prompt.id
            for change in self.changes
        )
