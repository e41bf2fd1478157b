"""Read the changes that a branch proposes already: the files that the bridge's commit on it
changed.

A rolling proposal of thousands of prompts is not read anew for one event: an edit of a target that
is not reconciled now stays as it is, unless the base branch changed its file.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.planning.plan import FileEdit
from bridge.prompts.pull_request.proposal_summary import PromptChange
from bridge.prompts.target import Target
from bridge.reconcile.proposal_branch import BranchTip, find_file_changes
from bridge.reconcile.read_sources import BaseFiles, read_files
from bridge.repo.tree_entries import TreeEntryChange


@dataclass
class ExistingEdits:
    """The branch's changes against the present base. They are read in the constructor: before
    Python 3.12 a cached property holds one lock for all instances, so one repository that
    hangs would block all others."""

    base_files: BaseFiles
    tip: BranchTip | None
    changes: dict[str, TreeEntryChange] = field(init=False)
    """Path → what the bridge's commit found there, and what it left."""
    target_by_path: dict[str, Target] = field(init=False)
    """Path → the target that each of these files belongs to, or belonged to."""

    def __post_init__(self) -> None:
        self.changes = (
            find_file_changes(self.base_files.context, self.base_files.snapshot, self.tip)
            if self.tip
            else {}
        )
        entries = {path: e for path, some in self.changes.items() if (e := some[1] or some[0])}
        self.target_by_path = self.base_files.find_target_by_path(entries) if entries else {}

    @property
    def outdated_targets(self) -> frozenset[Target]:
        """The targets whose file changed on the base branch since the bridge's commit."""
        now = self.base_files.entries
        return frozenset(
            target
            for path, target in self.target_by_path.items()
            if self.changes[path][0] != now.get(path)
        )

    def build_edits(self, reconciled: Collection[Target]) -> list[FileEdit]:
        """Build the edits of targets that are not reconciled now: they stay as they are."""
        done = set(reconciled)
        left = {target for path, target in self.target_by_path.items() if self.changes[path][1]}
        stay = {
            path: target
            for path, target in self.target_by_path.items()
            if target not in done and (self.changes[path][1] or target not in left)
        }
        if not stay:
            return []
        entries = {path: entry for path in stay if (entry := self.changes[path][1])}
        files = read_files(self.base_files.snapshot, entries, entries)
        homes = {target: path for path, target in stay.items()}
        base = self.base_files.find(homes)
        kept = (
            self._build_edit(path, target, files.get(path), base.get(target))
            for path, target in stay.items()
        )
        return [edit for edit in kept if edit is not None]

    @staticmethod
    def _build_edit(
        path: str, target: Target, file: BaseBranchFile | None, base: BaseBranchFile | None
    ) -> FileEdit | None:
        before = base.prompt if base else None
        if file is None:
            if base is None or base.path != path or before is None:
                return None  # gone from the base too, or one half of a move
            change = PromptChange(path, None, target.label, before, None, reason="proposed before")
            return FileEdit(change, None, base.text)
        if file.prompt is None:
            return None
        old_path = base.path if base and base.path != path else None
        change = PromptChange(path, old_path, target.label, before, file.prompt)
        return FileEdit(change, file.text, base.text if base else None)
