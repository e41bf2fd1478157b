"""Find edits of what cannot be published: a prompt's name and its tags belong to no version."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.prompts.planning.publication import describe_unpublished_fields
from bridge.prompts.prompt import Prompt
from bridge.reconcile.mapping_context import MappingContext
from bridge.reconcile.read_sources import parse_base_file
from bridge.reconcile.source_commit import find_source_commits
from bridge.repo.snapshot import RepositorySnapshot

_MOST = 50  # files whose history is asked for


def find_unpublished_edits(
    context: MappingContext,
    snapshot: RepositorySnapshot,
    files: Mapping[str, tuple[Prompt, Prompt]],
) -> list[str]:
    """Of files that say another name or other tags than PromptLayer (path → what the file says, and
    what PromptLayer does), those whose last change on the base branch did that, in words. The
    others became old when somebody renamed or tagged the prompt in PromptLayer."""
    if not files:
        return []
    came_from = find_source_commits(context, snapshot, files.keys())
    lines = []
    for path, (file, platform) in sorted(files.items())[:_MOST]:
        for parent in came_from[path].parents[:1]:
            text = snapshot.read_file(parent, path)
            before = parse_base_file(path, text).prompt if text is not None else None
            if before is not None and differs_in_unpublished_fields(before, file):
                lines.append(f"{path}: {describe_unpublished_fields(file, platform)}.")
    return lines


def differs_in_unpublished_fields(before: Prompt, after: Prompt) -> bool:
    """Whether an edit changes the name or the tags, which belong to no version."""
    return describe_unpublished_fields(before, after) is not None
