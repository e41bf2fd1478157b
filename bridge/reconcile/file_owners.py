"""Assign each prompt file of a folder to its target, or report it as new, as an orphan or as a
mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bridge.prompts.planning.publication import NewPromptFile
from bridge.prompts.prompt import LATEST, Prompt
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.new_files import (
    OrphanFile,
    describe_duplicate_file,
    find_new_files,
    find_untracked,
)
from bridge.reconcile.read_sources import read_files
from bridge.repo.prompt_file_index import PromptFileIndex, PromptFileOwner
from bridge.repo.snapshot import RepositorySnapshot, TreeEntry


@dataclass
class AssignedFiles:
    places: dict[Target, str] = field(default_factory=dict)  # target → its one file
    new: list[NewPromptFile] = field(default_factory=list)
    orphans: list[OrphanFile] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)  # with path and line


def find_prompt_files(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    index: PromptFileIndex,
    entries: Mapping[str, TreeEntry],
    homes: Mapping[Target, str],
) -> dict[str, PromptFileOwner]:
    """Find the prompt files: path → owner. A file without the header of a prompt file counts
    only at the path of a listed prompt (``homes``), or where the mapping's template may put
    one."""
    places = frozenset(homes.values())
    return {
        path: owner
        for path, owner in context.place_owners(index.find_owners(snapshot, entries)).items()
        if owner.is_marked or path in places or context.may_hold_prompt(path)
    }


def assign_files(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    entries: Mapping[str, TreeEntry],
    owners: Mapping[str, PromptFileOwner],
    homes: Mapping[Target, str],
    claimed: Mapping[Target, str],
    known: Mapping[str, int],
) -> AssignedFiles:
    """Assign every file of ``owners`` to a target, or report it as a new prompt's, an orphan or
    a mistake. ``homes`` are the paths of listed prompts, ``claimed`` the files that equal
    PromptLayer's prompt, and ``known`` the names of its prompts with their ids."""
    found = AssignedFiles()
    _note_orphans(context, snapshot, entries, owners, found)
    owned = _owned(context, owners, homes, claimed, known, found)
    without_id = [path for path, owner in owners.items() if owner.prompt_id is None]
    files = read_files(snapshot, entries, without_id).values()
    others = find_new_files(context, files, known, {**claimed, **owned})
    for target in [one for one in others.existing if one.label == LATEST and one not in homes]:
        reason = (
            f"PromptLayer's prompt {target.prompt_id} has this name, and mapping"
            f" {context.mapping.name} does not follow it: look at its folder and its tags there"
        )
        found.orphans.append(OrphanFile(others.existing.pop(target), reason))
    found.places = others.existing | _at_home(owners, homes) | owned
    found.new += others.new_prompts
    found.orphans += others.orphans
    found.mistakes += others.mistakes
    return found


def _note_orphans(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    entries: Mapping[str, TreeEntry],
    owners: Mapping[str, PromptFileOwner],
    found: AssignedFiles,
) -> None:
    """Files with an id that no target of the mapping has."""
    unlabelled = []
    for path, owner in sorted(owners.items()):
        if owner.prompt_id is None:
            continue
        if owner.label is None:
            unlabelled.append(path)
        elif owner.label not in context.mapping.track:
            found.orphans += find_untracked(context, path, owner.label)
    files = read_files(snapshot, entries, unlabelled).values()
    found.mistakes += [file.problem for file in files if file.problem is not None]


def _owned(
    context: MappingContext,
    owners: Mapping[str, PromptFileOwner],
    homes: Mapping[Target, str],
    claimed: Mapping[Target, str],
    known: Mapping[str, int],
    found: AssignedFiles,
) -> dict[Target, str]:
    """Target → the file with its id: the one that stands where it belongs, or the first by name."""
    owned = [
        (Target(context.mapping.name, owner.prompt_id, owner.label), path)
        for path, owner in owners.items()
        if owner.prompt_id is not None and owner.label in context.mapping.track
    ]
    names = {id: name for name, id in known.items()}
    places: dict[Target, str] = {}
    for target, path in sorted(owned, key=lambda one: (homes.get(one[0]) != one[1], one[1])):
        first = claimed.get(target) or places.setdefault(target, path)
        if first == path:
            continue
        other = _find_copied(context, target, path, names.get(target.prompt_id, ""))
        if other is not None and other not in claimed:
            places[other] = path
        else:
            found.mistakes.append(
                describe_duplicate_file(path, str(target.prompt_id), target.label, first)
            )
    return places


def _find_copied(context: MappingContext, target: Target, path: str, name: str) -> Target | None:
    """Find the target at whose path a copy of another label's file stands: the copy is that
    target's file. A prompt that was renamed since has its files at the former name still."""
    label = context.find_label_at(Prompt(name, {}, id=target.prompt_id), path)
    label = label or context.find_label_of_path(path)
    return replace(target, label=label) if label not in (None, target.label) else None


def _at_home(
    owners: Mapping[str, PromptFileOwner], homes: Mapping[Target, str]
) -> dict[Target, str]:
    """Find files at the paths of listed prompts whose header lacks the id or the label."""
    return {
        target: path
        for target, path in homes.items()
        if (owner := owners.get(path)) is not None
        and owner.is_marked
        and owner.prompt_id in (target.prompt_id, None)
        and owner.label in (target.label, None)
    }
