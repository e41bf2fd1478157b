"""What a branch that people worked on holds of each prompt, beside what the bridge wrote there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.errors import Stale
from bridge.prompts.compare import BaseFile
from bridge.prompts.memory import Memory
from bridge.prompts.plan import Edit, content_name
from bridge.prompts.target import Target
from bridge.prompts.text import trailers
from bridge.repo.commit import Commit
from bridge.repo.snapshot import Entry
from bridge.steps.branch import FOLLOW_UP, Tip
from bridge.steps.observe import BaseFiles, base_file


@dataclass(frozen=True)
class WrittenFile:
    """A prompt's file as the bridge wrote it last on a branch."""

    path: str | None  # None: nobody knows any more
    version: int | None  # PromptLayer's, that it was written from
    removed: bool = False  # the bridge took the file away
    file: BaseFile | None = None  # with what others wrote in it, where it was merged
    exact: bool = False  # nothing of others is in ``file``


@dataclass(frozen=True)
class BranchFiles:
    """The files of a branch with commits of people."""

    base: BaseFiles  # the base branch as it is now
    tip: Tip
    here: BaseFiles  # the branch's newest commit
    written: Mapping[Target, WrittenFile]
    onto: Mapping[str, Entry]  # what the branch stands on

    @classmethod
    def read(cls, base: BaseFiles, tip: Tip, memory: Memory | None) -> BranchFiles:
        site, snapshot = base.site, base.snapshot
        here = BaseFiles.at(site, snapshot, tip.commit.object_name, base.index)
        onto = base.entries
        if tip.onto is not None and tip.onto != base.commit:
            onto = _entries(base, tip.onto)
        return cls(base, tip, here, _find_written(base, tip, memory), onto)

    def find(self, homes: Mapping[Target, str]) -> dict[Target, BaseFile]:
        """The branch's files of these targets; each is first looked for at its place. One that
        does not say any more whose it is still is the one at its place."""
        found = self.here.find(homes)
        entries = self.here.entries
        lost = {t: path for t, path in homes.items() if t not in found and path in entries}
        texts = self.here.snapshot.read({entries[path].object_name for path in lost.values()})
        site = self.here.site
        return found | {
            target: base_file(path, texts[entries[path].object_name], site)
            for target, path in lost.items()
            if not self._belongs_to_another(target, path)
        }

    def _belongs_to_another(self, target: Target, path: str) -> bool:
        owner = self.here.owned({path: self.here.entries[path]}).get(path)
        return owner is not None and owner != target

    def home(self, target: Target, edit: Edit | None) -> str:
        """Where the bridge put a target's file, or would."""
        written = self.written.get(target)
        if written is not None and written.path is not None:
            return written.path
        return edit.change.path if edit else ""

    def find_taken_out(self, edits: Mapping[Target, Edit]) -> frozenset[Target]:
        """Of these, what the bridge wrote on the branch and people made again what it is on the
        base, as long as PromptLayer has nothing newer."""
        asked = {
            t: self.home(t, edit)
            for t, edit in edits.items()
            if (written := self.written.get(t)) and not self.is_news(edit, written)
        }
        found = self.find(asked)
        return frozenset(t for t in asked if self._is_undone(found.get(t), edits[t]))

    def _is_undone(self, there: BaseFile | None, edit: Edit) -> bool:
        if there is None:
            return edit.text is not None
        entry = self.onto.get(there.path)
        return entry is not None and entry == self.here.entries.get(there.path)

    def is_news(self, edit: Edit, written: WrittenFile) -> bool:
        """Whether PromptLayer has something else than the bridge wrote."""
        after = edit.change.after
        if after is None or written.removed:
            return (after is None) != written.removed
        if written.exact and written.file and written.file.prompt:
            then = written.file.prompt
            return (then.digest, then.name) != (after.digest, after.name)
        return written.version != after.version


def keep_out(
    files: BranchFiles | None, memory: Memory | None, edits: Mapping[Target, Edit]
) -> frozenset[Target]:
    """Of these targets, those that people took out of the proposal: now, or earlier with the same
    content, and have not put back."""
    told = set(memory.taken_out if memory else ())
    before = {
        target
        for target, edit in edits.items()
        if (target.prompt_id, target.label, content_name(edit)) in told
    }
    if files is None:
        return frozenset(before)
    back = files.find({target: files.home(target, edits[target]) for target in before})
    still = {
        t for t in before if t not in back or files.onto.get(back[t].path) == _entry(files, back[t])
    }
    return files.find_taken_out(edits) | still


def _entry(files: BranchFiles, there: BaseFile) -> Entry | None:
    return files.here.entries.get(there.path)


def _entries(base: BaseFiles, commit: str) -> Mapping[str, Entry]:
    try:
        return base.snapshot.entries(commit, base.site.folder)
    except Stale:
        return base.entries


def _find_written(base: BaseFiles, tip: Tip, memory: Memory | None) -> dict[Target, WrittenFile]:
    """What the bridge wrote: in its own commit, or as PromptLayer's versions of that number."""
    commit = tip.written
    if commit is not None and FOLLOW_UP not in commit.message:
        try:
            return _read_written(base, commit)
        except Stale:  # rewritten long ago
            pass
    mapping = base.site.mapping.name
    told = trailers(commit.message if commit else tip.told.message if tip.told else "")
    versions = {Target(mapping, each.prompt_id, each.label): each.version for each in told}
    if not versions and memory is not None:
        versions = {Target(mapping, id, label): version for id, label, version in memory.versions}
    texts = _read_texts(base, commit, versions) if commit else {}
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
    base: BaseFiles, commit: Commit, targets: Iterable[Target]
) -> dict[Target, BaseFile]:
    """The files of a commit of the bridge that is on top of others'."""
    try:
        there = BaseFiles.at(base.site, base.snapshot, commit.object_name, base.index)
        return there.find(dict.fromkeys(targets, ""))
    except Stale:
        return {}


def _read_written(base: BaseFiles, commit: Commit) -> dict[Target, WrittenFile]:
    """What a commit of the bridge changed that stands on the base alone."""
    site, snapshot = base.site, base.snapshot
    changes = snapshot.changes(commit.parents[0], commit.object_name, site.folder)
    left = {path: after for path, (_, after) in changes.items() if after}
    went = {path: before for path, (before, after) in changes.items() if before and not after}
    texts = snapshot.read({entry.object_name for entry in left.values()})
    found = {
        target: WrittenFile(path, file.prompt.version if file.prompt else None, False, file, True)
        for path, target in base.owned(left).items()
        for file in [base_file(path, texts[left[path].object_name], site)]
    }
    gone = {
        target: WrittenFile(path, None, removed=True) for path, target in base.owned(went).items()
    }
    return gone | found
