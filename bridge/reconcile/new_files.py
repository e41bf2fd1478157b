"""Classify files without an id: prompts that an engineer wrote, and mistakes in such files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bridge.errors import UnsafePathError
from bridge.prompts.planning.drift import BaseBranchFile
from bridge.prompts.planning.publication import NewPromptFile
from bridge.prompts.prompt import Prompt
from bridge.prompts.target import Target
from bridge.reconcile.mapping_context import MappingContext


@dataclass(frozen=True)
class OrphanFile:
    """A prompt file in a mapping's folder that the mapping does not follow, and why not."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass
class NewFiles:
    new_prompts: list[NewPromptFile] = field(default_factory=list)
    existing: dict[Target, str] = field(default_factory=dict)
    """Target → the file without an id that belongs to a prompt PromptLayer has."""
    orphans: list[OrphanFile] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)  # with path and line


def find_new_files(
    context: MappingContext,
    files: Iterable[BaseBranchFile],
    known: Mapping[str, int],
    owned: Mapping[Target, str],
) -> NewFiles:
    """Classify ``files``. ``known`` are PromptLayer's names with their ids, and ``owned`` the
    files that carry an id: a file with a known name belongs to that prompt, at any path,
    unless another file does. Of two files for one prompt, the one at the prompt's path is
    taken."""
    found = NewFiles()
    taken: dict[tuple[str, str], str] = {}
    for file in sorted(files, key=lambda file: (not _is_at_home(context, file, known), file.path)):
        if file.prompt is None or file.label is None:
            found.mistakes.append(file.problem or file.path)
            continue
        id = known.get(file.prompt.name)
        label = context.find_owned_label(file.path, file.prompt.name, id, file.label) or file.label
        if label not in context.mapping.track:
            found.orphans += find_untracked(context, file.path, label)
            continue
        if (reason := _why_not_selected(context, file.prompt)) is not None:
            found.orphans.append(OrphanFile(file.path, reason))
            continue
        target = Target(context.mapping.name, id, label) if id is not None else None
        place = (file.prompt.name, label)
        first = (owned.get(target) if target else None) or taken.setdefault(place, file.path)
        if first != file.path:
            found.mistakes.append(
                describe_duplicate_file(file.path, repr(file.prompt.name), label, first)
            )
        elif target is not None:
            found.existing[target] = file.path
        else:
            found.new_prompts.append(NewPromptFile(file.path, file.prompt, label))
    found.new_prompts.sort(key=lambda new: new.path)
    return found


def describe_duplicate_file(path: str, prompt: str, label: str, first: str) -> str:
    """Describe the mistake of one more file for a prompt."""
    return (
        f"{path}:1: expected one file for prompt {prompt} ({label}); {first} is it already. Remove"
        " one of them, or make this one a prompt of its own: another `name`, and no `id`."
    )


def find_untracked(context: MappingContext, path: str, label: str) -> list[OrphanFile]:
    """A file of a label that the mapping does not track, unless it is another mapping's."""
    if context.is_tracked_by_neighbour(path, label):
        return []
    tracked = ", ".join(context.mapping.track)
    words = f"mapping {context.mapping.name} does not track label {label!r} (it tracks {tracked})"
    return [OrphanFile(path, words)]


def _why_not_selected(context: MappingContext, prompt: Prompt) -> str | None:
    mapping = context.mapping
    if not mapping.selection.may_match_name(prompt.name):
        return f"mapping {mapping.name} does not follow prompts named {prompt.name!r}"
    if missing := sorted(set(mapping.selection.tags) - set(prompt.tags)):
        return f"mapping {mapping.name} follows prompts with the tag {missing[0]!r} only"
    return None


def _is_at_home(context: MappingContext, file: BaseBranchFile, known: Mapping[str, int]) -> bool:
    if file.prompt is None:
        return False
    prompt = replace(file.prompt, id=known.get(file.prompt.name))
    try:
        return context.build_file_path(prompt, file.label or "") == file.path
    except UnsafePathError:
        return False
