"""Follow the base branch: which targets did a push change?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridge.errors import BridgeError
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.planning.publication import NewPromptFile
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.new_files import NewFiles, OrphanFile, find_new_files
from bridge.reconcile.publish_files import find_prompt_by_name
from bridge.reconcile.read_sources import BaseFiles, parse_base_file
from bridge.repo.prompt_file_index import PromptFileIndex
from bridge.repo.snapshot import RepositorySnapshot, TreeEntry


@dataclass(frozen=True)
class PushChanges:
    """What changed between two commits of the mapping's folder."""

    snapshot: RepositorySnapshot
    targets: Mapping[Target, str]  # target → the prompt's name, as its file has it
    new_prompts: tuple[NewPromptFile, ...]
    mistakes: tuple[str, ...]
    deleted_targets: frozenset[Target] = frozenset()  # targets whose last file went
    orphans: tuple[OrphanFile, ...] = ()
    paths: frozenset[str] = frozenset()  # of all files that differ


def find_push_changes(
    context: MappingContext,
    index: PromptFileIndex,
    snapshot: RepositorySnapshot,
    before: str,
    after: str,
) -> PushChanges:
    """The prompt files that differ between two commits, by whom they belong to. Raises
    StaleStateError when the server has one of them no longer."""
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
        snapshot,
        targets,
        tuple(found.new_prompts),
        mistakes,
        deleted,
        tuple(found.orphans),
        frozenset(differing),
    )


def _named(base_files: BaseFiles, entries: Mapping[str, TreeEntry]) -> dict[Target, str]:
    owned = base_files.find_target_by_path(entries)
    texts = base_files.snapshot.read_blobs({entries[path].object_id for path in owned})
    named = {}
    for path, target in owned.items():
        prompt = parse_base_file(path, texts[entries[path].object_id], base_files.context).prompt
        named[target] = prompt.name if prompt else ""
        if prompt and (label := base_files.context.label_at(prompt, path)) is not None:
            named[replace(target, label=label)] = prompt.name  # where a copy may stand
    return {t: name for t, name in named.items() if t.label in base_files.context.mapping.track}


def _new(
    base_files: BaseFiles, entries: Mapping[str, TreeEntry], owned: Mapping[Target, str]
) -> tuple[NewFiles, tuple[str, ...], dict[str, str]]:
    """What becomes of the files without an id, what is wrong in any of these files, and the name
    that each file without an id gives its prompt."""
    owners = {
        path: owner
        for path, owner in base_files.index.find_owners(base_files.snapshot, entries).items()
        if owner.is_marked or base_files.context.expects(path)
    }
    texts = base_files.snapshot.read_blobs({entries[path].object_id for path in owners})
    read = {
        path: parse_base_file(path, texts[entries[path].object_id], base_files.context)
        for path in owners
    }
    without_id = [read[path] for path, owner in sorted(owners.items()) if owner.prompt_id is None]
    found = find_new_files(
        base_files.context, without_id, _known(base_files.context, without_id), owned
    )
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


def find_fork_point(snapshot: RepositorySnapshot, head: str, reach: int = 100) -> str | None:
    """Where a branch left the base branch, along first parents; None where that is too far back
    to be found."""
    base = {commit.object_id for commit in snapshot.read_history(snapshot.commit, _never, reach)}
    try:
        line = snapshot.read_history(head, lambda commit: commit.object_id in base, reach)
    except BridgeError:
        return None
    return line[-1].object_id if line and line[-1].object_id in base else None


def _never(_: object) -> bool:
    return False
