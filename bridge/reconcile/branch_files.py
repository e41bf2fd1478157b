"""Read the prompt files of a branch with commits of people, and the bridge's last version of
each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.errors import StaleStateError
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.planning.plan import FileEdit, build_content_name
from bridge.prompts.pull_request.commit_message import parse_trailers
from bridge.prompts.pull_request.metadata import PullRequestMetadata
from bridge.prompts.target import Target
from bridge.reconcile.proposal_branch import FOLLOW_UP_TRAILER, BranchTip
from bridge.reconcile.read_sources import BaseFiles, read_files
from bridge.repo.commit import GitCommit
from bridge.repo.snapshot import TreeEntry


@dataclass(frozen=True)
class WrittenFile:
    """A prompt's file as the bridge wrote it last on a branch."""

    path: str | None  # None: unknown
    version: int | None  # PromptLayer's, that it was written from
    removed: bool = False  # the bridge took the file away
    file: BaseBranchFile | None = None  # with what others wrote in it, where it was merged
    exact: bool = False  # nothing of others is in ``file``


@dataclass(frozen=True)
class BranchFiles:
    """The files of a branch with commits of people."""

    base_files: BaseFiles  # the base branch as it is now
    tip: BranchTip
    here: BaseFiles  # the branch's newest commit
    written: Mapping[Target, WrittenFile]
    onto: Mapping[str, TreeEntry]  # what the branch stands on

    @classmethod
    def read(
        cls, base_files: BaseFiles, tip: BranchTip, metadata: PullRequestMetadata | None
    ) -> BranchFiles:
        context, snapshot = base_files.context, base_files.snapshot
        here = BaseFiles.read_at_commit(context, snapshot, tip.commit.object_id, base_files.index)
        onto = base_files.entries
        if tip.base_commit_id is not None and tip.base_commit_id != base_files.commit:
            onto = _entries(base_files, tip.base_commit_id)
        return cls(base_files, tip, here, _find_written(base_files, tip, metadata), onto)

    def find(self, homes: Mapping[Target, str]) -> dict[Target, BaseBranchFile]:
        """Find the branch's files of these targets, each first at its path. A file that lost its
        id still belongs to the target of its path."""
        found = self.here.find(homes)
        entries = self.here.entries
        lost = {t: path for t, path in homes.items() if t not in found and path in entries}
        files = read_files(self.here.snapshot, entries, lost.values())
        return found | {
            target: files[path]
            for target, path in lost.items()
            if not self._belongs_to_another(target, path)
        }

    def _belongs_to_another(self, target: Target, path: str) -> bool:
        owner = self.here.find_target_by_path({path: self.here.entries[path]}).get(path)
        return owner is not None and owner != target

    def get_written_path(self, target: Target, edit: FileEdit | None) -> str:
        """The path at which the bridge wrote a target's file, or would write it; "" where there
        is none."""
        written = self.written.get(target)
        if written is not None and written.path is not None:
            return written.path
        return edit.change.path if edit else ""

    def find_reverted_targets(self, edits: Mapping[Target, FileEdit]) -> frozenset[Target]:
        """Find the edits that people reverted on the branch to the content of its base, unless
        PromptLayer has something newer."""
        asked = {
            t: self.get_written_path(t, edit)
            for t, edit in edits.items()
            if (written := self.written.get(t)) and not self.has_newer_prompt(edit, written)
        }
        found = self.find(asked)
        return frozenset(t for t in asked if self._is_undone(found.get(t), edits[t]))

    def _is_undone(self, there: BaseBranchFile | None, edit: FileEdit) -> bool:
        if there is None:
            return edit.text is not None
        entry = self.onto.get(there.path)
        return entry is not None and entry == self.here.entries.get(there.path)

    def has_newer_prompt(self, edit: FileEdit, written: WrittenFile) -> bool:
        """Whether PromptLayer has something else than the bridge wrote."""
        after = edit.change.after
        if after is None or written.removed:
            return (after is None) != written.removed
        if written.exact and written.file and written.file.prompt:
            then = written.file.prompt
            return (then.digest, then.name) != (after.digest, after.name)
        return written.version != after.version


def keep_out(
    files: BranchFiles | None,
    metadata: PullRequestMetadata | None,
    edits: Mapping[Target, FileEdit],
) -> frozenset[Target]:
    """Find the targets that people took out of the proposal: on the branch now, or earlier with
    the same content and not put back since."""
    taken_out = set(metadata.taken_out if metadata else ())
    before = {
        target
        for target, edit in edits.items()
        if (target.prompt_id, target.label, build_content_name(edit)) in taken_out
    }
    if files is None:
        return frozenset(before)
    back = files.find({target: files.get_written_path(target, edits[target]) for target in before})
    still = {
        t for t in before if t not in back or files.onto.get(back[t].path) == _entry(files, back[t])
    }
    return files.find_reverted_targets(edits) | still


def _entry(files: BranchFiles, there: BaseBranchFile) -> TreeEntry | None:
    return files.here.entries.get(there.path)


def _entries(base_files: BaseFiles, commit: str) -> Mapping[str, TreeEntry]:
    try:
        return base_files.snapshot.list_entries(commit, base_files.context.folder)
    except StaleStateError:
        return base_files.entries


def _find_written(
    base_files: BaseFiles, tip: BranchTip, metadata: PullRequestMetadata | None
) -> dict[Target, WrittenFile]:
    """Find the files that the bridge wrote: in its own commit, or as the versions that its
    trailers name."""
    commit = tip.newest_bridge_commit
    if commit is not None and FOLLOW_UP_TRAILER not in commit.message:
        try:
            return _read_written(base_files, commit)
        except StaleStateError:  # rewritten long ago
            pass
    mapping = base_files.context.mapping.name
    trailers = parse_trailers(
        commit.message if commit else tip.trailer_commit.message if tip.trailer_commit else ""
    )
    versions = {Target(mapping, each.prompt_id, each.label): each.version for each in trailers}
    if not versions and metadata is not None:
        versions = {Target(mapping, id, label): version for id, label, version in metadata.versions}
    texts = _read_texts(base_files, commit, versions) if commit else {}
    return {
        target: WrittenFile(
            texts[target].path if target in texts else None,
            version,
            removed=version is None and target not in texts,
            file=texts.get(target),
        )
        for target, version in versions.items()
    }


def _read_texts(
    base_files: BaseFiles, commit: GitCommit, targets: Iterable[Target]
) -> dict[Target, BaseBranchFile]:
    """The files of a commit of the bridge that is on top of others'."""
    try:
        there = BaseFiles.read_at_commit(
            base_files.context, base_files.snapshot, commit.object_id, base_files.index
        )
        return there.find(dict.fromkeys(targets, ""))
    except StaleStateError:
        return {}


def _read_written(base_files: BaseFiles, commit: GitCommit) -> dict[Target, WrittenFile]:
    """Read the files that a commit of the bridge changed, which stands directly on the base."""
    context, snapshot = base_files.context, base_files.snapshot
    changes = snapshot.find_changes(commit.parents[0], commit.object_id, context.folder)
    left = {path: after for path, (_, after) in changes.items() if after}
    went = {path: before for path, (before, after) in changes.items() if before and not after}
    files = read_files(snapshot, left, left)
    found = {
        target: WrittenFile(path, file.prompt.version if file.prompt else None, False, file, True)
        for path, target in base_files.find_target_by_path(left).items()
        for file in [files[path]]
    }
    gone = {
        target: WrittenFile(path, None, removed=True)
        for path, target in base_files.find_target_by_path(went).items()
    }
    return gone | found
