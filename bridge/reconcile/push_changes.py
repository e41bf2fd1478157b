"""Find the targets that a push to the base branch changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridge.errors import BridgeError
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.planning.publication import NewPromptFile
from bridge.prompts.target import Target
from bridge.reconcile.file_owners import find_prompt_files
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.new_files import NewFiles, OrphanFile, find_new_files
from bridge.reconcile.publish_files import find_prompt_by_name
from bridge.reconcile.read_sources import BaseFiles, read_files
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.repo.snapshot import RepositorySnapshot, TreeEntry

_REACH = 100  # commits that are walked back on each line


@dataclass(frozen=True)
class PushChanges:
    """The changes between two commits in the mapping's folder."""

    before: BaseFiles
    after: BaseFiles
    targets: Mapping[Target, str]  # target → the prompt's name, as its file has it
    new_prompts: tuple[NewPromptFile, ...]
    mistakes: tuple[str, ...]
    deleted_targets: frozenset[Target] = frozenset()  # targets whose last file went
    orphans: tuple[OrphanFile, ...] = ()
    paths: frozenset[str] = frozenset()  # of all files that differ

    @property
    def snapshot(self) -> RepositorySnapshot:
        return self.after.snapshot


def find_push_changes(
    context: MappingContext,
    index: PromptFileIndex,
    snapshot: RepositorySnapshot,
    before: str,
    after: str,
) -> PushChanges:
    """Find the prompt files that differ between two commits, by target. Raises StaleStateError
    when the server has one of the commits no longer."""
    older = BaseFiles.read_at_commit(context, snapshot, before, index)
    newer = BaseFiles.read_at_commit(context, snapshot, after, index)
    differing = {
        path
        for path in older.entries.keys() | newer.entries.keys()
        if older.entries.get(path) != newer.entries.get(path)
    }
    here = {path: newer.entries[path] for path in differing if path in newer.entries}
    gone = {path: older.entries[path] for path in differing if path not in newer.entries}
    owned = newer.find_all_targets()
    found, mistakes, names = _new(newer, here, owned)
    targets = _named(older, gone) | _named(newer, here)
    targets |= {target: names[path] for target, path in found.existing.items()}
    deleted = frozenset(older.find_target_by_path(gone).values()) - owned.keys()
    return PushChanges(
        older,
        newer,
        targets,
        tuple(found.new_prompts),
        mistakes,
        deleted,
        tuple(found.orphans),
        frozenset(differing),
    )


def _named(base_files: BaseFiles, entries: Mapping[str, TreeEntry]) -> dict[Target, str]:
    owned = base_files.find_target_by_path(entries)
    named = {}
    for path, file in read_files(base_files.snapshot, entries, owned).items():
        target, prompt = owned[path], file.prompt
        named[target] = prompt.name if prompt else ""
        if prompt and (label := base_files.context.find_label_at(prompt, path)) is not None:
            named[replace(target, label=label)] = prompt.name  # where a copy may stand
    return {t: name for t, name in named.items() if t.label in base_files.context.mapping.track}


def _new(
    base_files: BaseFiles, entries: Mapping[str, TreeEntry], owned: Mapping[Target, str]
) -> tuple[NewFiles, tuple[str, ...], dict[str, str]]:
    """Classify the files without an id; returns them, the mistakes in any of these files, and
    the prompt's name in each file without an id."""
    context, snapshot = base_files.context, base_files.snapshot
    owners = find_prompt_files(context, snapshot, base_files.index, entries, {})
    read = read_files(snapshot, entries, owners)
    without_id = [read[path] for path, owner in sorted(owners.items()) if owner.prompt_id is None]
    found = find_new_files(context, without_id, _known(context, without_id), owned)
    broken = (
        file.problem
        for path, file in sorted(read.items())
        if file.problem is not None and owners[path].prompt_id is not None
    )
    names = {file.path: file.prompt.name for file in without_id if file.prompt}
    return found, (*found.mistakes, *broken), names


def _known(context: MappingContext, files: list[BaseBranchFile]) -> dict[str, int]:
    """The names among these that PromptLayer has already, with their ids."""
    prompts = (find_prompt_by_name(context, file.prompt.name) for file in files if file.prompt)
    return {prompt.name: prompt.id for prompt in prompts if prompt and prompt.id is not None}


def find_fork_point(snapshot: RepositorySnapshot, head: str) -> str | None:
    """Find the commit at which a branch left the base branch, along first parents; None where it
    is more than 100 commits back."""
    base = {commit.object_id for commit in snapshot.read_history(snapshot.commit, _never, _REACH)}
    try:
        line = snapshot.read_history(head, lambda commit: commit.object_id in base, _REACH)
    except BridgeError:
        return None
    return line[-1].object_id if line and line[-1].object_id in base else None


def _never(_: object) -> bool:
    return False
