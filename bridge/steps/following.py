"""Follow the base branch: which targets did a push change?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridge.errors import BridgeError
from bridge.prompts.compare import BaseFile
from bridge.prompts.publication import NewPrompt
from bridge.prompts.target import Target
from bridge.repo.index import FileIndex
from bridge.repo.snapshot import Entry, Snapshot
from bridge.steps.newcomers import Newcomers, OrphanFile, newcomers
from bridge.steps.observe import BaseFiles, base_file
from bridge.steps.publish import find_by_name
from bridge.steps.site import Site


@dataclass(frozen=True)
class Followed:
    """What changed between two commits of the mapping's folder."""

    snapshot: Snapshot
    targets: Mapping[Target, str]  # target → the prompt's name, as its file has it
    new: tuple[NewPrompt, ...]
    mistakes: tuple[str, ...]
    deleted: frozenset[Target] = frozenset()  # targets whose last file went
    orphans: tuple[OrphanFile, ...] = ()
    paths: frozenset[str] = frozenset()  # of all files that differ


def changed(site: Site, index: FileIndex, snapshot: Snapshot, before: str, after: str) -> Followed:
    """The prompt files that differ between two commits, by whom they belong to. Raises Stale when
    the server has one of them no longer."""
    older = BaseFiles.at(site, snapshot, before, index)
    newer = BaseFiles.at(site, snapshot, after, index)
    differing = {
        path
        for path in older.entries.keys() | newer.entries.keys()
        if older.entries.get(path) != newer.entries.get(path)
    }
    here = {path: newer.entries[path] for path in differing if path in newer.entries}
    gone = {path: older.entries[path] for path in differing if path not in newer.entries}
    owned = newer.all()
    found, mistakes, names = _new(newer, here, owned)
    targets = _named(older, gone) | _named(newer, here)
    targets |= {target: names[path] for target, path in found.existing.items()}
    deleted = frozenset(older.owned(gone).values()) - owned.keys()
    return Followed(
        snapshot,
        targets,
        tuple(found.new),
        mistakes,
        deleted,
        tuple(found.orphans),
        frozenset(differing),
    )


def _named(files: BaseFiles, entries: Mapping[str, Entry]) -> dict[Target, str]:
    owned = files.owned(entries)
    texts = files.snapshot.read({entries[path].object_name for path in owned})
    named = {}
    for path, target in owned.items():
        prompt = base_file(path, texts[entries[path].object_name], files.site).prompt
        named[target] = prompt.name if prompt else ""
        if prompt and (label := files.site.label_at(prompt, path)) is not None:
            named[replace(target, label=label)] = prompt.name  # where a copy may stand
    return {t: name for t, name in named.items() if t.label in files.site.mapping.track}


def _new(
    files: BaseFiles, entries: Mapping[str, Entry], owned: Mapping[Target, str]
) -> tuple[Newcomers, tuple[str, ...], dict[str, str]]:
    """What becomes of the files without an id, what is wrong in any of these files, and the name
    that each file without an id gives its prompt."""
    owners = {
        path: owner
        for path, owner in files.index.owners(files.snapshot, entries).items()
        if owner.is_marked or files.site.expects(path)
    }
    texts = files.snapshot.read({entries[path].object_name for path in owners})
    read = {path: base_file(path, texts[entries[path].object_name], files.site) for path in owners}
    without_id = [read[path] for path, owner in sorted(owners.items()) if owner.prompt_id is None]
    found = newcomers(files.site, without_id, _known(files.site, without_id), owned)
    broken = (
        file.problem
        for path, file in sorted(read.items())
        if file.problem is not None and owners[path].prompt_id is not None
    )
    names = {file.path: file.prompt.name for file in without_id if file.prompt}
    return found, (*found.mistakes, *broken), names


def _known(site: Site, files: list[BaseFile]) -> dict[str, int]:
    """The names among these that PromptLayer has already, with their ids."""
    prompts = (find_by_name(site, file.prompt.name) for file in files if file.prompt)
    return {prompt.name: prompt.id for prompt in prompts if prompt and prompt.id is not None}


def fork_point(snapshot: Snapshot, head: str, reach: int = 100) -> str | None:
    """Where a branch left the base branch, along first parents; None where that is too far back
    to be found."""
    base = {commit.object_name for commit in snapshot.history(snapshot.commit, _never, reach)}
    try:
        line = snapshot.history(head, lambda commit: commit.object_name in base, reach)
    except BridgeError:
        return None
    return line[-1].object_name if line and line[-1].object_name in base else None


def _never(_: object) -> bool:
    return False
